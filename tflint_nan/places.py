"""Where the nodes of a tree stand, what they look like, and what holds them.

A bare tree knows the rows of its statements alone. The statement around a node is read with LibCST when
somebody asks, and written out, by which LibCST tells places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from types import SimpleNamespace
from typing import Any

import libcst as cst
from libcst.metadata import CodePosition, CodeRange
from libcst.metadata.position_provider import PositionProvidingCodegenState

from tflint_nan.bare import Rows, piece
from tflint_nan.parse import SyntaxFault, parse

#: Fields that hold layout. Two expressions that differ in no other mean the same.
LAYOUT = re.compile(
    r"whitespace|lpar$|rpar$|comma$|equal$|semicolon$|lbracket$|rbracket$|lbrace$|rbrace$|leading_|header|footer"
    r"|dot$|colon$|relative$"
)
#: Fields that are written before those that are declared before them.
_WRITTEN_FIRST: dict[type[cst.CSTNode], tuple[str, ...]] = {
    cst.Arg: ("keyword",),
    cst.ClassDef: ("decorators", "name", "type_parameters", "bases", "keywords"),
    cst.CompFor: ("asynchronous",),
    cst.ExceptHandler: ("type", "name"),
    cst.ExceptStarHandler: ("type", "name"),
    cst.For: ("asynchronous",),
    cst.FunctionDef: ("decorators", "asynchronous", "name", "type_parameters", "params", "returns"),
    cst.IfExp: ("body",),
    cst.MatchCase: ("pattern", "guard"),
    cst.Parameters: ("posonly_params", "posonly_ind"),
    cst.TypeAlias: ("name", "type_parameters"),
    cst.With: ("asynchronous",),
}
#: What else a field holds than nodes.
_PLAIN = frozenset({str, bool, type(None), cst.MaybeSentinel})
#: Statements whose blocks are looked into.
_OPENED = (cst.ClassDef, cst.FunctionDef)


def children(node: cst.CSTNode) -> list[cst.CSTNode]:
    """What a node holds, in the order of the text: no space, no comments, no punctuation."""
    found: list[cst.CSTNode] = []
    for name in _held(type(node)):
        part = getattr(node, name)
        kind = type(part)
        if kind is list or kind is tuple:
            found += part
        elif kind not in _PLAIN:  # `isinstance` of an abstract class would cost more than all else
            found.append(part)
    return found


def within(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """`node` and everything in it, in the order of the text; no space, no comments, no punctuation."""
    todo = [node]
    while todo:
        current = todo.pop()
        yield current
        todo.extend(reversed(children(current)))


@cache
def _held(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    names = [part.name for part in fields(kind) if not LAYOUT.search(part.name)]
    return tuple(dict.fromkeys((*_WRITTEN_FIRST.get(kind, ()), *names)))


@dataclass(frozen=True, slots=True)
class Written:
    """A statement as LibCST reads it by itself, and where its nodes stand there."""

    statement: cst.CSTNode
    inner: Mapping[cst.CSTNode, CodeRange]
    outer: Mapping[cst.CSTNode, CodeRange]


class Places:
    """The places of a tree, each found when it is asked for."""

    def __init__(
        self,
        tree: cst.Module,
        text: str,
        rows: Mapping[cst.CSTNode, Rows] | None,
        known: Mapping[str, Written] | None = None,
    ) -> None:
        """Args:

        tree: the tree: a bare one, or LibCST's.
        text: what was parsed.
        rows: where the statements of a bare tree stand; None for LibCST's own tree.
        known: `written` of another state of the text.
        """
        self._tree = tree
        self._lines = text.split("\n")
        self._rows = rows
        self._parents: dict[int, cst.CSTNode] = {id(tree): tree}
        #: Node -> the same in the statement that LibCST has read, that statement, and the row before it.
        self._found: dict[cst.CSTNode, tuple[cst.CSTNode, Written, int]] = {}
        #: By their texts, the statements that were written out.
        self.written: dict[str, Written] = {}
        self._known = known or {}

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """The node that holds `node`; None for the module, and for what is not of this tree."""
        return self._parents.get(id(node)) if node is not self._tree and self.holds(node) else None

    def holds(self, node: cst.CSTNode) -> bool:
        """Whether `node`, which is no layout, is of this tree."""
        if id(node) not in self._parents:
            self._find_parents()
        return id(node) in self._parents

    def exact(self, node: cst.CSTNode) -> cst.CSTNode:
        """The node with its layout.

        Raises:
            KeyError: it is not of this tree.
        """
        return self._find(node)[0]

    def inner(self, node: cst.CSTNode) -> CodeRange:
        """Where `node` stands without its own parentheses and the space around it.

        Raises:
            KeyError: it is not of this tree.
        """
        same, written, above = self._find(node)
        return _moved(written.inner[same], above)

    def outer(self, node: cst.CSTNode) -> CodeRange:
        """Where `node` stands with its own parentheses and the space around it.

        Raises:
            KeyError: it is not of this tree.
        """
        same, written, above = self._find(node)
        return _moved(written.outer[same], above)

    def parts(self, node: cst.CSTNode) -> Iterator[tuple[cst.CSTNode, CodeRange]]:
        """What LibCST's parser sees in `node`, each with where it stands.

        Raises:
            KeyError: it is not of this tree.
        """
        same, written, above = self._find(node)
        for part in within(same):
            yield part, _moved(written.inner[part], above)

    def _find_parents(self) -> None:
        todo: list[cst.CSTNode] = [self._tree]
        while todo:
            node = todo.pop()
            held = children(node)
            self._parents.update(dict.fromkeys(map(id, held), node))
            todo += held

    def _find(self, node: cst.CSTNode) -> tuple[cst.CSTNode, Written, int]:
        if node not in self._found:
            if self._rows is None:
                written = _written(self._tree, self._tree)
                self._found.update((same, (same, written, 0)) for same in written.outer)
            elif node is self._tree:
                self._found[node] = node, _all_over([node], 1, self._lines), 0
            else:
                statement = self._statement(node)
                self._read(statement, self._rows[statement])
        return self._found[node]

    def _read(self, statement: cst.CSTNode, rows: Rows) -> None:
        """Have LibCST read a statement, and take note of what its nodes look like."""
        text, above = piece(self._lines, rows)
        written = self.written.get(text) or self._known.get(text)
        if written is None:
            try:
                tree: Any = parse(text)
                (found,) = tree.body[0].body.body if above else tree.body
                written = _written(tree, found)
            except (SyntaxFault, ValueError):
                # Newer than LibCST: all of it stands where the statement does.
                written = _all_over([*within(statement)], above + 1, text[:-1].split("\n"))
        self.written[text] = written
        row = rows[0] - 1 - above
        for node, same in _pairs(statement, written.statement):
            self._found[node] = same, written, row

    def _statement(self, node: cst.CSTNode) -> cst.CSTNode:
        """The innermost statement around `node` whose blocks are all those of functions and classes."""
        path = [node]
        while (holder := self.parent(path[-1])) is not None:
            path.append(holder)
        found = path.pop()
        while path:
            found = path.pop()
            body = path.pop() if path else None
            if not path or not isinstance(found, _OPENED) or not isinstance(body, cst.IndentedBlock):
                break
        return found


def _all_over(nodes: Sequence[cst.CSTNode], row: int, lines: Sequence[str]) -> Written:
    """For nodes, the first of which holds the others: each stands somewhere in the lines from `row` on."""
    end = CodePosition(len(lines), len(lines[-1]))
    places = dict.fromkeys(nodes, CodeRange(CodePosition(row, 0), end))
    return Written(nodes[0], places, places)


def _written(tree: cst.Module, statement: cst.CSTNode) -> Written:
    """Where the nodes of a tree of LibCST's stand."""
    inner: dict[cst.CSTNode, CodeRange] = {}
    outer: dict[cst.CSTNode, CodeRange] = {}
    # Of a provider, LibCST's state wants the places that were found.
    provider: Any = SimpleNamespace(_computed=inner)
    state = _State(tree.default_indent, tree.default_newline, provider)
    state.begin(outer)
    tree._codegen(state)
    return Written(statement, inner, outer)


