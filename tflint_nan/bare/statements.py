"""Statements of Python's parser as LibCST's."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import libcst as cst

from tflint_nan.bare.expressions import Expressions
from tflint_nan.bare.nodes import make
from tflint_nan.parse import SyntaxFault, parse

#: First and last row of a statement, from 1.
Rows = tuple[int, int]

_IN_PLACE: dict[type[ast.AST], type[cst.CSTNode]] = {
    ast.Add: cst.AddAssign,
    ast.Sub: cst.SubtractAssign,
    ast.Mult: cst.MultiplyAssign,
    ast.MatMult: cst.MatrixMultiplyAssign,
    ast.Div: cst.DivideAssign,
    ast.FloorDiv: cst.FloorDivideAssign,
    ast.Mod: cst.ModuloAssign,
    ast.Pow: cst.PowerAssign,
    ast.LShift: cst.LeftShiftAssign,
    ast.RShift: cst.RightShiftAssign,
    ast.BitOr: cst.BitOrAssign,
    ast.BitXor: cst.BitXorAssign,
    ast.BitAnd: cst.BitAndAssign,
}


class Statements(Expressions):
    """Makes the nodes of one text."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__(lines)
        self.rows: dict[cst.CSTNode, Rows] = {}

    def block(self, statements: Sequence[ast.stmt]) -> Iterator[Any]:
        """The statements of a block; what stands between semicolons is one line."""
        line: list[Any] = []
        first = last = 0
        for statement in statements:
            small = _SMALL.get(type(statement))
            if line and (small is None or not self._goes_on(last, statement.lineno)):
                yield self._line(line, first, last)
                line = []
            if small is None:
                yield self._compound(statement)
                continue
            if not line:
                first = statement.lineno
            last = statement.end_lineno or first
            line.append(small(self, statement))
        if line:
            yield self._line(line, first, last)

    def _line(self, parts: list[Any], first: int, last: int) -> Any:
        line = make(cst.SimpleStatementLine)(parts)
        self.rows[line] = first, last
        return line

    def _goes_on(self, row: int, following: int) -> bool:
        """Whether the statement that begins in row `following` belongs to the line that reaches to `row`."""
        rows = self._lines[row - 1 : following - 1]
        return row == following or (rows[0].endswith(";\\") or all(text.endswith("\\") for text in rows))

    def _compound(self, statement: Any) -> Any:
        handler = _COMPOUND.get(type(statement))
        first = min([statement.lineno, *(part.lineno for part in getattr(statement, "decorator_list", ()))])
        while first < statement.lineno and not self._lines[first - 1].lstrip(" \t").startswith("@"):
            first -= 1  # its name stands below its sign
        rows = first, statement.end_lineno
        node = self._exact(rows) if handler is None else handler(self, statement)
        self.rows[node] = rows
        return node

    def _exact(self, rows: Rows) -> Any:
        """What LibCST makes of the statement in these rows: nothing, where it is newer than LibCST."""
        text, headers = piece(self._lines, rows)
        try:
            tree: Any = parse(text)
        except SyntaxFault:
            return make(cst.SimpleStatementLine)([])
        return tree.body[0].body.body[0] if headers else tree.body[0]

    def _suite(self, statements: Sequence[ast.stmt]) -> Any:
        """The block behind a colon."""
        if self._on_one_row(statements[0]):
            small = [_SMALL[type(statement)](self, statement) for statement in statements]
            return make(cst.SimpleStatementSuite)(small)
        return make(cst.IndentedBlock)([*self.block(statements)])

    def _on_one_row(self, first: ast.stmt) -> bool:
        """Whether a block stands in the row of its header."""
        before = self._lines[first.lineno - 1].encode()[: first.col_offset]
        return type(first) in _SMALL and bool(before.strip(b" \t"))

    def _function(self, node: Any) -> Any:
        return make(cst.FunctionDef)(
            make(cst.Name)(node.name),
            self.parameters(node.args),
            self._suite(node.body),
            [make(cst.Decorator)(self.expression(part)) for part in node.decorator_list],
            self.annotation(node.returns),
            make(cst.Asynchronous)() if type(node) is ast.AsyncFunctionDef else None,
        )

    def _class(self, node: ast.ClassDef) -> Any:
        return make(cst.ClassDef)(
            make(cst.Name)(node.name),
            self._suite(node.body),
            [self.argument(part) for part in node.bases],
            [self.keyword(part) for part in node.keywords],
            [make(cst.Decorator)(self.expression(part)) for part in node.decorator_list],
        )

    def _if(self, node: ast.If) -> Any:
        # A chain of elifs is as deep as it is long.
        chain = [node]
        while self._has_elif(node):
            (node,) = node.orelse  # type: ignore[assignment]
            chain.append(node)
        found = self._else(node.orelse)
        for node in reversed(chain):
            found = make(cst.If)(self.expression(node.test), self._suite(node.body), found)
        return found

    def _has_elif(self, node: ast.If) -> bool:
        if len(node.orelse) != 1 or not isinstance(node.orelse[0], ast.If):
            return False
        other = node.orelse[0]
        return self._lines[other.lineno - 1].startswith("elif", other.col_offset)

    def _else(self, statements: Sequence[ast.stmt]) -> Any:
        return make(cst.Else)(self._suite(statements)) if statements else None

    def _for(self, node: Any) -> Any:
        return make(cst.For)(
            self.expression(node.target),
            self.expression(node.iter),
            self._suite(node.body),
            self._else(node.orelse),
            make(cst.Asynchronous)() if type(node) is ast.AsyncFor else None,
        )

    def _while(self, node: ast.While) -> Any:
        return make(cst.While)(self.expression(node.test), self._suite(node.body), self._else(node.orelse))

    def _with(self, node: Any) -> Any:
        return make(cst.With)(
            [
                make(cst.WithItem)(
                    self.expression(item.context_expr), self._as(self.maybe(item.optional_vars))
                )
                for item in node.items
            ],
            self._suite(node.body),
            make(cst.Asynchronous)() if type(node) is ast.AsyncWith else None,
        )

    def _try(self, node: Any) -> Any:
        starred = type(node) is not ast.Try
        handler = make(cst.ExceptStarHandler if starred else cst.ExceptHandler)
        return make(cst.TryStar if starred else cst.Try)(
            self._suite(node.body),
            [
                handler(
                    self._suite(part.body),
                    self.maybe(part.type),
                    self._as(None if part.name is None else make(cst.Name)(part.name)),
                )
                for part in node.handlers
            ],
            self._else(node.orelse),
            make(cst.Finally)(self._suite(node.finalbody)) if node.finalbody else None,
        )

    def _as(self, name: Any) -> Any:
        return None if name is None else make(cst.AsName)(name)

    # Small statements.

    def _expr(self, node: ast.Expr) -> Any:
        return make(cst.Expr)(self.expression(node.value))

    def _assign(self, node: ast.Assign) -> Any:
        target = make(cst.AssignTarget)
        return make(cst.Assign)(
            [target(self.expression(part)) for part in node.targets], self.expression(node.value)
        )

    def _annotated(self, node: ast.AnnAssign) -> Any:
        annotation, value = self.annotation(node.annotation), self.maybe(node.value)
        return make(cst.AnnAssign)(self.expression(node.target), annotation, value)

    def _augmented(self, node: ast.AugAssign) -> Any:
        operator = make(_IN_PLACE[type(node.op)])()
        return make(cst.AugAssign)(self.expression(node.target), operator, self.expression(node.value))

    def _return(self, node: ast.Return) -> Any:
        return make(cst.Return)(self.maybe(node.value))

    def _raise(self, node: ast.Raise) -> Any:
        cause = None if node.cause is None else make(cst.From)(self.expression(node.cause))
        return make(cst.Raise)(self.maybe(node.exc), cause)

    def _assert(self, node: ast.Assert) -> Any:
        return make(cst.Assert)(self.expression(node.test), self.maybe(node.msg))

    def _delete(self, node: ast.Delete) -> Any:
        parts = [self.expression(part) for part in node.targets]
        if len(parts) > 1:
            parts = [make(cst.Tuple)([make(cst.Element)(part) for part in parts])]
        return make(cst.Del)(parts[0])

    def _names(self, node: Any) -> Any:
        kind = cst.Global if type(node) is ast.Global else cst.Nonlocal
        return make(kind)([make(cst.NameItem)(make(cst.Name)(name)) for name in node.names])

    def _import(self, node: ast.Import) -> Any:
        return make(cst.Import)([self._alias(part) for part in node.names])

    def _import_from(self, node: ast.ImportFrom) -> Any:
        everything = node.names[0].name == "*"
        return make(cst.ImportFrom)(
            _dotted(node.module) if node.module else None,
            make(cst.ImportStar)() if everything else [self._alias(part) for part in node.names],
            [make(cst.Dot)() for _ in range(node.level)],
        )

    def _alias(self, node: ast.alias) -> Any:
        name = None if node.asname is None else make(cst.Name)(node.asname)
        return make(cst.ImportAlias)(_dotted(node.name), self._as(name))

    def _word(self, node: ast.stmt) -> Any:
        return make(_WORDS[type(node)])()


