"""A file as text, and the places in it."""

from __future__ import annotations

import io
import json
import os
import re
import tokenize
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import libcst as cst
from libcst.metadata import CodeRange

from tflint_nan import fences
from tflint_nan.disk import MAX_FILE, Disk
from tflint_nan.expression import comments_in, names_in
from tflint_nan.finding import Edit, Fix, Position, Span
from tflint_nan.notebook import NEWLINE, Cell, cell_rows, read_cells, write_cells
from tflint_nan.parse import SyntaxFault, deep_recursion
from tflint_nan.places import Places, within
from tflint_nan.reading import Reading

#: Largest Python text that is read, in characters: while a tree is made it takes up to 120 bytes for each.
MAX_TEXT = 4_000_000

_UNQUOTABLE = re.compile(r"""["'\\#\n]""")


class SourceError(Exception):
    """A file that cannot be read, or is not Python: `reason`, at `position` where that is known."""

    def __init__(self, filename: str, reason: str, position: Position | None = None) -> None:
        super().__init__(f"{filename}: {reason}")
        self.filename = filename
        self.reason = reason
        self.position = position


class Source:
    """One Python text and its tree: a file's, or the code cells of a notebook joined.

    `filename` is what reports print. `text` is what the user wrote, line ends included; rows and columns
    count in it. Two lines stand apart where `\\n`, `\\r\\n` or `\\r` does.
    """

    def __init__(
        self,
        filename: str,
        text: str,
        *,
        encoding: str = "utf-8",
        document: str | None = None,
        cells: tuple[Cell, ...] = (),
    ) -> None:
        self.filename = filename
        self.text = text
        self._encoding = encoding
        self._document = document
        self._cells = cells
        #: The content, where its encoding spells one text in several ways and would write it in another.
        self._unwritable: bytes | None = None
        self._names: dict[cst.CSTNode, frozenset[str]] = {}
        #: The row of each cell's first line.
        self._first_rows: list[int] = []
        row = 1
        for cell in cells:
            self._first_rows.append(row)
            row += len(NEWLINE.findall(_joined(cell.text)))

    @classmethod
    def from_bytes(cls, filename: str, data: bytes) -> Source:
        """The source in a file's content: a notebook where `filename` ends in `.ipynb`, else a script.

        Raises:
            SourceError: it is too large, not in its encoding, holds NUL, or is no notebook.
        """
        if len(data) > MAX_FILE:
            raise SourceError(filename, f"larger than {MAX_FILE} bytes")
        if filename.endswith(".ipynb"):
            return cls._notebook(filename, data)
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        except SyntaxError as error:
            # Not UTF-8 in the first two lines, or an encoding that nobody knows.
            raise _not_text(filename, data, "utf-8", str(error)) from error
        source = cls(filename, _decoded(filename, data, encoding), encoding=encoding)
        source._check_text()
        if not encoding.startswith("utf-8") and source.data != data:
            source._unwritable = data
        return source

    @classmethod
    def _notebook(cls, filename: str, data: bytes) -> Source:
        encoding = "utf-8-sig" if data.startswith(b"\xef\xbb\xbf") else "utf-8"
        document = _decoded(filename, data, encoding)
        try:
            cells = read_cells(document)
        except json.JSONDecodeError as error:
            position = Position(error.lineno, error.colno)
            raise SourceError(filename, f"not JSON: {error.msg}", position) from error
        except (ValueError, RecursionError) as error:
            raise SourceError(filename, f"not a notebook: {error}") from error
        source = cls._of_cells(filename, document, encoding, cells)
        source._check_text()
        return source

    @classmethod
    def _of_cells(cls, filename: str, document: str, encoding: str, cells: tuple[Cell, ...]) -> Source:
        text = "".join(_joined(cell.text) for cell in cells)
        return cls(filename, text, encoding=encoding, document=document, cells=cells)

    @classmethod
    def read(cls, path: str | os.PathLike[str], disk: Disk | None = None) -> Source:
        """The source in the file at `path`, which is also what reports call it.

        Raises:
            SourceError: the file cannot be read, or see `from_bytes`.
        """
        filename = os.fspath(path)
        try:
            data = (disk or Disk()).read(Path(filename))
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise SourceError(filename, f"cannot be read: {reason}") from error
        return cls.from_bytes(filename, data)

    def _check_text(self) -> None:
        if len(self.text) > MAX_TEXT:
            raise SourceError(self.filename, f"more than {MAX_TEXT} characters of Python")
        if "\0" in self.text:
            raise SourceError(self.filename, "holds a NUL byte", self._position(self.text.index("\0")))

    @property
    def data(self) -> bytes:
        """The content of the file: the bytes that were read, with the edits."""
        if self._unwritable is not None:
            return self._unwritable
        content = self.text if self._document is None else self._document
        return content.encode(self._encoding)

    # The tree.

    @cached_property
    def _reading(self) -> Reading:
        markdown = self.filename.endswith(fences.SUFFIXES)
        return Reading(self.text, markdown=markdown, cells=self._cells, rows=self._first_rows)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Say in which file a text is no Python."""
        try:
            yield
        except SyntaxFault as fault:
            raise SourceError(self.filename, fault.reason, fault.position) from fault

    def follow(self, earlier: Source) -> None:
        """Take over what was found out of an earlier state of the text: where nodes stand."""
        self._reading.follow(earlier._reading)

    @property
    def tree(self) -> cst.Module:
        """The tree, read at the first use, in LibCST's nodes, without layout: `exact` knows how they look.

        Lines that are not Python 3 are `pass` in it.

        Raises:
            SourceError: the text is not Python.
        """
        with self._faults():
            return self._reading.tree

    @property
    def masked_lines(self) -> list[str]:
        """The lines that the tree does without, or has in another form.

        Raises:
            SourceError: the text is not Python.
        """
        with self._faults():
            return self._reading.masked_lines

    @property
    def broken_cells(self) -> tuple[int, ...]:
        """The numbers of the code cells that are not Python; the tree does without them.

        Raises:
            SourceError: the text is not Python.
        """
        with self._faults():
            return self._reading.broken_cells

    @cached_property
    def _places(self) -> Places:
        with self._faults():
            return self._reading.places

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """The node that holds `node`, None for the module."""
        return self._places.parent(node)

    def span(self, node: cst.CSTNode) -> Span:
        """Where `node` stands, without its own parentheses."""
        with deep_recursion():
            return self._span(self._places.inner(node))

    def holds(self, node: cst.CSTNode) -> bool:
        """Whether `node` is of this source's tree."""
        return self._places.holds(node)

    def outer_span(self, node: cst.CSTNode) -> Span:
        """Where `node` stands, its own parentheses included: what a replacement replaces."""
        with deep_recursion():
            return self._span(self._places.outer(node))

    def names_in(self, node: cst.CSTNode) -> frozenset[str]:
        """The variables that a part of the tree reads or binds; every fix of a file asks."""
        known = self._names.get(node)
        if known is None:
            known = self._names[node] = frozenset(names_in(node))
        return known

    def exact(self, node: cst.CSTNode) -> cst.CSTNode:
        """The same node with its parentheses, space and comments, as LibCST's parser makes it."""
        with deep_recursion():
            return self._places.exact(node)

    def comments(self, node: cst.CSTNode) -> list[str]:
        """The comments inside a node, in order."""
        return comments_in(self.exact(node))

    def code(self, node: cst.CSTNode) -> str:
        """The text of `node`, parentheses of its own included; line ends are `\n`."""
        span = self.outer_span(node) if isinstance(node, cst.BaseExpression) else self.span(node)
        return NEWLINE.sub("\n", self.text[self.offset(span.start) : self.offset(span.end)])

    def _span(self, range_: CodeRange) -> Span:
        start, end = range_.start, range_.end
        lost = self._reading.lost_columns
        return Span(
            Position(start.line, start.column + 1 + lost.get(start.line, 0)),
            Position(end.line, end.column + 1 + lost.get(end.line, 0)),
        )

    # Places.

    @cached_property
    def _row_starts(self) -> list[int]:
        return [0, *(match.end() for match in NEWLINE.finditer(self.text))]

    def _position(self, offset: int) -> Position:
        row = bisect_right(self._row_starts, offset)
        return Position(row, offset - self._row_starts[row - 1] + 1)

    def offset(self, position: Position) -> int:
        """The index in `text` of a position; the end of the text for one behind it."""
        if position.row > len(self._row_starts):
            return len(self.text)
        return min(self._row_starts[position.row - 1] + position.column - 1, len(self.text))

    def is_masked(self, row: int) -> bool:
        """Whether the parser was given something else for a row, from 1, since it is no Python 3.

        Raises:
            SourceError: the text is not Python.
        """
        with self._faults():
            return self._reading.is_masked(row, self.line(row))

    def line(self, row: int) -> str:
        """The text of a row, from 1, without its end."""
        start = self._row_starts[row - 1]
        end = self._row_starts[row] if row < len(self._row_starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    @property
    def is_notebook(self) -> bool:
        """Whether the text is that of a notebook's cells."""
        return self._document is not None

    def document_rows(self, cell: int) -> list[int]:
        """The row of the notebook's JSON in which each line of a cell is written."""
        assert self._document is not None
        return cell_rows(self._document, cell)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The code cells of a notebook, () for a script."""
        return self._cells

    def locate(self, span: Span) -> tuple[int | None, Span]:
        """The notebook cell (from 1 among all cells, as Ruff counts) of a span, and the span inside it.

        None and the same span for a script.
        """
        if not self._cells:
            return None, span
        index = bisect_right(self._first_rows, span.start.row) - 1
        above = self._first_rows[index] - 1
        start, end = span.start, span.end
        local = Span(replace(start, row=start.row - above), replace(end, row=end.row - above))
        return self._cells[index].number, local

    def located(self, fix: Fix) -> Fix:
        """`fix`, its edits in the coordinates of their cells; the same fix for a script."""
        if not self._cells:
            return fix
        edits = []
        for edit in fix.edits:
            cell, span = self.locate(edit.span)
            edits.append(edit if edit.cell is not None else Edit(span, edit.content, cell))
        return replace(fix, edits=tuple(edits))

    def joined_span(self, span: Span, cell: int | None) -> Span:
        """The span in `text` of a span inside a cell: the inverse of `locate`."""
        if cell is None:
            return span
        index = next(index for index, known in enumerate(self._cells) if known.number == cell)
        above = self._first_rows[index] - 1
        start, end = span.start, span.end
        return Span(replace(start, row=start.row + above), replace(end, row=end.row + above))

    @cached_property
    def _formatted(self) -> list[tuple[Span, str]]:
        """The f-strings, each with its quotes."""
        found: list[tuple[Span, str]] = []
        with deep_recursion():
            for node in within(self.tree):
                for part, place in self._places.parts(node) if isinstance(node, cst.FormattedString) else ():
                    if isinstance(part, cst.FormattedString):
                        found.append((self._span(place), part.end))
        return found

    def breaks_string(self, edit: Edit) -> bool:
        """Whether an edit of the text puts something into an f-string that only Python 3.12 takes there.

        That is its own quotes, a backslash, a comment and, without triple quotes, a line end (PEP 701).
        """
        if not _UNQUOTABLE.search(edit.content):
            return False
        return any(
            span.start < edit.span.start
            and edit.span.end < span.end
            and any(part in edit.content for part in (quotes, "\\", "#", *("\n" if len(quotes) == 1 else "")))
            for span, quotes in self._formatted
        )

    # Changes.

    def edit(self, edits: Sequence[Edit]) -> Source:
        """A new source with the edits applied to `text`; all else stays as it is.

        New text gets the line ends of the row that it is put in. Insertions at one place keep their order.

        Raises:
            ValueError: two edits overlap, one begins in one cell and ends in another, or the file's encoding
                would change other bytes as well.
        """
        if self._unwritable is not None:
            raise ValueError(f"{self._encoding} would change other bytes as well")
        changes = self.changes(edits)
        if self._document is not None:
            return self._edited_notebook(changes)
        return Source(self.filename, _applied(self.text, changes), encoding=self._encoding)

    def changes(self, edits: Sequence[Edit]) -> list[tuple[int, int, str]]:
        """The edits as (start, end, new text) in `text`, sorted.

        Raises:
            ValueError: two edits overlap.
        """
        changes: list[tuple[int, int, str]] = []
        for edit in sorted(edits, key=lambda edit: self.joined_span(edit.span, edit.cell)):
            span = self.joined_span(edit.span, edit.cell)
            start, end = self.offset(span.start), self.offset(span.end)
            if changes and start < changes[-1][1]:
                raise ValueError(f"edits overlap in row {span.start.row}")
            changes.append((start, end, NEWLINE.sub(self._newline(span.start.row), edit.content)))
        return changes

    def _edited_notebook(self, changes: Sequence[tuple[int, int, str]]) -> Source:
        assert self._document is not None
        of_cell: dict[int, list[tuple[int, int, str]]] = {}
        for start, end, content in changes:
            index = bisect_right(self._first_rows, self._position(start).row) - 1
            first = self._row_starts[self._first_rows[index] - 1]
            size = len(self._cells[index].text)
            if end - first > len(_joined(self._cells[index].text)):
                raise ValueError("an edit crosses the end of its cell")
            # A cell's last line has no end of its own in the notebook.
            of_cell.setdefault(index, []).append((min(start - first, size), min(end - first, size), content))
        cells = list(self._cells)
        for index, local in of_cell.items():
            cells[index] = replace(cells[index], text=_applied(cells[index].text, local))
        changed = {cells[index].number: cells[index].text for index in of_cell}
        document = write_cells(self._document, changed) if changed else self._document
        return Source._of_cells(self.filename, document, self._encoding, tuple(cells))

    def _newline(self, row: int) -> str:
        """The line end of a row, or of the first row that has one."""
        end = self._row_starts[row] if row < len(self._row_starts) else 0
        match = NEWLINE.search(self.text, max(end - 2, 0))
        if end and match is not None:
            return match[0]
        match = NEWLINE.search(self.text)
        return "\n" if match is None else match[0]


def _joined(text: str) -> str:
    """A cell's text as it stands between others: with an end of line."""
    return text if not text or text.endswith("\n") else text + "\n"


def _applied(text: str, changes: Sequence[tuple[int, int, str]]) -> str:
    out: list[str] = []
    done = 0
    for start, end, content in changes:
        out += [text[done:start], content]
        done = end
    return "".join([*out, text[done:]])


def _decoded(filename: str, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError) as error:
        raise _not_text(filename, data, encoding, str(error)) from error


def _not_text(filename: str, data: bytes, encoding: str, reason: str) -> SourceError:
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, errors="replace")
        lines = NEWLINE.split(before)
        position = Position(len(lines), len(lines[-1]) + 1)
        return SourceError(filename, f"not {encoding}: byte 0x{data[error.start]:02x}", position)
    except (UnicodeError, LookupError):
        pass
    return SourceError(filename, f"not text: {reason}")
