"""Fixing: rounds, clashes, what is undone, and counts. The linters here are small and made for it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tflint_nan.finding import Applicability, Edit, Finding, Fix, Level, Position, Severity, Span
from tflint_nan.fix import FixResult, fix_source, unified_diff
from tflint_nan.source import Source

SAFE, UNSAFE, DISPLAY = Applicability.SAFE, Applicability.UNSAFE, Applicability.DISPLAY
Lint = Callable[[Source], Sequence[Finding]]


def position(text: str, offset: int) -> Position:
    row = text.count("\n", 0, offset) + 1
    return Position(row, offset - (text.rfind("\n", 0, offset) + 1) + 1)


def found(
    source: Source,
    start: int,
    end: int,
    code: str,
    edits: Sequence[tuple[int, int, str]],
    risk: Applicability,
) -> Finding:
    """A finding over text, with edits in offsets."""
    text = source.text
    span = Span(position(text, start), position(text, end))
    made = tuple(Edit(Span(position(text, a), position(text, b)), content) for a, b, content in edits)
    cell, local = source.locate(span)
    return Finding(
        code=code,
        name="name",
        message="message",
        filename=source.filename,
        span=local,
        severity=Severity.ERROR,
        level=Level.DEFAULT,
        help="help",
        statement=(local.start.row, local.end.row),
        fix=source.located(Fix(risk, f"fix {code}", made)) if made else None,
        cell=cell,
    )


def words(replacements: dict[str, str | None], risk: Applicability = SAFE) -> Lint:
    """Finds each word that is a key, and replaces it by the value (no fix for None)."""

    def lint(source: Source) -> list[Finding]:
        return [
            found(
                source,
                match.start(),
                match.end(),
                f"NAN{len(match[0]):03}",
                [] if replacements[match[0]] is None else [(*match.span(), str(replacements[match[0]]))],
                risk,
            )
            for match in re.finditer(r"\w+", source.text)
            if match[0] in replacements
        ]

    return lint


def fixed(text: str, lint: Lint, *, unsafe: bool = False) -> FixResult:
    return fix_source(Source("a.py", text), lint, unsafe)


def test_all_that_does_not_overlap_is_fixed_at_once() -> None:
    calls = 0

    def lint(source: Source) -> Sequence[Finding]:
        nonlocal calls
        calls += 1
        return words({"bad": "good"})(source)

    result = fixed("bad = bad\nx = bad\n", lint)
    assert result.source.text == "good = good\nx = good\n"
    assert calls == 2
    assert result.counts == {"NAN003": 3}
    assert result.findings == []


def test_what_a_fix_brings_to_light_is_not_tolerated() -> None:
    result = fixed("bad = 1\nx = 2\n", words({"bad": "worse", "worse": None}))
    assert result.source.text == "bad = 1\nx = 2\n"
    assert result.fixed == ()
    assert [finding.code for finding in result.remaining] == ["NAN003"]
    assert sorted(finding.code for finding in result.findings) == ["NAN003", "NAN901"]
    assert "NAN005" in result.failed[0][1]


def test_what_a_fix_brings_and_another_mends_is_progress() -> None:
    result = fixed("bad = 1\n", words({"bad": "worse", "worse": "good"}))
    assert result.source.text == "good = 1\n"
    assert [finding.code for finding in result.fixed] == ["NAN003", "NAN005"]
    # There was one when it began.
    assert result.counts == {"NAN003": 1}
    assert result.findings == []


def test_what_a_fix_brings_must_be_mended_without_more_risk() -> None:
    """The next step is an unsafe fix, and only safe ones are wanted: the two wait for `--unsafe-fixes`."""

    def lint(source: Source) -> list[Finding]:
        return [*words({"bad": "worse"})(source), *words({"worse": "good"}, UNSAFE)(source)]

    result = fixed("bad = 1\n", lint)
    assert result.source.text == "bad = 1\n"
    assert result.failed == ()
    assert [(f.code, f.fix and f.fix.applicability) for f in result.findings] == [("NAN003", UNSAFE)]
    assert fixed("bad = 1\n", lint, unsafe=True).source.text == "good = 1\n"


@pytest.mark.parametrize("level", [Level.DEFAULT, Level.STRICT])
@pytest.mark.parametrize("row", [0, 1])
def test_what_breaks_is_worth_a_weaker_finding(level: Level, row: int) -> None:
    """In its place or in another row, as long as it is weaker."""

    def lint(source: Source) -> list[Finding]:
        brought = [found(source, 7 * row, 7 * row + 1, "NAN009", [], SAFE)] if "good" in source.text else []
        return [*words({"bad": "good"})(source), *(replace(finding, level=level) for finding in brought)]

    result = fixed("bad =1\nx = 2\n", lint)
    assert result.source.text == ("good =1\nx = 2\n" if level is Level.STRICT else "bad =1\nx = 2\n")
    assert [finding.code for finding in result.remaining] == ["NAN009" if level is Level.STRICT else "NAN003"]


def test_what_a_fix_mends_besides_its_own_is_counted() -> None:
    def lint(source: Source) -> list[Finding]:
        both = words({"bad": "good"})(source)
        return [*both, *(replace(finding, code="NAN077", fix=None) for finding in both)]

    result = fixed("x = bad\n", lint)
    assert [finding.code for finding in result.fixed] == ["NAN003"]
    assert result.counts == {"NAN003": 1, "NAN077": 1}


def test_fixes_that_undo_each_other_come_to_an_end() -> None:
    result = fixed("to = 1\n", words({"to": "fro", "fro": "to"}))
    assert result.source.text == "fro = 1\n"
    assert [finding.code for finding in result.fixed] == ["NAN002"]
    assert "takes back" in result.failed[0][1]


def test_a_bad_fix_does_not_stop_the_others_and_is_not_tried_again() -> None:
    tried: list[str] = []

    def lint(source: Source) -> Sequence[Finding]:
        tried.append(source.text)
        return words({"one": "1", "two": "2 +", "three": "3"})(source)

    result = fixed("x = one\ny = two\nz = three\n", lint)
    assert result.source.text == "x = 1\ny = two\nz = 3\n"
    assert result.counts == {"NAN003": 1, "NAN005": 1}
    places = [(finding.code, finding.span.start.row) for finding in result.findings]
    assert sorted(places) == [("NAN003", 2), ("NAN901", 2)]
    assert "not Python" in result.failed[0][1]
    assert not any("2 +" in text for text in tried)


def test_a_fix_that_leaves_its_finding_is_undone() -> None:
    result = fixed("x = bad\n", words({"bad": "(bad)"}))
    assert result.source.text == "x = bad\n"
    assert "still there" in result.failed[0][1]


@pytest.mark.parametrize(
    ("risk", "unsafe", "applied"),
    [
        (SAFE, False, True),
        (SAFE, True, True),
        (UNSAFE, False, False),
        (UNSAFE, True, True),
        (DISPLAY, True, False),
    ],
)
def test_only_the_risk_that_is_wanted(risk: Applicability, unsafe: bool, applied: bool) -> None:
    result = fixed("x = bad\n", words({"bad": "good"}, risk), unsafe=unsafe)
    assert result.source.text == ("x = good\n" if applied else "x = bad\n")
    assert len(result.fixed) == applied
    assert len(result.remaining) == (not applied)
    assert result.failed == ()


def overlapping(source: Source) -> list[Finding]:
    """`f(g(x))`: one finding takes `f` away, the other `g`; both replace the whole call."""
    outer = re.search(r"f\((.*)\)", source.text)
    inner = re.search(r"g\((.*?)\)", source.text)
    findings = []
    if outer:
        findings.append(
            found(source, outer.start(), outer.start() + 1, "NAN001", [(*outer.span(), outer[1])], SAFE)
        )
    if inner:
        findings.append(
            found(source, inner.start(), inner.start() + 1, "NAN002", [(*inner.span(), inner[1])], SAFE)
        )
    return findings


def test_overlapping_fixes_take_turns() -> None:
    result = fixed("y = f(g(x))\n", overlapping)
    assert result.source.text == "y = x\n"
    assert [finding.code for finding in result.fixed] == ["NAN001", "NAN002"]


def test_two_insertions_at_one_place_take_turns() -> None:
    def lint(source: Source) -> list[Finding]:
        text = source.text
        return [
            found(source, at := text.index(f"{word}.f"), at + 1, code, [(0, 0, f"import {word}\n")], SAFE)
            for word, code in (("a", "NAN001"), ("b", "NAN002"))
            if f"import {word}\n" not in text
        ]

    result = fixed("x = a.f + b.f\n", lint)
    assert result.source.text == "import b\nimport a\nx = a.f + b.f\n"
    assert len(result.fixed) == 2


def test_one_new_name_is_not_given_twice_in_a_round() -> None:
    """Both fixes name their expression `v`; the second must see the first one's result."""

    def lint(source: Source) -> list[Finding]:
        text = source.text
        name = next(name for name in ("v", "v_1", "v_2") if f"{name} = " not in text)
        return [
            found(
                source,
                match.start(),
                match.end(),
                "NAN001",
                [
                    (start := text.rfind("\n", 0, match.start()) + 1, start, f"{name} = {match[1]}\n"),
                    (*match.span(), name),
                ],
                SAFE,
            )
            for match in re.finditer(r"g\((\d)\)", text)
        ]

    result = fixed("a = 0\nx = g(1)\ny = g(2)\n", lint)
    assert result.source.text == "a = 0\nv = 1\nx = v\nv_1 = 2\ny = v_1\n"


