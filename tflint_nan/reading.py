"""How a text is read: its tree, whole or function by function, without the lines that are no Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from functools import cached_property

import libcst as cst

from tflint_nan import fences
from tflint_nan.mask import blank, mask_python2, mask_shell
from tflint_nan.notebook import NEWLINE, Cell
from tflint_nan.outline import Outline
from tflint_nan.parse import SyntaxFault, parse, python_tree
from tflint_nan.places import Places, Written

#: Blanks before a form feed, which sets the column back to 0 for CPython and is lost by LibCST.
_FORM_FEED = re.compile(r"^[ \t\f]*\f", re.MULTILINE)

#: Of a longer text, functions are read one by one: LibCST's parser takes half a kilobyte for each character
#: while it reads, ten times what the tree keeps, and the system does not get that back.
LONG = 10_000


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
        #: What Python's parser made of the text, and places in an earlier state of it, where `follow` asked.
        self._statements: list[ast.stmt] = []
        self._known: Mapping[cst.CSTNode, Written] = {}

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

    # The whole.

    @cached_property
    def _parsed(self) -> tuple[str, cst.Module, tuple[int, ...]]:
        """The text that the parser took, its tree, and the numbers of the cells that are no Python."""
        clean = self._clean
        partly = self._partly if len(clean) > LONG else self.__dict__.get("_partly")
        try:
            return clean, parse(clean) if partly is None else partly.whole(), ()
        except SyntaxFault as fault:
            self.__dict__["_partly"] = None
            clean, broken = self._masked(clean, fault)
        return clean, parse(clean), broken

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
                parse(text)
            except SyntaxFault as error:
                repaired, _ = _repaired(text, error)
                if repaired is None:
                    broken.append(cell.number)
                text = blank(text) if repaired is None else repaired
            masked.append(text)
        return "".join(masked), tuple(broken)

    @property
    def tree(self) -> cst.Module:
        """The concrete syntax tree of the whole; lines that are not Python 3 are `pass` in it."""
        return self._parsed[1]

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

    # Function by function.

    @cached_property
    def _partly(self) -> Outline | None:
        """None where the text has to be read as a whole."""
        if "_parsed" in self.__dict__:
            return None
        try:
            return Outline(self._clean)
        except SyntaxFault:
            return None

    def follow(self, earlier: Reading | None) -> bool:
        """Read the text function by function, and take over what stands in an earlier state of it as well.

        Returns:
            False where the text has to be read as a whole, such as one that is being typed.
        """
        try:
            before = None if earlier is None else earlier._partly
            self._statements = python_tree(self._clean).body
            self.__dict__["_partly"] = Outline(self._clean, before, self._statements)
        except SyntaxFault:
            return False
        if earlier is not None:
            self._known = earlier.places.written
        return True

    @property
    def outline(self) -> cst.Module:
        """The tree as far as it has been read: `body` reads what is in a function."""
        return self.tree if self._partly is None else self._partly.tree

    def body(self, function: cst.FunctionDef) -> Sequence[cst.BaseStatement | cst.BaseSmallStatement]:
        """The statements of a function of the tree."""
        if self._partly is not None:
            self._partly.fill(function)
        return function.body.body

    @property
    def size(self) -> int:
        """How many characters have been parsed."""
        partly = self.__dict__.get("_partly")
        return len(self._text) if partly is None else partly.size

    @cached_property
    def places(self) -> Places:
        """Where the nodes of the tree stand, and what holds them."""
        text = self._parsed[0] if self._partly is None else self._clean
        return Places(
            self.outline, lambda: self._statements or python_tree(text).body, lambda: self.tree, self._known
        )


def _repaired(text: str, fault: SyntaxFault) -> tuple[str | None, SyntaxFault]:
    """`text` with lines masked so that it parses, or None and what is wrong with it."""
    shell = mask_shell(text)
    if shell != text:
        try:
            parse(shell)
            return shell, fault
        except SyntaxFault as error:
            fault = error
    old = mask_python2(shell)
    if old != shell:
        try:
            parse(old)
            return old, fault
        except SyntaxFault:
            # Not Python 2 either: what is wrong is what was wrong before.
            pass
    return None, fault


def _is_python(text: str) -> bool:
    try:
        parse(text)
    except SyntaxFault as fault:
        return _repaired(text, fault)[0] is not None
    return True
