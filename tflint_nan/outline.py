"""A tree whose functions are read when somebody asks what is in them.

Of a module that is imported, a program needs a few functions, and LibCST's parser takes ten times as long as
Python's own. So Python's says where the bodies of functions stand, LibCST reads the text with a name in the
place of each, and a body's statements are put in that place when they are wanted. A tree with all of them is
the one that LibCST makes of the whole text.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import libcst as cst

from tflint_nan.expression import within
from tflint_nan.finding import Position
from tflint_nan.parse import SyntaxFault, parse, python_tree

#: Shorter bodies are read with the text around them: leaving them out costs as much.
_FEW_LINES = 3
#: What stands for the body of that number.
_STAND_IN = "_body_left_out_"


@dataclass(frozen=True, slots=True)
class _Body:
    """Where the statements of a function stand.

    Attributes:
        first: their first row, from 0.
        end: the row after their last.
        around: the indents of the headers that they stand below, the function's own last.
    """

    first: int
    end: int
    around: tuple[str, ...]


class Outline:
    """The tree of a text without the bodies of its functions, and these, each when it is asked for.

    Attributes:
        tree: the tree; `fill` adds to it.
        size: the characters that LibCST has read.
    """

    def __init__(
        self, text: str, earlier: Outline | None = None, statements: Sequence[ast.stmt] | None = None
    ) -> None:
        """Args:

        text: its lines end in `\\n`.
        earlier: another state of the text, whose nodes are taken for the bodies that are the same; it is of
            no use afterwards.
        statements: what Python's parser makes of the text, where that is known.

        Raises:
            SyntaxFault: it is not Python for the running interpreter, or not for LibCST, or holds the name
                that stands for a body.
        """
        if _STAND_IN in text:
            raise SyntaxFault("holds the name that stands for a body", Position(1, 1))
        self._lines = text.split("\n")
        parsed = python_tree(text).body if statements is None else statements
        self._bodies = list(_bodies(parsed, self._lines, ()))
        left = "\n".join(self._left())
        self.tree = parse(left)
        self.size = len(left)
        #: Text of a body -> the blocks that it was read into, one for each place, and their unit of indent;
        #: here, and earlier.
        self._read: defaultdict[str, list[tuple[Any, str]]] = defaultdict(list)
        self._known: Mapping[str, list[tuple[Any, str]]] = {} if earlier is None else earlier._read
        #: The nodes that stood for bodies which have been read.
        self._stood_in: list[cst.CSTNode] = []

    def _left(self) -> Iterator[str]:
        """The lines, with a name for each body."""
        row = 0
        for number, body in enumerate(self._bodies):
            yield from self._lines[row : body.first]
            yield f"{_indent(self._lines[body.first])}{_STAND_IN}{number}"
            row = body.end
        yield from self._lines[row:]

    def fill(self, function: cst.FunctionDef) -> None:
        """Read the body of a function of the tree, if it is still to be read.

        Raises:
            SyntaxFault: LibCST cannot read it.
        """
        block = function.body
        number = _number(block)
        if number is None:
            return
        assert isinstance(block, cst.IndentedBlock)
        body = self._bodies[number]
        # In as many blocks as it was: LibCST takes the first indent of a text for its unit.
        *outer, own = body.around
        headers = [*(f"{indent}class _:" for indent in outer), f"{own}def _():"]
        text = "\n".join([*headers, *self._lines[body.first : body.end], ""])
        holder: Any
        if known := self._known.get(text):
            holder, unit = known.pop()
        else:
            holder = parse(text)
            unit = holder.default_indent
            for _ in body.around:
                holder = holder.body[0].body
            self.size += len(text)
        if unit != self.tree.default_indent:
            _indented(holder, unit, self.tree.default_indent)
        self._read[text].append((holder, self.tree.default_indent))
        # Nodes are frozen for the sake of those who share them; nobody looks at these, or not any more.
        stand_in: Any = block.body[0]
        object.__setattr__(holder.body[0], "leading_lines", stand_in.leading_lines)
        # What knows nodes by their identity must not meet it again in another node.
        self._stood_in.append(stand_in)
        object.__setattr__(block, "body", holder.body)
        object.__setattr__(block, "footer", [*holder.footer, *block.footer])

    def whole(self) -> cst.Module:
        """The tree with every body.

        Raises:
            SyntaxFault: LibCST cannot read one.
        """
        for function in list(_functions(self.tree.body)):
            self.fill(function)
        return self.tree


def _bodies(statements: Iterable[ast.stmt], lines: Sequence[str], around: tuple[str, ...]) -> Iterator[_Body]:
    """The bodies of functions that stand in no other function, from top to bottom."""
    for statement in statements:
        if isinstance(statement, (ast.ClassDef, ast.If, ast.Try)):
            inner = (*around, _indent(lines[statement.lineno - 1]))
            yield from _bodies(statement.body, lines, inner)
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            top = statement.body[0]
            first = min([top.lineno, *(node.lineno for node in getattr(top, "decorator_list", ()))]) - 1
            end = _end(lines, statement.end_lineno or first, _indent(lines[first]))
            # Statements in the row of their header stay there.
            if end - first >= _FEW_LINES and first >= statement.lineno and _begins(lines[first], top):
                yield _Body(first, end, (*around, _indent(lines[statement.lineno - 1])))


def _end(lines: Sequence[str], row: int, indent: str) -> int:
    """The row behind the comments and blanks that belong to the block which ends in front of `row`."""
    end = row
    while row < len(lines) and (not lines[row].strip() or lines[row].lstrip(" \t").startswith("#")):
        row += 1
        if lines[row - 1].startswith(indent):
            end = row
    return end


def _begins(line: str, statement: ast.stmt) -> bool:
    """Whether a statement (or its decorator) is the first thing in its row."""
    return not line[: statement.col_offset].strip(" \t")


def _functions(statements: Iterable[cst.CSTNode]) -> Iterator[cst.FunctionDef]:
    for statement in statements:
        if isinstance(statement, cst.FunctionDef):
            yield statement
        elif isinstance(statement, (cst.ClassDef, cst.If, cst.Try)):
            yield from _functions(statement.body.body)


def _indented(block: cst.IndentedBlock, unit: str, other: str) -> None:
    """Have the blocks in `block`, which leave out an indent of `unit`, leave out one of `other`."""
    for node in within(block):
        if isinstance(node, cst.IndentedBlock) and node is not block:
            indent = unit if node.indent is None else node.indent
            object.__setattr__(node, "indent", None if indent == other else indent)


def _number(block: cst.BaseSuite) -> int | None:
    """The number of the body that a name in this block stands for; None where it has its own statements."""
    line = block.body[0] if isinstance(block, cst.IndentedBlock) and len(block.body) == 1 else None
    if isinstance(line, cst.SimpleStatementLine) and isinstance(line.body[0], cst.Expr):
        name = line.body[0].value
        if isinstance(name, cst.Name) and name.value.startswith(_STAND_IN):
            return int(name.value[len(_STAND_IN) :])
    return None


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]
