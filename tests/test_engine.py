"""From reports to findings: places, levels, suppressions, duplicates, failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from lint import check_files

from tflint_nan import engine
from tflint_nan.engine import Settings, lint
from tflint_nan.finding import Applicability, Edit, Finding, Fix, Level, Position, Severity, Span
from tflint_nan.graph import Graph, Report
from tflint_nan.registry import Check, Rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.source import Source
from tflint_nan.value import Op

Lint = Callable[..., list[Finding]]


def _report(op: Op, **more: object) -> Report:
    values: dict[str, object] = {"message": f"a {op.name}", "help": "none", **more}
    return Report(op, **values)  # type: ignore[arg-type]


def _logs(graph: Graph) -> Iterator[Report]:
    for op in graph.ops("log"):
        yield _report(op)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Lint:
    """Lints a text with the given checks as the rules NAN101, NAN102, ..."""

    def lint_with(
        text: str,
        *checks: Check,
        level: Level = Level.DEFAULT,
        shown: Mapping[str, Level] | None = None,
        thresholds: Mapping[str, float] | None = None,
    ) -> list[Finding]:
        rules = tuple(
            Rule(f"NAN{number}", f"rule-{number}", level, "", check, {})
            for number, check in enumerate(checks, 101)
        )
        monkeypatch.setattr(engine, "rules", lambda: rules)
        everything = {rule.code: Level.OPTIONAL for rule in rules}
        settings = Settings(everything if shown is None else shown, thresholds or {})
        return lint(Source("a.py", "import tensorflow as tf\n" + text), settings)

    return lint_with


def test_a_report_becomes_a_finding(run: Lint) -> None:
    def check(graph: Graph) -> Iterator[Report]:
        for op in graph.ops("log"):
            producer = op.arg("x").op
            assert producer is not None
            yield _report(
                op, message="m", help="h", witness="w", because=((producer, "made here"),) * 2,
                severity=Severity.WARNING, level=Level.STRICT,
            )  # fmt: skip

    (finding,) = run("p = tf.nn.softmax(\n    tf.Variable([1.0]))\nq = (tf.math\n  .log(p))\n", check)
    assert (finding.code, finding.name, finding.filename, finding.cell) == (
        "NAN101",
        "rule-101",
        "a.py",
        None,
    )
    assert (finding.message, finding.help, finding.witness) == ("m", "h", "w")
    assert (finding.severity, finding.level) == (Severity.WARNING, Level.STRICT)
    assert finding.span == Span(Position(4, 6), Position(5, 10))
    assert finding.statement == (4, 5)
    assert [(step.message, step.filename, step.span) for step in finding.related] == [
        ("made here", "a.py", Span(Position(2, 5), Position(3, 24)))
    ]


def test_a_report_may_stand_at_another_node(run: Lint) -> None:
    def check(graph: Graph) -> Iterator[Report]:
        for op in graph.ops("log"):
            yield _report(op, node=op.nodes["x"])

    (finding,) = run("q = tf.math.log(tf.nn.relu(3.0))\n", check)
    assert finding.span == Span(Position(2, 17), Position(2, 32))


@pytest.mark.parametrize(
    ("rule_level", "report_level", "shown", "expected"),
    [
        (Level.DEFAULT, Level.DEFAULT, Level.DEFAULT, Level.DEFAULT),
        (Level.DEFAULT, Level.STRICT, Level.DEFAULT, None),
        (Level.DEFAULT, Level.STRICT, Level.STRICT, Level.STRICT),
        (Level.STRICT, Level.DEFAULT, Level.STRICT, Level.STRICT),
        (Level.OPTIONAL, Level.DEFAULT, Level.DEFAULT, Level.OPTIONAL),
        (Level.OPTIONAL, Level.OPTIONAL, Level.STRICT, None),
        (Level.DEFAULT, Level.OPTIONAL, Level.OPTIONAL, Level.OPTIONAL),
    ],
)
def test_levels(
    run: Lint, rule_level: Level, report_level: Level, shown: Level, expected: Level | None
) -> None:
    def check(graph: Graph) -> Iterator[Report]:
        for op in graph.ops("log"):
            yield _report(op, level=report_level)

    found = run("q = tf.math.log(1.0)\n", check, level=rule_level, shown={"NAN101": shown})
    assert [finding.level for finding in found] == ([expected] if expected else [])


def test_a_rule_that_is_not_selected_does_not_run(run: Lint) -> None:
    def explode(graph: Graph) -> Iterator[Report]:
        raise AssertionError("it ran")

    found = run("q = tf.math.log(1.0)\n", explode, _logs, shown={"NAN102": Level.DEFAULT})
    assert [finding.code for finding in found] == ["NAN102"]


def test_thresholds_reach_the_rules(run: Lint) -> None:
    def check(graph: Graph) -> Iterator[Report]:
        for op in graph.ops("log"):
            yield _report(op, message=f"{graph.threshold('rate')}")

    (finding,) = run("q = tf.math.log(1.0)\n", check, thresholds={"rate": 0.25})
    assert finding.message == "0.25"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("q = tf.math.log(1.0)  # noqa\n", 0),
        ("q = tf.math.log(1.0)  # noqa: NAN101\n", 0),
        ("q = tf.math.log(1.0)  # noqa: NAN102\n", 1),
        ("q = [\n  tf.math.log(1.0),\n]  # noqa\n", 0),
        ("q = tf.math.log(1.0); p = 1  # noqa\n", 0),
        ("if tf.math.log(1.0):  # noqa\n    q = 1\n", 0),
        ("if tf.math.log(1.0):\n    q = 1  # noqa\n", 1),
        ("if (tf.math.log(1.0) and\n    True):  # noqa\n    q = 1\n", 0),
        ("while tf.math.log(1.0): q = 1  # noqa\n", 0),
        ("def f(\n    x=tf.math.log(1.0),\n):  # noqa\n    return x\n", 0),
        ("q = 1  # noqa\np = tf.math.log(1.0)\n", 1),
        ("# tflint-nan: noqa\nq = tf.math.log(1.0)\n", 0),
    ],
)
def test_noqa(run: Lint, text: str, expected: int) -> None:
    assert len(run(text, _logs)) == expected


def test_one_place_is_reported_once_with_the_strongest_word(run: Lint) -> None:
    def check(graph: Graph) -> Iterator[Report]:
        for number, op in enumerate(graph.ops("log")):
            yield _report(op, message=f"call {number}", level=Level.STRICT if number == 0 else Level.DEFAULT)

    text = "def f(x):\n    return tf.math.log(x)\na = f(1.0)\nb = f(2.0)\nc = f(3.0)\n"
    (finding,) = run(text, check)
    assert (finding.message, finding.level, finding.span.start.row) == ("call 1", Level.DEFAULT, 3)


def test_among_equals_the_report_with_a_fix_is_kept(run: Lint) -> None:
    def check(graph: Graph) -> Iterator[Report]:
        for number, op in enumerate(graph.ops("log")):
            place = Edit(Span(Position(3, 1), Position(3, 1)), "#\n")
            fix = Fix(Applicability.SAFE, f"fix {number}", (place,))
            built = [None, fix][number == 1]
            yield _report(op, fix=lambda rewriter, built=built: built)

    text = "def f(x):\n    return tf.math.log(x)\na = f(1.0)\nb = f(2.0)\n"
    (finding,) = run(text, check)
    assert finding.fix is not None
    assert finding.fix.message == "fix 1"


def test_a_fix_is_built_with_the_ops_rewriter_and_only_when_shown(run: Lint) -> None:
    built: list[object] = []

    def build_fix(rewriter: Rewriter) -> None:
        built.append(rewriter)

    def check(graph: Graph) -> Iterator[Report]:
        for op in graph.ops("log"):
            yield _report(op, fix=build_fix)

    found = run("a = tf.math.log(1.0)\nb = tf.math.log(2.0)  # noqa\n", check)
    assert len(found) == 1
    assert found[0].fix is None
    assert [type(item) for item in built] == [Rewriter]


def test_a_rule_that_fails_is_a_finding_and_the_others_run(run: Lint) -> None:
    def fails(graph: Graph) -> Iterator[Report]:
        yield from _logs(graph)
        raise KeyError("axis\nof evil")

    found = run("a = tf.math.log(1.0)\n", fails, _logs)
    assert [finding.code for finding in found] == ["NAN901", "NAN101", "NAN102"]
    assert found[0].message.startswith("rule NAN101 failed: KeyError: 'axis\\nof evil' at test_engine.py:")
    assert "\n" not in found[0].message


def test_a_fix_that_fails_is_a_finding_and_the_problem_stays(run: Lint) -> None:
    def fails(rewriter: Rewriter) -> Fix:
        raise ZeroDivisionError

    def check(graph: Graph) -> Iterator[Report]:
        for op in graph.ops("log"):
            yield _report(op, fix=fails)

    found = run("a = tf.math.log(1.0)  # noqa: NAN901\n", check)
    assert [finding.code for finding in found] == ["NAN901", "NAN101"]
    assert "the fix of rule NAN101 failed: ZeroDivisionError at" in found[0].message


def test_findings_are_sorted_by_place_and_code(run: Lint) -> None:
    def backwards(graph: Graph) -> Iterator[Report]:
        yield from reversed(list(_logs(graph)))

    text = "a = [tf.math.log(1.0), tf.math.log(2.0)]\nb = tf.math.log(3.0)\n"
    found = run(text, backwards, backwards)
    places = [(finding.span.start.row, finding.span.start.column, finding.code) for finding in found]
    assert places == sorted(places)
    assert len(places) == 6


#: In a file of its own: nobody knows the rate, or how wide the layer is, but who calls it.
_NETS = """import tensorflow as tf
from tensorflow.keras.initializers import RandomNormal as normal

