"""Findings with the source they are about: the sink underlined with `^`, its producers with `-`."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import click

from tflint_nan.finding import Applicability, Edit, Finding, Lines, Severity, Span
from tflint_nan.report import Report
from tflint_nan.report.concise import place
from tflint_nan.report.summary import summary

#: Columns of source that are shown; longer lines are cut around what is underlined.
WIDTH = 120
#: Columns kept left of the first underlined character of a line that is cut.
MARGIN = 20
TAB = 4
#: Rows of a multi-line span, and of a fix, that are shown before the rest becomes `...`.
MANY = 16
RISK = {
    Applicability.SAFE: "fix (safe)",
    Applicability.UNSAFE: "fix (unsafe)",
    Applicability.DISPLAY: "suggestion",
}


@dataclass(frozen=True, slots=True)
class _Mark:
    """An underlined span: the sink's (`^`) or a producer's (`-`), with what is said of it."""

    span: Span
    message: str
    primary: bool


def render(report: Report) -> str:
    """Every finding with its snippet, then the summary."""
    painter = _Painter(report.colour)
    blocks = [
        "".join(f"{line}\n" for line in _finding(finding, report.lines, painter))
        for finding in report.findings
    ]
    return "".join(f"{block}\n" for block in blocks) + summary(report)


@dataclass(frozen=True, slots=True)
class _Painter:
    colour: bool

    def __call__(self, text: str, fg: str | None = None, bold: bool = False) -> str:
        return click.style(text, fg=fg, bold=bold) if self.colour and text else text

    def gutter(self, text: str) -> str:
        return self(text, "blue", bold=True)


def _finding(finding: Finding, lines: Lines, paint: _Painter) -> Iterator[str]:
    tone = "red" if finding.severity is Severity.ERROR else "yellow"
    yield paint(f"{finding.severity.value}[{finding.code}]", tone, True) + paint(
        f": {_clean(finding.message)}", bold=True
    )

    here = (finding.filename, finding.cell)
    marks: dict[tuple[str, int | None], list[_Mark]] = {here: []}
    said = ""
    for step in finding.related:
        if (step.filename, step.cell, step.span) == (*here, finding.span):
            said = step.message
        else:
            marks.setdefault((step.filename, step.cell), []).append(_Mark(step.span, step.message, False))
    marks[here].append(_Mark(finding.span, said, True))
    width = max(
        len(str(min(mark.span.end.row, max(len(lines.get(key, ())), mark.span.start.row))))
        for key, there in marks.items()
        for mark in there
    )
    blank = " " * width
    for key, there in marks.items():
        arrow, start = ("-->", finding.span.start) if key == here else (":::", there[0].span.start)
        yield f"{blank}{paint.gutter(arrow)} {_clean(place(*key, start))}"
        text = lines.get(key, ())
        if text:
            yield paint.gutter(f"{blank} |")
            yield from _snippet(text, there, width, tone, paint)
    if any(lines.get(key) for key in marks):
        yield paint.gutter(f"{blank} |")
    if finding.witness:
        yield f"{blank} {paint.gutter('=')} {paint('witness', bold=True)}: {_clean(finding.witness)}"
    yield f"{paint('help', 'cyan', True)}: {_clean(finding.help)}"
    if finding.fix:
        yield f"{paint(RISK[finding.fix.applicability], 'cyan', True)}: {_clean(finding.fix.message)}"
        for name, changes in finding.fix.by_file.items():
            if name is not None:
                yield f"{blank}{paint.gutter(':::')} {_clean(name)}"
            for cell in sorted({edit.cell or 0 for edit in changes}):
                edits = [edit for edit in changes if (edit.cell or 0) == cell]
                text = lines.get((name or finding.filename, cell or None), ())
                yield from _preview(text, edits, width, paint)


def _snippet(
    text: Sequence[str], marks: Iterable[_Mark], width: int, tone: str, paint: _Painter
) -> Iterator[str]:
    """The rows that are marked, each with its underlines below; what is left out becomes `...`."""
    under: dict[int, list[tuple[int, int, _Mark, bool]]] = {}
    for mark in marks:
        for row, start, end, last in _rows(mark.span, text):
            under.setdefault(row, []).append((start, end, mark, last))
    previous = 0
    for row in sorted(under):
        if previous and row == previous + 2:
            yield _source_row(row - 1, _View(text[row - 2], ()), width, paint)
        elif previous and row > previous + 2:
            yield paint.gutter("...")
        previous = row
        pieces = sorted(under[row], key=lambda piece: (piece[0], piece[1], piece[2].message))
        view = _View(text[row - 1], [(start, end) for start, end, _, _ in pieces])
        yield _source_row(row, view, width, paint)
        for start, end, mark, last in pieces:
            left, right = view.place(start, end)
            line = ("^" if mark.primary else "-") * (right - left)
            message = f" {_clean(mark.message)}" if last and mark.message else ""
            colour = tone if mark.primary else "blue"
            gutter = paint.gutter(" " * width + " |")
            yield f"{gutter} {' ' * left}{paint(line + message, colour, mark.primary)}"


def _source_row(row: int, view: _View, width: int, paint: _Painter) -> str:
    return f"{paint.gutter(f'{row:>{width}} |')} {view.text}".rstrip()


def _rows(span: Span, text: Sequence[str]) -> Iterator[tuple[int, int, int, bool]]:
    """Row, first and last column from 0, and "is the last row", of the rows of a span that are shown."""
    first, last = span.start.row, min(span.end.row, len(text))
    if span.end.column == 1 and last > first:
        last -= 1  # The span ends with the line break.
    for row in range(first, last + 1):
        if first + MANY // 2 <= row < last:
            continue
        line = text[row - 1]
        start = span.start.column - 1 if row == first else len(line) - len(line.lstrip())
        end = span.end.column - 1 if row == span.end.row else len(line.rstrip())
        if row in (first, last) or line.strip():
            yield row, start, max(end, start + 1), row == last


class _View:
    """One source line as the terminal shows it: tabs as spaces, control characters replaced, wide characters
    two columns wide, and cut to `WIDTH` columns around what is underlined (`marked`: columns from 0)."""

    def __init__(self, line: str, marked: Sequence[tuple[int, int]]) -> None:
        shown: list[str] = []
        #: Character of the line -> column of the screen.
        self._columns = [0]
        for char in line:
            column = self._columns[-1]
            if char == "\t":
                char = " " * (TAB - column % TAB)
            elif not char.isprintable() and unicodedata.category(char) not in ("Mn", "Me"):
                char = "\N{REPLACEMENT CHARACTER}"
            shown.append(char)
            self._columns.append(column + sum(_width(part) for part in char))
        total = self._columns[-1]
        self._first = self._shift = 0
        self._last = total
        if total <= WIDTH:
            self.text = "".join(shown)
            return
        wanted = min((self._column(start) for start, _ in marked), default=0)
        # The mark starts well inside, and the window never reaches past the end of the line.
        self._first = max(0, min(wanted - MARGIN, total - WIDTH))
        self._last = self._first + WIDTH
        inside = [
            (column, char)
            for char, column, end in zip(shown, self._columns, self._columns[1:], strict=False)
            if column >= self._first and end <= self._last
        ]
        self._first = inside[0][0]
        head, tail = ("..." if self._first else ""), ("..." if self._last < total else "")
        self._shift = len(head)
        self.text = head + "".join(char for _, char in inside) + tail

    def _column(self, char: int) -> int:
        # A span may end one behind the line.
        last = len(self._columns) - 1
        return self._columns[char] if char <= last else self._columns[last] + char - last

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Columns of the screen, from 0, of the characters from `start` to `end`; one at least."""
        left = min(max(self._column(start), self._first), self._last)
        right = min(self._column(end), max(self._last, left + 1))
        return left - self._first + self._shift, max(right, left + 1) - self._first + self._shift


