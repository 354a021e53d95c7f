"""Where the nodes of a tree stand, and what holds them.

LibCST tells a place by writing the whole tree out, which costs more than to parse it. Here only the statement
around a node is written out, from the row on where Python's own parser, ten times as fast, sees it begin.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property
from itertools import accumulate
from types import SimpleNamespace
from typing import Any

import libcst as cst
from libcst.metadata import CodePosition, CodeRange
from libcst.metadata.position_provider import PositionProvidingCodegenState

from tflint_nan.parse import SyntaxFault

#: Fields that hold layout. Two expressions that differ in no other mean the same.
LAYOUT = re.compile(
    r"whitespace|lpar$|rpar$|comma$|equal$|semicolon$|lbracket$|rbracket$|lbrace$|rbrace$|leading_|header|footer"
    r"|dot$|colon$|relative$"
)
#: Fields that are written before those that are declared before them.
_WRITTEN_FIRST: dict[type[cst.CSTNode], tuple[str, ...]] = {
    cst.Arg: ("keyword",),
    cst.ClassDef: ("decorators", "name", "type_parameters", "bases", "keywords"),
    cst.ExceptHandler: ("type", "name"),
    cst.ExceptStarHandler: ("type", "name"),
    cst.FunctionDef: ("decorators", "asynchronous", "name", "type_parameters", "params", "returns"),
    cst.IfExp: ("body",),
    cst.MatchCase: ("pattern", "guard"),
    cst.Parameters: ("posonly_params", "posonly_ind"),
    cst.TypeAlias: ("name", "type_parameters"),
}
#: What else a field holds than nodes.
_PLAIN = frozenset({str, bool, type(None), cst.MaybeSentinel})
#: Statements whose blocks are looked into.
_OPENED = (cst.ClassDef, cst.FunctionDef)
_Statement = cst.SimpleStatementLine | cst.BaseCompoundStatement


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


@cache
def _held(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    names = [part.name for part in fields(kind) if not LAYOUT.search(part.name)]
    return tuple(dict.fromkeys((*_WRITTEN_FIRST.get(kind, ()), *names)))


@dataclass(frozen=True, slots=True)
class Written:
    """Where the nodes of a statement stood when it was written out, and how many rows further they are."""

    inner: dict[cst.CSTNode, CodeRange] = field(default_factory=dict)
    outer: dict[cst.CSTNode, CodeRange] = field(default_factory=dict)
    shift: int = 0

    def moved(self, statement: cst.CSTNode, row: int) -> Written:
        """The same, with the statement in that row."""
        return replace(self, shift=row - self.inner[statement].start.line)

    def now(self, place: CodeRange) -> CodeRange:
        """What has become of a place."""
        if not self.shift:
            return place
        start, end = place.start, place.end
        return CodeRange(
            CodePosition(start.line + self.shift, start.column),
            CodePosition(end.line + self.shift, end.column),
        )


class Places:
    """The places of a tree, each found when it is asked for."""

    def __init__(
        self,
        tree: cst.Module,
        statements: Callable[[], Sequence[ast.stmt]],
        whole: Callable[[], object] | None = None,
        known: Mapping[cst.CSTNode, Written] | None = None,
    ) -> None:
        """Args:

        tree: the tree; bodies of functions that stand in no other one may still be missing.
        statements: what Python's parser makes of the same text.
        whole: adds the bodies that are missing.
        known: `written` of another state of the text, some of whose nodes this tree has.
        """
        self._tree = tree
        self._statements = statements
        self._complete = whole or (lambda: None)
        self._parents: dict[int, cst.CSTNode] = {id(tree): tree}
        #: Node -> the statement around it, as it was written out.
        self._around: dict[cst.CSTNode, Written] = {}
        #: The statements that were written out.
        self.written: dict[cst.CSTNode, Written] = {}
        self._known = known or {}
        #: Block -> statement -> the same of Python's parser, by identity.
        self._rows: dict[int, dict[int, ast.stmt]] = {}

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """The node that holds `node`; None for the module, and for what is not of this tree."""
        return self._parents.get(id(node)) if node is not self._tree and self.holds(node) else None

    def holds(self, node: cst.CSTNode) -> bool:
        """Whether `node`, which is no layout, is of this tree."""
        if id(node) not in self._parents:
            self._find_parents()
        return id(node) in self._parents

    def inner(self, node: cst.CSTNode) -> CodeRange:
        """Where `node` stands without its own parentheses and the space around it.

        Raises:
            KeyError: it is not of this tree.
        """
        around = self._statement_written(node)
        return around.now(around.inner[node])

    def outer(self, node: cst.CSTNode) -> CodeRange:
        """Where `node` stands with its own parentheses and the space around it.

        Raises:
            KeyError: it is not of this tree.
        """
        around = self._statement_written(node)
        return around.now(around.outer[node])

    def _find_parents(self) -> None:
        todo: list[cst.CSTNode] = [self._tree]
        while todo:
            node = todo.pop()
            held = children(node)
            self._parents.update(dict.fromkeys(map(id, held), node))
            todo += held

    def _statement_written(self, node: cst.CSTNode) -> Written:
        """What is written out around `node`: a statement, or the module where its row is not known."""
        if node not in self._around and not self._write_statement(node):
            self._complete()
            self._around.clear()
            self._note(self._tree, self._write(self._tree, 1, ()))
        return self._around[node]

    def _write_statement(self, node: cst.CSTNode) -> bool:
        """Take note of the places in the statement around `node`; False where its row is not known."""
        found = self._statement(node)
        if found is None:
            return False
        statement, parsed, indents = found
        known = self._known.get(statement)
        if known is None:
            first = min([parsed.lineno, *(part.lineno for part in getattr(parsed, "decorator_list", ()))])
            known = self._write(statement, first - len(statement.leading_lines), indents)
            if known.inner[statement].start.line != parsed.lineno:
                return False
        self._note(statement, known.moved(statement, parsed.lineno))
        return True

    def _write(self, node: cst.CSTNode, row: int, indents: Sequence[str]) -> Written:
        written = Written()
        # Of a provider, LibCST's state wants the places that were found.
        provider: Any = SimpleNamespace(_computed=written.inner)
        state = _State(self._tree.default_indent, self._tree.default_newline, provider)
        state.begin(written.outer, row, indents)
        node._codegen(state)
        return written

    def _note(self, node: cst.CSTNode, written: Written) -> None:
        self.written[node] = written
        self._around.update(dict.fromkeys(written.outer, written))

    def _statement(self, node: cst.CSTNode) -> tuple[_Statement, ast.stmt, list[str]] | None:
        """The innermost statement around `node` that stands in no block but those of functions and classes.

        With what Python's parser makes of it, and the indents of the blocks.
        """
        path = [node]
        while (holder := self.parent(path[-1])) is not None:
            path.append(holder)
        block, parsed, indents = path.pop(), self._parsed, list[str]()
        found, complete = None, False
        while path:
            statement: Any = path.pop()
            one = self._aligned(block, parsed).get(id(statement))
            if one is None:
                return None
            found = statement, one, list(indents)
            body = path.pop() if path else None
            if not path or not isinstance(statement, _OPENED) or not isinstance(body, cst.IndentedBlock):
                break
            complete = complete or isinstance(statement, cst.FunctionDef)
            indents.append(self._tree.default_indent if body.indent is None else body.indent)
            block, parsed = body, getattr(one, "body", [])
        if found is not None and not complete and isinstance(found[0], cst.BaseCompoundStatement):
            self._complete()
        return found

    @cached_property
    def _parsed(self) -> Sequence[ast.stmt]:
        try:
            return self._statements()
        except SyntaxFault:
            return []  # LibCST knows the grammar of other versions.

    def _aligned(self, block: Any, parsed: Sequence[ast.stmt]) -> dict[int, ast.stmt]:
        """What Python's parser makes of each statement of a block, by its identity."""
        found = self._rows.get(id(block))
        if found is None:
            # Statements between semicolons are one line of LibCST's.
            sizes = (len(one.body) if isinstance(one, cst.SimpleStatementLine) else 1 for one in block.body)
            firsts = [0, *accumulate(sizes)]
            known = firsts.pop() == len(parsed)
            found = {id(line): parsed[n] for line, n in zip(block.body, firsts, strict=True)} if known else {}
            self._rows[id(block)] = found
        return found


class _State(PositionProvidingCodegenState):
    """Follows LibCST while it writes a node out, and takes note of more than it does itself."""

    def begin(self, outer: dict[cst.CSTNode, CodeRange], row: int, indents: Sequence[str]) -> None:
        self._outer = outer
        self._open: list[CodePosition] = []
        self.line = row
        self.indent_tokens.extend(indents)

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