def naming(source: Source) -> list[Finding]:
    """Each `g(1)` gets the name `v` in a line before its own, numbered where its function has it."""
    text = source.text
    findings = []
    for match in re.finditer(r"g\((.*)\)", text):
        start = text.rfind("\n", 0, match.start()) + 1
        indent = re.match(r"[ \t]*", text[start:])
        assert indent
        function = text.rfind("def ", 0, match.start()) if indent[0] else 0
        end = text.find("def ", match.start()) if indent[0] else len(text)
        used = text[function : end if end > 0 else len(text)]
        name = next(
            name
            for name in ("v", *(f"v_{i}" for i in range(99)))
            if not re.search(rf"(?m)^ *{name} = ", used)
        )
        edits = [
            (at := start + len(indent[0]), at, f"{name} = {match[1]}\n{indent[0]}"),
            (*match.span(), name),
        ]
        findings.append(found(source, match.start(), match.end(), "NAN001", edits, SAFE))
    return findings


@pytest.mark.parametrize(
    ("text", "expected", "lints"),
    [
        (
            "def a():\n    return g(1)\n\nclass B:\n    def a(self):\n        return g(2)\n",
            "def a():\n    v = 1\n    return v\n\n"
            "class B:\n    def a(self):\n        v = 2\n        return v\n",
            2,
        ),
        (
            "def a():\n    x = g(1)\n    y = g(2)\n",
            "def a():\n    v = 1\n    x = v\n    v_1 = 2\n    y = v_1\n",
            2,
        ),
        # A function inside of another reads its names.
        (
            "def a():\n    def b():\n        return g(2)\n    return g(1)\n",
            "def a():\n    def b():\n        v = 2\n        return v\n    v_1 = 1\n    return v_1\n",
            2,
        ),
        # So does every function the module's.
        ("x = g(1)\ndef a():\n    return g(2)\n", "v = 1\nx = v\ndef a():\n    v_1 = 2\n    return v_1\n", 2),
        # A number that the file has is not given.
        (
            "x = g(1)\ny = g(2)\nv_1 = v_3 = 0\nz = g(3)\n",
            "v = 1\nx = v\nv_2 = 2\ny = v_2\nv_1 = v_3 = 0\nv_4 = 3\nz = v_4\n",
            2,
        ),
        # What a fix moves may have the name as an attribute or for an argument.
        ("x = g(1)\ny = g(a.v, f(v=2))\n", "v = 1\nx = v\nv_1 = a.v, f(v=2)\ny = v_1\n", 2),
        # Where it cannot be told, the second fix waits for the first.
        ("x = g(1)\ny = g(a['v'])\n", "v = 1\nx = v\nv_0 = a['v']\ny = v_0\n", 3),
        ("x = g(1)\ny = g(f(v = 2))\n", "v = 1\nx = v\nv_0 = f(v = 2)\ny = v_0\n", 3),
    ],
)
def test_functions_have_names_of_their_own(text: str, expected: str, lints: int) -> None:
    calls = 0

    def lint(source: Source) -> Sequence[Finding]:
        nonlocal calls
        calls += 1
        return naming(source)

    result = fixed(text, lint)
    assert result.source.text == expected
    assert calls == lints


