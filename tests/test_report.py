"""Reports: what each format says of the same findings."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import click
import jsonschema
import pytest

from tflint_nan.finding import (
    Applicability,
    Edit,
    Finding,
    Fix,
    Level,
    Position,
    Related,
    Severity,
    Span,
)
from tflint_nan.fix import risks
from tflint_nan.report import Report, render, statistics
from tflint_nan.report.text import changed_rows

TEXT = [
    "import tensorflow as tf",
    "p = tf.nn.softmax(logits)",
    "a = 1",
    "b = 2",
    "loss = -tf.reduce_sum(y * tf.log(p))",
]


def _span(row: int, start: int, end: int, last: int | None = None) -> Span:
    return Span(Position(row, start), Position(last or row, end))


FINDING = Finding(
    code="NAN101",
    name="log-of-softmax",
    message="the log of a softmax output is -inf",
    filename="train.py",
    span=_span(5, 27, 36),
    severity=Severity.ERROR,
    level=Level.DEFAULT,
    help="compute the loss from the logits",
    statement=(5, 5),
    related=(Related("softmax: [0, 1]", "train.py", _span(2, 5, 26)),),
    witness="logits = [104., 0.] -> softmax = [1., 0.] -> log = -inf",
    fix=Fix(Applicability.SAFE, "use log_softmax", (Edit(_span(5, 27, 36), "tf.nn.log_softmax(logits)"),)),
)


def _text(*findings: Finding, lines: list[str] | None = None, **options: object) -> str:
    texts = {(finding.filename, finding.cell): TEXT if lines is None else lines for finding in findings}
    return render("text", Report(findings, lines=texts, **options))  # type: ignore[arg-type]


def test_text() -> None:
    assert _text(FINDING) == (
        """\
error[NAN101]: the log of a softmax output is -inf
 --> train.py:5:27
  |
2 | p = tf.nn.softmax(logits)
  |     --------------------- softmax: [0, 1]
...
5 | loss = -tf.reduce_sum(y * tf.log(p))
  |                           ^^^^^^^^^
  |
  = witness: logits = [104., 0.] -> softmax = [1., 0.] -> log = -inf
help: compute the loss from the logits
fix (safe): use log_softmax
5 - loss = -tf.reduce_sum(y * tf.log(p))
5 + loss = -tf.reduce_sum(y * tf.nn.log_softmax(logits))

Found 1 error.
1 fixable with --fix.
"""
    )


def test_text_shows_one_row_between_two_marks() -> None:
    near = replace(FINDING, related=(Related("here", "train.py", _span(3, 1, 2)),), fix=None, witness=None)
    assert "3 | a = 1\n  | - here\n4 | b = 2\n5 | loss" in _text(near)


def test_text_of_a_producer_in_another_file() -> None:
    there = Related("softmax: [0, 1]", "models/net.py", _span(12, 8, 20))
    lines = {("train.py", None): TEXT, ("models/net.py", None): [""] * 11 + ["return tf.nn.softmax(x)"]}
    text = render("text", Report([replace(FINDING, related=(there,), fix=None)], lines=lines))
    assert (
        """\
  --> train.py:5:27
   |
 5 | loss = -tf.reduce_sum(y * tf.log(p))
   |                           ^^^^^^^^^
  ::: models/net.py:12:8
   |
12 | return tf.nn.softmax(x)
   |        ------------ softmax: [0, 1]
   |
"""
        in text
    )


def test_text_of_what_is_said_about_the_sink_itself() -> None:
    sink = replace(FINDING, related=(Related("log: [-inf, 0]", "train.py", FINDING.span),), fix=None)
    assert "^^^^^^^^^ log: [-inf, 0]\n" in _text(sink)
    assert "-----" not in _text(sink)


def test_text_of_several_rows() -> None:
    lines = ["x = tf.log(", "    p,", ")", "y = 1"]
    finding = replace(FINDING, span=_span(1, 5, 2, last=3), related=(), fix=None, witness=None)
    assert """\
