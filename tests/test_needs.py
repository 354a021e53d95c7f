"""What rules say that they need to see: the screen and the engine skip them where it does not occur."""

from __future__ import annotations

from functools import cache

import pytest
from cases_reader import case_files
from lint import settings
from test_whole import PROGRAMS

from tflint_nan import engine
from tflint_nan.build import build
from tflint_nan.finding import Level
from tflint_nan.graph import Graph
from tflint_nan.ops.table import OPERATORS
from tflint_nan.registry import Rule, rules
from tflint_nan.source import Source


@cache
def graphs() -> dict[str, Graph]:
    """Every case and whole program, by name."""
    texts = {case.id: case.text for file in case_files() for case in file.cases}
    texts |= {path.name: path.read_text(encoding="utf-8") for path in PROGRAMS}
    thresholds = settings(strict=True).thresholds
    return {name: build(Source("case.py", text), thresholds) for name, text in texts.items()}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_a_rule_says_nothing_where_what_it_needs_does_not_occur(rule: Rule) -> None:
    judged = {name: any(rule.check(graph)) for name, graph in graphs().items()}
    assert any(judged.values())
    assert [n for n, found in judged.items() if found and not rule.may_report(graphs()[n].names)] == []


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_what_a_rule_needs_are_names_of_ops(rule: Rule) -> None:
    """A name that no op has would make a set look wider than it is."""
    made = frozenset(OPERATORS).union(*(graph.names for graph in graphs().values()))
    assert rule.needs
    for need in rule.needs:
        assert need
        assert need - made == frozenset()


def test_the_engine_asks_no_rule_that_needs_what_does_not_occur(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Graph] = []
    needs = (frozenset({"log", "exp"}), frozenset({"mul"}))
    spy = Rule("NAN101", "spy", Level.DEFAULT, "", lambda graph: iter(asked.append(graph) or ()), {}, needs)
    monkeypatch.setattr(engine, "rules", lambda: (spy,))
    said = []
    for body in ("tf.math.log(x)", "x * 2", "tf.math.log(x) * 2", "2 * tf.exp(x)"):
        engine.lint(
            Source("case.py", f"import tensorflow as tf\ndef f(x):\n    return {body}\n"),
            settings(strict=True),
        )
        said.append(len(asked))
    assert said == [0, 0, 1, 2]