def _pairs(node: cst.CSTNode, same: cst.CSTNode) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
    """The nodes of a bare tree, each with what it is in LibCST's."""
    todo = [(node, same)]
    while todo:
        node, same = todo.pop()
        yield node, same
        if isinstance(node, cst.FormattedString):
            todo += zip(_filled(node), _filled(same), strict=False)
            yield from ((part, same) for part in within(node) if isinstance(part, cst.FormattedStringText))
            continue
        for name in _held(type(node)):
            ours, theirs = getattr(node, name), getattr(same, name, None)
            if isinstance(ours, cst.CSTNode) and isinstance(theirs, cst.CSTNode):
                todo.append((ours, theirs))
            elif isinstance(ours, (list, tuple)) and isinstance(theirs, (list, tuple)):
                todo += zip(ours, theirs, strict=False)


def _filled(node: cst.CSTNode) -> list[cst.CSTNode]:
    """What is put into an f-string; Python's parser joins the strings that stand side by side."""
    return [part for part in within(node) if isinstance(part, cst.FormattedStringExpression)]


def _moved(place: CodeRange, rows: int) -> CodeRange:
    start, end = place.start, place.end
    return CodeRange(CodePosition(start.line + rows, start.column), CodePosition(end.line + rows, end.column))


class _State(PositionProvidingCodegenState):
    """Follows LibCST while it writes a node out, and takes note of more than it does itself."""

    def begin(self, outer: dict[cst.CSTNode, CodeRange]) -> None:
        self._outer = outer
        self._open: list[CodePosition] = []

    def add_token(self, value: str) -> None:
        if "\n" in value:
            self._update_position(value)
        else:
            self.column += len(value)

    def add_indent_tokens(self) -> None:
        self.column += sum(map(len, self.indent_tokens))

    def pop_trailing_newline(self) -> None:
        """Nothing is written, so there is nothing to take back."""

    def before_codegen(self, node: cst.CSTNode) -> None:
        self._open.append(CodePosition(self.line, self.column))

    def after_codegen(self, node: cst.CSTNode) -> None:
        place = self._outer[node] = CodeRange(self._open.pop(), CodePosition(self.line, self.column))
        self.provider._computed.setdefault(node, place)