def compiled(rate, deviation):
    model = tf.keras.Sequential([
        tf.keras.Input((64,)),
        tf.keras.layers.Dense(64, "relu", kernel_initializer=normal(0.0, deviation)),
        tf.keras.layers.Dense(1),
    ])
    model.compile(tf.keras.optimizers.Adam(rate), "mse")
    return model
"""


def test_what_goes_wrong_elsewhere_with_numbers_of_this_file_is_told_at_the_call(tmp_path: Path) -> None:
    """Warnings as well as errors: a rate, a start; each by itself is right for other callers."""
    (tmp_path / "nets.py").write_text(_NETS)
    train = tmp_path / "train.py"
    found = []
    for numbers in ("1e-3, 0.05", "2.0, 0.05", "1e-3, 5.0"):
        train.write_text(f"from nets import compiled\nmodel = compiled({numbers})\n")
        findings = check_files(train).findings
        found.append([(finding["code"], finding["location"]["row"]) for finding in findings])
    assert found == [[], [("NAN401", 2)], [("NAN502", 2)]]
    assert check_files(tmp_path / "nets.py").findings == []


def test_what_another_file_says_by_itself_is_not_told_again(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(_NETS.replace("Adam(rate)", "Adam(2.0)"))
    train = tmp_path / "train.py"
    train.write_text("from nets import compiled\nmodel = compiled(2.0, 0.05)\n")
    assert check_files(train).findings == []
    assert [finding["code"] for finding in check_files(tmp_path / "nets.py").findings] == ["NAN401"]