def _width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _clean(text: str) -> str:
    """A message in one line, without what a terminal would obey."""
    return "".join(char if char.isprintable() else " " for char in text)


def _preview(text: Sequence[str], edits: Sequence[Edit], width: int, paint: _Painter) -> Iterator[str]:
    """The rows that a fix changes, before and after."""
    shown = 0
    for first, last, after in changed_rows(text, edits):
        before = [(row, text[row - 1]) for row in range(first, last + 1)]
        # Rows that stay the same at both ends of a block say nothing.
        while before and after and before[-1][1] == after[-1]:
            before.pop(), after.pop()
        while before and after and before[0][1] == after[0]:
            before.pop(0), after.pop(0)
            first += 1
        for sign, tone, rows in (
            ("-", "red", before),
            ("+", "green", list(enumerate(after, first))),
        ):
            for row, line in rows:
                shown += 1
                if shown > MANY:
                    yield paint.gutter("...")
                    return
                changed = f"{sign} {_View(line, ()).text}".rstrip()
                yield f"{paint.gutter(f'{row:>{width}}')} {paint(changed, tone)}"


def changed_rows(text: Sequence[str], edits: Sequence[Edit]) -> Iterator[tuple[int, int, list[str]]]:
    """First and last row that edits touch, and the lines that stand there afterwards."""
    blocks: list[list[Edit]] = []
    for edit in sorted(edits):
        if blocks and edit.span.start.row <= max(other.span.end.row for other in blocks[-1]):
            blocks[-1].append(edit)
        else:
            blocks.append([edit])
    for block in blocks:
        first, last = block[0].span.start.row, min(max(edit.span.end.row for edit in block), len(text))
        rows = list(text[first - 1 : last])
        for edit in reversed(block):
            start, end = edit.span.start, edit.span.end
            if start.row > len(text):  # Behind a last line without a line break.
                rows.extend(edit.content.splitlines())
                continue
            tail = rows[end.row - first :]
            rest = tail[0][end.column - 1 :] if tail else ""
            joined = rows[start.row - first][: start.column - 1] + edit.content + rest
            rows[start.row - first : end.row - first + 1] = joined.split("\n")
        yield first, last, [row.removesuffix("\r") for row in rows]