1 | x = tf.log(
  |     ^^^^^^^
2 |     p,
  |     ^^
3 | )
  | ^
""" in _text(finding, lines=lines)


def test_text_of_many_rows_is_cut() -> None:
    lines = ["x = [", *("    1," for _ in range(100)), "]"]
    finding = replace(FINDING, span=_span(1, 5, 2, last=102), related=(), fix=None, witness=None)
    text = _text(finding, lines=lines)
    assert "...\n102 | ]\n    | ^\n" in text
    assert len(text.splitlines()) < 30


@pytest.mark.parametrize(
    ("line", "start", "end", "shown", "underlined"),
    [
        ("\tx = tf.log(p)", 6, 15, "    x = tf.log(p)", "        ^^^^^^^^^"),
        ("x =\ttf.log(p)", 5, 14, "x = tf.log(p)", "    ^^^^^^^^^"),
        ("'损失', log(p)", 7, 13, "'损失', log(p)", "        ^^^^^^"),
        ("损失 = 1", 1, 3, "损失 = 1", "^^^^"),
        ("'e\u0301', log(p)", 7, 13, "'e\u0301', log(p)", "     ^^^^^^"),
        ("'\x1b[31m', f(p)", 10, 14, "'\ufffd[31m', f(p)", "         ^^^^"),
        ("x", 2, 2, "x", " ^"),
    ],
)
def test_columns_of_the_screen(line: str, start: int, end: int, shown: str, underlined: str) -> None:
    finding = replace(FINDING, span=_span(1, start, end), related=(), fix=None, witness=None)
    assert f"1 | {shown}\n  | {underlined}\n" in _text(finding, lines=[line])


@pytest.mark.parametrize("before", [0, 1, 19, 60, 200, 5000])
@pytest.mark.parametrize("after", [0, 1, 60, 200, 5000])
def test_long_lines_are_cut_around_what_is_underlined(before: int, after: int) -> None:
    line = "a" * before + "LOG" + "b" * after
    finding = replace(FINDING, span=_span(1, before + 1, before + 4), related=(), fix=None, witness=None)
    _, source, under = itertools.islice(
        (line for line in _text(finding, lines=[line]).splitlines() if "|" in line), 3
    )
    assert source[under.index("^") : under.rindex("^") + 1] == "LOG"
    assert len(source) <= 4 + 120 + 6
    assert ("..." in source) is (len(line) > 120)


def test_a_mark_longer_than_the_screen_is_cut() -> None:
    finding = replace(FINDING, span=_span(1, 10, 900), related=(), fix=None, witness=None)
    text = _text(finding, lines=["x" * 1000])
    assert max(len(line) for line in text.splitlines()) <= 4 + 120 + 6


def test_colour_changes_nothing_but_colour() -> None:
    plain, coloured = _text(FINDING), _text(FINDING, colour=True)
    assert "\x1b[" in coloured
    assert "\x1b[" not in plain
    assert click.unstyle(coloured) == plain


def test_text_of_a_notebook_and_of_a_file_without_lines() -> None:
    text = _text(replace(FINDING, cell=3))
    assert " --> train.py:cell 3:5:27\n" in text
    assert "5 | loss = " in text
    bare = render("text", Report([replace(FINDING, fix=None)]))
    assert "|" not in bare
    assert "--> train.py:5:27" in bare


def _edit(row: int, start: int, end: int, content: str, last: int | None = None) -> Edit:
    return Edit(_span(row, start, end, last), content)


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ((_edit(2, 5, 26, "x"),), [(2, 2, ["p = x"])]),
        ((_edit(2, 1, 2, "q"), _edit(2, 5, 26, "x")), [(2, 2, ["q = x"])]),
        ((_edit(1, 1, 1, "import os\n"),), [(1, 1, ["import os", TEXT[0]])]),
        ((_edit(3, 1, 1, "", last=4),), [(3, 4, ["b = 2"])]),
        ((_edit(1, 1, 1, "# a\n"), _edit(3, 5, 6, "2")), [(1, 1, ["# a", TEXT[0]]), (3, 3, ["a = 2"])]),
        ((_edit(3, 1, 6, "c = 3", last=4), _edit(4, 6, 6, "  # b")), [(3, 4, ["c = 3  # b"])]),
        ((_edit(6, 1, 1, "z = 1\n"),), [(6, 5, ["z = 1"])]),
    ],
)
def test_changed_rows(edits: tuple[Edit, ...], expected: list[tuple[int, int, list[str]]]) -> None:
    assert list(changed_rows(TEXT, edits)) == expected


def test_concise() -> None:
    findings = [FINDING, replace(FINDING, filename="n.ipynb", cell=2, fix=None)]
    assert render("concise", Report(findings)) == (
        "train.py:5:27: NAN101 the log of a softmax output is -inf\n"
        "n.ipynb:cell 2:5:27: NAN101 the log of a softmax output is -inf\n"
        "Found 2 errors.\n"
        "1 fixable with --fix, 1 needs you.\n"
    )


UNSAFE = Fix(Applicability.UNSAFE, "m", ())
DISPLAY = Fix(Applicability.DISPLAY, "m", ())


@pytest.mark.parametrize(
    ("fixes", "fixed", "applied", "expected"),
    [
        ((), {}, (), "All checks passed!\n"),
        ((), {}, risks(True), "All checks passed!\n"),
        ((None,), {}, (), "Found 1 error.\n"),
        ((DISPLAY,), {}, (), "Found 1 error.\n"),
        ((UNSAFE,), {}, (), "Found 1 error.\n1 fixable with --fix --unsafe-fixes.\n"),
        (
            (FINDING.fix, FINDING.fix, UNSAFE),
            {},
            (),
            "Found 3 errors.\n2 fixable with --fix, 1 more with --unsafe-fixes.\n",
        ),
        ((FINDING.fix, None), {}, (), "Found 2 errors.\n1 fixable with --fix, 1 needs you.\n"),
        (
            (None, UNSAFE, UNSAFE),
            {"NAN101": 5, "NAN102": 2},
            risks(False),
            "Found 10 errors: fixed 7, 2 more with --unsafe-fixes, 1 needs you.\n",
        ),
        ((None, DISPLAY), {}, risks(False), "Found 2 errors: fixed 0, 2 need you.\n"),
        # What was not applied although it was asked for cannot be.
        ((FINDING.fix,), {"NAN101": 1}, risks(False), "Found 2 errors: fixed 1, 1 needs you.\n"),
        ((UNSAFE,), {"NAN101": 1}, risks(True), "Found 2 errors: fixed 1, 1 needs you.\n"),
        ((), {"NAN101": 2}, risks(True), "Found 2 errors: fixed 2.\n"),
    ],
)
def test_summary(
    fixes: tuple[Fix | None, ...], fixed: dict[str, int], applied: tuple[Applicability, ...], expected: str
) -> None:
    findings = [replace(FINDING, fix=fix) for fix in fixes]
    text = render("concise", Report(findings, fixed, applied=applied))
    assert text.endswith(expected)
    assert len(text.splitlines()) == len(findings) + len(expected.splitlines())


_PLACE = {
    "type": "object",
    "properties": {
        "row": {"type": "integer", "minimum": 1},
        "column": {"type": "integer", "minimum": 1},
    },
    "required": ["row", "column"],
    "additionalProperties": False,
}
#: Ruff's objects, and the three keys that are ours.
SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": [
            "cell", "code", "end_location", "filename", "fix", "location", "message", "name", "noqa_row",
            "related", "severity", "url", "witness",
        ],
        "properties": {
            "cell": {"type": ["integer", "null"]},
            "code": {"type": "string", "pattern": "^NAN[0-9]{3}$"},
            "end_location": _PLACE,
            "filename": {"type": "string"},
            "fix": {
                "type": ["object", "null"],
                "additionalProperties": False,
                "required": ["applicability", "message", "edits"],
                "properties": {
                    "applicability": {"enum": ["safe", "unsafe", "display"]},
                    "message": {"type": "string"},
                    "edits": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "additionalProperties": False,
                            "required": ["content", "location", "end_location"],
                            "properties": {
                                "content": {"type": "string"},
                                "location": _PLACE,
                                "end_location": _PLACE,
                            },
                        },
                    },
                },
            },
            "location": _PLACE,
            "message": {"type": "string"},
            "name": {"type": "string"},
            "noqa_row": {"type": "integer", "minimum": 1},
            "related": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["message", "filename", "location", "end_location"],
                    "properties": {
                        "message": {"type": "string"},
                        "filename": {"type": "string"},
                        "location": _PLACE,
                        "end_location": _PLACE,
                    },
                },
            },
            "severity": {"enum": ["error", "warning"]},
            "url": {"type": ["string", "null"]},
            "witness": {"type": ["string", "null"]},
        },
    },
}  # fmt: skip


def test_json_has_the_shape_of_ruffs() -> None:
    bare = replace(FINDING, fix=None, related=(), witness=None, cell=2, severity=Severity.WARNING)
    found = json.loads(render("json", Report([FINDING, bare])))
    jsonschema.validate(found, SCHEMA)
    assert found[0] == {
        "cell": None,
        "code": "NAN101",
        "end_location": {"row": 5, "column": 36},
        "filename": str(Path("train.py").absolute()),
        "fix": {
            "applicability": "safe",
            "message": "use log_softmax",
            "edits": [
                {
                    "content": "tf.nn.log_softmax(logits)",
                    "location": {"row": 5, "column": 27},
                    "end_location": {"row": 5, "column": 36},
                }
            ],
        },
        "location": {"row": 5, "column": 27},
        "message": "the log of a softmax output is -inf",
        "name": "log-of-softmax",
        "noqa_row": 5,
        "related": [
            {
                "message": "softmax: [0, 1]",
                "filename": str(Path("train.py").absolute()),
                "location": {"row": 2, "column": 5},
                "end_location": {"row": 2, "column": 26},
            }
        ],
        "severity": "error",
        "url": "https://github.com/tflint-nan/tflint-nan/blob/main/docs/rules/log-of-softmax.md",
        "witness": "logits = [104., 0.] -> softmax = [1., 0.] -> log = -inf",
    }


def test_json_stands_any_text() -> None:
    odd = replace(FINDING, filename="bad\udcff.py", message="损失 \u2028 \x1b", fix=None)
    text = render("json", Report([odd]))
    assert text.isascii()
    assert json.loads(text)[0]["message"] == odd.message


def test_standard_input_keeps_its_name_in_json() -> None:
    assert json.loads(render("json", Report([replace(FINDING, filename="-")])))[0]["filename"] == "-"


def test_statistics() -> None:
    other = replace(FINDING, code="NAN201", name="sigmoid-with-mse", fix=None)
    report = Report([FINDING, other, *(replace(other, fix=DISPLAY) for _ in range(9))])
    assert statistics.render(report, "text") == (
        "10  NAN201  sigmoid-with-mse\n 1  NAN101  log-of-softmax (1 fixable)\n"
    )
    assert json.loads(statistics.render(report, "json")) == [
        {"code": "NAN201", "name": "sigmoid-with-mse", "count": 10, "fixable_count": 0},
        {"code": "NAN101", "name": "log-of-softmax", "count": 1, "fixable_count": 1},
    ]


@pytest.mark.parametrize(
    ("output_format", "expected"),
    [
        ("text", "All checks passed!\n"),
        ("concise", "All checks passed!\n"),
        ("github", "All checks passed!\n"),
        ("json", "[]\n"),
        ("gitlab", "[]\n"),
        ("json-lines", ""),
    ],
)
def test_nothing_found(output_format: str, expected: str) -> None:
    assert render(output_format, Report([])) == expected
