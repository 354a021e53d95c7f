"""The docstring of a rule is its manual: its Example fires, its "Use instead" does not."""

from __future__ import annotations

import importlib
import re

import pytest
from lint import check

from tflint_nan.engine import FAULTS
from tflint_nan.finding import Level
from tflint_nan.registry import Rule, rules
from tflint_nan.unused import UNUSED

HEADINGS = ["Why is this bad?", "Example", "Use instead", "Fix safety", "References"]
RULES = (*rules(), UNUSED)


def sections(page: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)$", page, flags=re.MULTILINE)
    return {title.strip(): body for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def code(page: str, title: str) -> str:
    """The fences of one section, joined."""
    fences = re.findall(r"^```python\n(.*?)^```$", sections(page)[title], flags=re.MULTILINE | re.DOTALL)
    assert fences, f"no ```python fence under {title!r}"
    return "\n".join(fences)


def module_of(rule: Rule) -> str:
    return rule.check.__module__.rpartition(".")[2]


def test_rules_are_found() -> None:
    expected = {101, 102, 103, 104, 105, 107, 113, *range(201, 215), 301, 401, *range(501, 506)}
    assert {f"NAN{number}" for number in expected} <= {rule.code for rule in RULES}
    assert FAULTS.keys() == {"NAN900", "NAN901"}
    assert not FAULTS.keys() & {rule.code for rule in RULES}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_names_agree_with_the_files(rule: Rule) -> None:
    assert module_of(rule).replace("_", "-") == rule.name
    assert importlib.import_module(rule.check.__module__).__doc__ == rule.page


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_code_and_name_are_on_the_page(rule: Rule) -> None:
    assert re.fullmatch(r"NAN\d{3}", rule.code)
    assert rule.page.strip().startswith(f"{rule.code} {rule.name}: ")
    assert rule.summary
    assert rule.summary[-1] == "."


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_headings(rule: Rule) -> None:
    present = [title for title in sections(rule.page) if title in HEADINGS]
    assert present == HEADINGS
    for title in HEADINGS:
        assert sections(rule.page)[title].strip(), f"{title} is empty"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_example_fires(rule: Rule) -> None:
    example = code(rule.page, "Example")
    compile(example, rule.name, "exec")
    found = check(example, strict=rule.level is Level.STRICT, select=(rule.code,))
    assert {finding.code for finding in found} == {rule.code}, [f"{f.code} {f.message}" for f in found]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_use_instead_is_silent(rule: Rule) -> None:
    instead = code(rule.page, "Use instead")
    compile(instead, rule.name, "exec")
    found = check(instead, strict=rule.level is Level.STRICT, select=(rule.code,))
    assert not found, [f"{f.code} {f.message}" for f in found]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_thresholds_are_on_the_page(rule: Rule) -> None:
    for name, default in rule.thresholds.items():
        assert name in rule.page, f"the page does not name the threshold {name}"
        assert f"{default:g}" in rule.page, f"the page does not give the default {default:g} of {name}"