def test_a_few_bad_fixes_among_many_cost_few_rounds() -> None:
    calls = 0
    mended = words({"bad": "good", "worse": "evil", "evil": None})

    def lint(source: Source) -> Sequence[Finding]:
        nonlocal calls
        calls += 1
        return mended(source)

    lines = ["bad"] * 300
    lines[40] = lines[200] = "worse"
    text = "".join(f"x{i} = {word}\n" for i, word in enumerate(lines))
    result = fixed(text, lint)
    assert result.source.text == text.replace("bad", "good")
    assert result.counts == {"NAN003": 298}
    assert len(result.failed) == 2
    # Halving finds one in 9 steps, doubling grows again in as many; each alone would be 300.
    assert calls < 60


def test_of_two_equal_lines_each_is_tried() -> None:
    """The fix of the first cannot be kept, as what it brings depends on its place."""

    def lint(source: Source) -> list[Finding]:
        evil = found(source, 0, 1, "NAN009", [], SAFE)
        return [*words({"bad": "good"})(source), *([evil] if source.text.startswith("good") else [])]

    result = fixed("bad\nbad\n", lint)
    assert result.source.text == "bad\ngood\n"
    assert len(result.fixed) == len(result.failed) == 1


def test_a_fix_whose_result_cannot_be_checked_is_undone_alone() -> None:
    def lint(source: Source) -> Sequence[Finding]:
        if "evil" in source.text:
            raise ZeroDivisionError("no")
        return words({"bad": "good", "worse": "evil"})(source)

    result = fixed("x = bad\ny = worse\n", lint)
    assert result.source.text == "x = good\ny = worse\n"
    assert [reason for _, reason in result.failed] == ["ZeroDivisionError: no"]