_WORDS = {ast.Pass: cst.Pass, ast.Break: cst.Break, ast.Continue: cst.Continue}
_SMALL: dict[type[ast.AST], Callable[[Statements, Any], Any]] = {
    ast.Expr: Statements._expr,
    ast.Assign: Statements._assign,
    ast.AnnAssign: Statements._annotated,
    ast.AugAssign: Statements._augmented,
    ast.Return: Statements._return,
    ast.Raise: Statements._raise,
    ast.Assert: Statements._assert,
    ast.Delete: Statements._delete,
    ast.Global: Statements._names,
    ast.Nonlocal: Statements._names,
    ast.Import: Statements._import,
    ast.ImportFrom: Statements._import_from,
    **dict.fromkeys(_WORDS, Statements._word),
}
#: Others (`match`) are read with LibCST.
_COMPOUND: dict[type[ast.AST], Callable[[Statements, Any], Any]] = {
    ast.FunctionDef: Statements._function,
    ast.AsyncFunctionDef: Statements._function,
    ast.ClassDef: Statements._class,
    ast.If: Statements._if,
    ast.For: Statements._for,
    ast.AsyncFor: Statements._for,
    ast.While: Statements._while,
    ast.With: Statements._with,
    ast.AsyncWith: Statements._with,
    ast.Try: Statements._try,
}
if sys.version_info >= (3, 11):
    _COMPOUND[ast.TryStar] = Statements._try


def _dotted(name: str) -> Any:
    first, *others = name.split(".")
    found = make(cst.Name)(first)
    for other in others:
        found = make(cst.Attribute)(found, make(cst.Name)(other))
    return found


def piece(lines: Sequence[str], rows: Rows) -> tuple[str, int]:
    """A text of the statement in these rows alone, and the rows that stand before it there."""
    first, last = rows
    held = lines[first - 1 : last]
    headers = ["class _:"] if held[0][:1] in (" ", "\t") else []
    return "\n".join([*headers, *held, ""]), len(headers)
