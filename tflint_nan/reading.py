"""How a text is read: its tree, without the lines that are no Python."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property

import libcst as cst

from tflint_nan import fences
from tflint_nan.bare import Rows, bare
from tflint_nan.mask import blank, mask_python2, mask_shell
from tflint_nan.notebook import NEWLINE, Cell
from tflint_nan.parse import SyntaxFault, parse, statements
from tflint_nan.places import Places, Written

#: Blanks before a form feed, which sets the column back to 0 for CPython and is lost by LibCST.
_FORM_FEED = re.compile(r"^[ \t\f]*\f", re.MULTILINE)

#: A tree, and the rows of its statements; None of LibCST's own, which has all layout.
_Tree = tuple[cst.Module, Mapping[cst.CSTNode, Rows] | None]


class Reading:
    """A text and the tree that is read of it, each part when it is asked for first.

    What asks for the tree raises `SyntaxFault` where the text is no Python.
    """

    def __init__(
        self, text: str, *, markdown: bool = False, cells: tuple[Cell, ...] = (), rows: Sequence[int] = ()
    ) -> None:
        """Args:

        text: a Python text, a Markdown document, or the code cells of a notebook, one below the other.
        markdown: whether it is a Markdown document, whose Python blocks are read.
        cells: the notebook's cells; one that is no Python is left out by itself.
        rows: the row of each cell's first line.
        """
        self._text = text
        self._markdown = markdown
        self._cells = cells
        self._first_rows = rows
        self._known: Mapping[str, Written] = {}

    @cached_property
    def _clean(self) -> str:
        """The text with the line ends and the blanks that the parser takes."""
        clean = self._text
        if "\r" in clean:
            clean = clean.replace("\r\n", "\n").replace("\r", "\n")
        if self._markdown:
            clean = fences.only(clean.split("\n"), self._fences)
        if "\f" in clean:
            clean = _FORM_FEED.sub("", clean)
        return clean

    @cached_property
    def _fences(self) -> tuple[fences.Fence, ...]:
        """The Python blocks of a Markdown document; what is no Python there, an outline say, is left out."""
        lines = NEWLINE.split(self._text)
        return tuple(
            fence for fence in fences.python_fences(lines) if _is_python(fences.only(lines, [fence]))
        )

    @cached_property
    def lost_columns(self) -> dict[int, int]:
        """Row -> characters that the parser does not see: before a form feed, a block's indent."""
        if self._markdown:
            return {row: block.indent for block in self._fences for row in range(block.first, block.last + 1)}
        if "\f" not in self._text:
            return {}
        found = ((row, _FORM_FEED.match(line)) for row, line in enumerate(NEWLINE.split(self._text), 1))
        return {row: match.end() for row, match in found if match is not None}

    @cached_property
    def _parsed(self) -> tuple[str, _Tree, tuple[int, ...]]:
        """The text that the parser took, its tree, and the numbers of the cells that are no Python."""
        clean = self._clean
        try:
            return clean, _tree(clean), ()
        except SyntaxFault as fault:
            clean, broken = self._masked(clean, fault)
        return clean, _tree(clean), broken

    def _masked(self, clean: str, fault: SyntaxFault) -> tuple[str, tuple[int, ...]]:
        """`clean` in a form that parses, if masking lines gives one, and the broken cells that it cost."""
        if not self._cells:
            repaired, fault = _repaired(clean, fault)
            if repaired is None:
                raise fault
            return repaired, ()
        lines = [f"{line}\n" for line in clean.split("\n")[:-1]]
        masked: list[str] = []
        broken: list[int] = []
        ends = [*(row - 1 for row in self._first_rows[1:]), len(lines)]
        for cell, first, last in zip(self._cells, self._first_rows, ends, strict=True):
            text = "".join(lines[first - 1 : last])
            try:
                _tree(text)
            except SyntaxFault as error:
                repaired, _ = _repaired(text, error)
                if repaired is None:
                    broken.append(cell.number)
                text = blank(text) if repaired is None else repaired
            masked.append(text)
        return "".join(masked), tuple(broken)

    @property
    def tree(self) -> cst.Module:
        """The tree of the whole, without layout; lines that are not Python 3 are `pass` in it."""
        return self._parsed[1][0]

    @property
    def broken_cells(self) -> tuple[int, ...]:
        """The numbers of the code cells that are not Python; the tree does without them."""
        return self._parsed[2]

    @cached_property
    def masked_lines(self) -> list[str]:
        """The lines that the tree does without, or has in another form."""
        lines = zip(NEWLINE.split(self._text), self._rows, strict=True)
        return [line for line, parsed in lines if line != parsed]

    @cached_property
    def _rows(self) -> list[str]:
        return self._parsed[0].split("\n")

    def is_masked(self, row: int, line: str) -> bool:
        """Whether the parser was given something else for a row, from 1, than what stands in this `line`."""
        return self._rows[row - 1] != _FORM_FEED.sub("", line)

    # Places.

    def follow(self, earlier: Reading) -> None:
        """Take over the places that an earlier state of the text was asked for."""
        places: Places | None = earlier.__dict__.get("places")
        self._known = earlier._known if places is None else places.written

    @cached_property
    def places(self) -> Places:
        """Where the nodes of the tree stand, and what holds them."""
        text, (tree, rows), _ = self._parsed
        return Places(tree, text, rows, self._known)


def _tree(text: str) -> _Tree:
    """The tree of a text whose lines end in `\\n`.

    Raises:
        SyntaxFault: it is not Python, or nested too deeply.
    """
    try:
        parsed = statements(text)
    except SyntaxFault:
        return parse(text), None  # LibCST knows the grammar of other versions
    return bare(parsed, text)


def _repaired(text: str, fault: SyntaxFault) -> tuple[str | None, SyntaxFault]:
    """`text` with lines masked so that it parses, or None and what is wrong with it."""
    shell = mask_shell(text)
    if shell != text:
        try:
            _tree(shell)
            return shell, fault
        except SyntaxFault as error:
            fault = error
    old = mask_python2(shell)
    if old != shell:
        try:
            _tree(old)
            return old, fault
        except SyntaxFault:
            # Not Python 2 either: what is wrong is what was wrong before.
            pass
    return None, fault


def _is_python(text: str) -> bool:
    try:
        _tree(text)
    except SyntaxFault as fault:
        return _repaired(text, fault)[0] is not None
    return True