def test_text_that_the_file_s_encoding_lacks_is_not_written() -> None:
    data = b"# coding: latin-1\nx = bad  # \xe9\ny = worse\n"
    source = Source.from_bytes("a.py", data)
    result = fix_source(source, words({"bad": "'\N{EURO SIGN}'", "worse": "good"}), False)
    assert result.source.data == data.replace(b"worse", b"good")
    assert "UnicodeEncodeError" in result.failed[0][1]


def test_edits_of_one_fix_that_overlap_are_a_fault_of_that_fix() -> None:
    def lint(source: Source) -> list[Finding]:
        if "bad" not in source.text:
            return words({"worse": "good"})(source)
        start = source.text.index("bad")
        edits = [(start, start + 2, "x"), (start + 1, start + 3, "y")]
        return [*words({"worse": "good"})(source), found(source, start, start + 3, "NAN001", edits, SAFE)]

    result = fixed("x = bad\ny = worse\n", lint)
    assert result.source.text == "x = bad\ny = good\n"
    assert "overlap" in result.failed[0][1]


def test_the_file_s_line_ends_are_counted() -> None:
    """The finding after the inserted line keeps its place, or the fix would be undone."""

    def lint(source: Source) -> list[Finding]:
        text = source.text
        row = Position(2, 1)
        other = Position(text.count("\r\n"), 1)
        edits = (Edit(Span(row, row), "new\nnew\n"),)
        made = Fix(SAFE, "insert", edits) if "new" not in text else None
        base = found(source, 0, 0, "NAN001", [], SAFE)
        last = replace(base, code="NAN002", span=Span(other, other))
        return [replace(base, fix=made), last] if made else [last]

    result = fixed("a\r\nb\r\nc\r\n", lint)
    assert result.source.text == "a\r\nnew\r\nnew\r\nb\r\nc\r\n"
    assert [finding.span.start.row for finding in result.remaining] == [5]


def test_in_a_notebook() -> None:
    cells = [
        {"cell_type": "code", "source": ["x = 1\n", "y = bad"]},
        {"cell_type": "code", "source": "z = bad"},
    ]
    document = json.dumps({"cells": cells, "metadata": {}})
    source = Source.from_bytes("a.ipynb", document.encode())
    result = fix_source(source, words({"bad": "good"}), False)
    assert result.source.data.decode() == document.replace("bad", "good")
    assert [(finding.cell, finding.span.start.row) for finding in result.fixed] == [(1, 2), (2, 1)]
    assert unified_diff(source, result.source) == (
        "--- a.ipynb:cell 1\n+++ a.ipynb:cell 1\n@@ -1,2 +1,2 @@\n x = 1\n"
        "-y = bad\n\\ No newline at end of file\n+y = good\n\\ No newline at end of file\n"
        "--- a.ipynb:cell 2\n+++ a.ipynb:cell 2\n@@ -1 +1 @@\n"
        "-z = bad\n\\ No newline at end of file\n+z = good\n\\ No newline at end of file\n"
    )


def test_a_fix_that_breaks_a_cell_is_undone() -> None:
    document = json.dumps({"cells": [{"cell_type": "code", "source": "y = bad"}]})
    source = Source.from_bytes("a.ipynb", document.encode())
    result = fix_source(source, words({"bad": "(("}), False)
    assert result.source.data.decode() == document
    assert len(result.failed) == 1


def test_diff_of_a_script() -> None:
    before = Source("a.py", "x = 1\r\ny = '\f'\r\nz = 3")
    after = before.edit([Edit(Span(Position(1, 5), Position(1, 6)), "2")])
    assert unified_diff(before, after) == (
        "--- a.py\n+++ a.py\n@@ -1,3 +1,3 @@\n-x = 1\r\n+x = 2\r\n y = '\f'\r\n"
        " z = 3\n\\ No newline at end of file\n"
    )
    assert unified_diff(before, before) == ""


@given(st.lists(st.sampled_from(["bad", "worse", "fine", "broken", "(", ")", "\n", " + "]), max_size=20))
def test_fixing_twice_changes_nothing_more(parts: list[str]) -> None:
    lint = words({"bad": "good", "worse": "bad_", "bad_": "mended", "broken": "("})
    text = "".join(f"x{i} = {part}\n" if part.isalpha() else "" for i, part in enumerate(parts))
    once = fixed(text, lint)
    twice = fixed(once.source.text, lint)
    assert twice.source.text == once.source.text
    assert twice.fixed == ()
    assert len(once.fixed) == text.count("bad") + 2 * text.count("worse")
