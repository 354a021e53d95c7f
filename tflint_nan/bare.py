"""Bare trees: LibCST's nodes without layout, made of what Python's own parser says.

LibCST's parser takes ten times as long as Python's, and most of what it makes is layout, at which nobody
looks who asks what a program means. Here the nodes that mean something are made, of the same classes and with
the same fields; white space, comments and parentheses are what they are by default, so what a node looks like
is asked of `places`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import libcst as cst

from tflint_nan.nodes import make
from tflint_nan.parse import SyntaxFault, deep_recursion, parse

#: First and last row of a statement, from 1.
Rows = tuple[int, int]


def bare(statements: Sequence[ast.stmt], text: str) -> tuple[cst.Module, dict[cst.CSTNode, Rows]]:
    """The tree of a text, and the rows of each statement of it.

    Args:
        statements: what Python's parser makes of the text.
        text: its lines end in `\\n`.
    """
    reader = _Reader(text.split("\n"))
    with deep_recursion():
        return make(cst.Module)(tuple(reader.block(statements))), reader.rows


_OPERATORS: dict[type[ast.AST], type[cst.CSTNode]] = {
    ast.Add: cst.Add,
    ast.Sub: cst.Subtract,
    ast.Mult: cst.Multiply,
    ast.MatMult: cst.MatrixMultiply,
    ast.Div: cst.Divide,
    ast.FloorDiv: cst.FloorDivide,
    ast.Mod: cst.Modulo,
    ast.Pow: cst.Power,
    ast.LShift: cst.LeftShift,
    ast.RShift: cst.RightShift,
    ast.BitOr: cst.BitOr,
    ast.BitXor: cst.BitXor,
    ast.BitAnd: cst.BitAnd,
    ast.And: cst.And,
    ast.Or: cst.Or,
    ast.UAdd: cst.Plus,
    ast.USub: cst.Minus,
    ast.Not: cst.Not,
    ast.Invert: cst.BitInvert,
    ast.Eq: cst.Equal,
    ast.NotEq: cst.NotEqual,
    ast.Lt: cst.LessThan,
    ast.LtE: cst.LessThanEqual,
    ast.Gt: cst.GreaterThan,
    ast.GtE: cst.GreaterThanEqual,
    ast.Is: cst.Is,
    ast.IsNot: cst.IsNot,
    ast.In: cst.In,
    ast.NotIn: cst.NotIn,
}
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

_arg = make(cst.Arg)
_attribute = make(cst.Attribute)
_binary = make(cst.BinaryOperation)
_boolean = make(cst.BooleanOperation)
_element = make(cst.Element)
_index = make(cst.Index)
_name = make(cst.Name)
_starred = make(cst.StarredElement)
_subscript_element = make(cst.SubscriptElement)


class _Reader:
    """Makes the nodes of one text."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self.rows: dict[cst.CSTNode, Rows] = {}

    # Statements.

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
            _name(node.name),
            self.parameters(node.args),
            self._suite(node.body),
            [make(cst.Decorator)(self.expression(part)) for part in node.decorator_list],
            self._annotation(node.returns),
            make(cst.Asynchronous)() if type(node) is ast.AsyncFunctionDef else None,
        )

    def _class(self, node: ast.ClassDef) -> Any:
        return make(cst.ClassDef)(
            _name(node.name),
            self._suite(node.body),
            [self._argument(part) for part in node.bases],
            [self._keyword(part) for part in node.keywords],
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
                    self.expression(item.context_expr), self._as(self._maybe(item.optional_vars))
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
                    self._maybe(part.type),
                    self._as(None if part.name is None else _name(part.name)),
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
        annotation, value = self._annotation(node.annotation), self._maybe(node.value)
        return make(cst.AnnAssign)(self.expression(node.target), annotation, value)

    def _augmented(self, node: ast.AugAssign) -> Any:
        operator = make(_IN_PLACE[type(node.op)])()
        return make(cst.AugAssign)(self.expression(node.target), operator, self.expression(node.value))

    def _return(self, node: ast.Return) -> Any:
        return make(cst.Return)(self._maybe(node.value))

    def _raise(self, node: ast.Raise) -> Any:
        cause = None if node.cause is None else make(cst.From)(self.expression(node.cause))
        return make(cst.Raise)(self._maybe(node.exc), cause)

    def _assert(self, node: ast.Assert) -> Any:
        return make(cst.Assert)(self.expression(node.test), self._maybe(node.msg))

    def _delete(self, node: ast.Delete) -> Any:
        parts = [self.expression(part) for part in node.targets]
        several = len(parts) > 1
        return make(cst.Del)(make(cst.Tuple)([_element(part) for part in parts]) if several else parts[0])

    def _names(self, node: Any) -> Any:
        kind = cst.Global if type(node) is ast.Global else cst.Nonlocal
        return make(kind)([make(cst.NameItem)(_name(name)) for name in node.names])

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
        name = None if node.asname is None else _name(node.asname)
        return make(cst.ImportAlias)(_dotted(node.name), self._as(name))

    def _word(self, node: ast.stmt) -> Any:
        return make(_WORDS[type(node)])()

    # Expressions.

    def expression(self, node: Any) -> Any:
        """The node of an expression."""
        read: Callable[[_Reader, Any], Any] = _EXPRESSIONS.get(type(node), _Reader._unread)
        return read(self, node)

    def _maybe(self, node: Any) -> Any:
        return None if node is None else self.expression(node)

    def _unread(self, node: ast.expr) -> Any:
        """For what is newer than this: a text of which nothing is known."""
        return make(cst.FormattedString)([make(cst.FormattedStringText)("{}")])

    def _name(self, node: ast.Name) -> Any:
        return _name(node.id)

    def _attribute(self, node: ast.Attribute) -> Any:
        return _attribute(self.expression(node.value), _name(node.attr))

    def _constant(self, node: ast.Constant) -> Any:
        value: Any = node.value
        kind = type(value)
        if kind is int:
            return make(cst.Integer)(_spelled(value))
        if kind is str or kind is bytes:
            return make(cst.SimpleString)(repr(value))
        if kind is float:
            return make(cst.Float)(repr(value) if value < _ENDLESS else "1e999")
        if value is ...:
            return make(cst.Ellipsis)()
        if kind is complex:
            return make(cst.Imaginary)(repr(value).replace("inf", "1e999"))
        return _name(repr(value))

    def _call(self, node: ast.Call) -> Any:
        args = [self._argument(part) for part in node.args]
        if node.keywords:
            args += [self._keyword(part) for part in node.keywords]
            if any(type(part) is ast.Starred for part in node.args):
                parts: list[Any] = [*node.args, *node.keywords]
                order = sorted(range(len(parts)), key=lambda n: (parts[n].lineno, parts[n].col_offset))
                args = [args[n] for n in order]
        return make(cst.Call)(self.expression(node.func), args)

    def _argument(self, node: Any) -> Any:
        if type(node) is ast.Starred:
            return _arg(self.expression(node.value), None, "*")
        return _arg(self.expression(node), None, "")

    def _keyword(self, node: ast.keyword) -> Any:
        value = self.expression(node.value)
        return _arg(value, None, "**") if node.arg is None else _arg(value, _name(node.arg), "")

    def _binary(self, node: ast.BinOp) -> Any:
        # Chains such as a + b + c nest to the left, as deep as they are long.
        chain = [node]
        while type(node.left) is ast.BinOp:
            node = node.left
            chain.append(node)
        found = self.expression(node.left)
        for node in reversed(chain):
            found = _binary(found, make(_OPERATORS[type(node.op)])(), self.expression(node.right))
        return found

    def _boolean(self, node: ast.BoolOp) -> Any:
        operator = make(_OPERATORS[type(node.op)])
        found, *others = (self.expression(part) for part in node.values)
        for other in others:
            found = _boolean(found, operator(), other)
        return found

    def _unary(self, node: ast.UnaryOp) -> Any:
        return make(cst.UnaryOperation)(make(_OPERATORS[type(node.op)])(), self.expression(node.operand))

    def _compare(self, node: ast.Compare) -> Any:
        target = make(cst.ComparisonTarget)
        parts = zip(node.ops, node.comparators, strict=True)
        return make(cst.Comparison)(
            self.expression(node.left),
            [target(make(_OPERATORS[type(operator)])(), self.expression(part)) for operator, part in parts],
        )

    def _subscript(self, node: ast.Subscript) -> Any:
        index: Any = node.slice
        several = type(index) is ast.Tuple and index.elts and not self._is_enclosed(index)
        parts = [_subscript_element(self._slice(part)) for part in (index.elts if several else [index])]
        return make(cst.Subscript)(self.expression(node.value), parts)

    def _is_enclosed(self, node: ast.Tuple) -> bool:
        """Whether a tuple has parentheses of its own: more open before an element than close behind it."""
        first = node.elts[0]
        here, begin = (node.lineno, node.col_offset), (first.lineno, first.col_offset)
        if here == begin or any(type(part) is ast.Slice for part in node.elts):
            return False
        end = first.end_lineno or 0, first.end_col_offset or 0
        behind = self._between(end, (node.end_lineno or 0, node.end_col_offset or 0)).partition(",")[0]
        return self._between(here, begin).count("(") > behind.count(")")

    def _between(self, start: tuple[int, int], end: tuple[int, int]) -> str:
        """What stands from one place of Python's parser to another, without comments."""
        lines = [line.encode() for line in self._lines[start[0] - 1 : end[0]]]
        lines[-1] = lines[-1][: end[1]]
        lines[0] = lines[0][start[1] :]
        return "".join(line.decode(errors="replace").partition("#")[0] for line in lines)

    def _slice(self, node: Any) -> Any:
        if type(node) is ast.Slice:
            ends = (self._maybe(part) for part in (node.lower, node.upper, node.step))
            return make(cst.Slice)(*ends)
        if type(node) is ast.Starred:
            return _index(self.expression(node.value), "*")
        return _index(self.expression(node), None)

    def _conditional(self, node: ast.IfExp) -> Any:
        parts = (self.expression(part) for part in (node.test, node.body, node.orelse))
        return make(cst.IfExp)(*parts)

    def _lambda(self, node: ast.Lambda) -> Any:
        return make(cst.Lambda)(self.parameters(node.args), self.expression(node.body))

    def _sequence(self, node: Any) -> Any:
        return make(_SEQUENCES[type(node)])([self._element(part) for part in node.elts])

    def _element(self, node: Any) -> Any:
        if type(node) is ast.Starred:
            return _starred(self.expression(node.value))
        return _element(self.expression(node))

    def _dict(self, node: ast.Dict) -> Any:
        element = make(cst.DictElement)
        return make(cst.Dict)(
            [
                make(cst.StarredDictElement)(self.expression(value))
                if key is None
                else element(self.expression(key), self.expression(value))
                for key, value in zip(node.keys, node.values, strict=True)
            ]
        )

    def _comprehension(self, node: Any) -> Any:
        return make(_COMPREHENSIONS[type(node)])(self.expression(node.elt), self._loops(node.generators))

    def _dict_comprehension(self, node: ast.DictComp) -> Any:
        key, value = self.expression(node.key), self.expression(node.value)
        return make(cst.DictComp)(key, value, self._loops(node.generators))

    def _loops(self, loops: Sequence[ast.comprehension]) -> Any:
        found = None
        for loop in reversed(loops):
            found = make(cst.CompFor)(
                self.expression(loop.target),
                self.expression(loop.iter),
                [make(cst.CompIf)(self.expression(test)) for test in loop.ifs],
                found,
                make(cst.Asynchronous)() if loop.is_async else None,
            )
        return found

    def _walrus(self, node: ast.NamedExpr) -> Any:
        return make(cst.NamedExpr)(self.expression(node.target), self.expression(node.value))

    def _await(self, node: ast.Await) -> Any:
        return make(cst.Await)(self.expression(node.value))

    def _yield(self, node: ast.Yield) -> Any:
        return make(cst.Yield)(self._maybe(node.value))

    def _yield_from(self, node: ast.YieldFrom) -> Any:
        return make(cst.Yield)(make(cst.From)(self.expression(node.value)))

    def _formatted(self, node: ast.JoinedStr) -> Any:
        return make(cst.FormattedString)([self._part(part) for part in node.values])

    def _part(self, node: Any) -> Any:
        if type(node) is ast.Constant:
            return make(cst.FormattedStringText)(node.value)
        form = None if node.format_spec is None else [self._part(part) for part in node.format_spec.values]
        conversion = None if node.conversion < 0 else chr(node.conversion)
        return make(cst.FormattedStringExpression)(self.expression(node.value), conversion, form)

    def parameters(self, node: ast.arguments) -> Any:
        """The parameters of a function."""
        simple = [*node.posonlyargs, *node.args]
        missing = len(simple) - len(node.defaults)
        made = [
            self._parameter(part, node.defaults[n - missing] if n >= missing else None)
            for n, part in enumerate(simple)
        ]
        before = len(node.posonlyargs)
        star: Any = cst.MaybeSentinel.DEFAULT
        if node.vararg is not None:
            star = self._parameter(node.vararg, None, "*")
        elif node.kwonlyargs:
            star = make(cst.ParamStar)()
        return make(cst.Parameters)(
            made[before:],
            star,
            [self._parameter(*pair) for pair in zip(node.kwonlyargs, node.kw_defaults, strict=True)],
            None if node.kwarg is None else self._parameter(node.kwarg, None, "**"),
            made[:before],
            make(cst.ParamSlash)() if before else cst.MaybeSentinel.DEFAULT,
        )

    def _annotation(self, node: ast.expr | None) -> Any:
        return None if node is None else make(cst.Annotation)(self.expression(node))

    def _parameter(self, node: ast.arg, default: ast.expr | None, star: str = "") -> Any:
        annotation = self._annotation(node.annotation)
        return make(cst.Param)(_name(node.arg), annotation, self._maybe(default), star)


_ENDLESS = float("inf")
_WORDS = {ast.Pass: cst.Pass, ast.Break: cst.Break, ast.Continue: cst.Continue}
_SEQUENCES = {ast.Tuple: cst.Tuple, ast.List: cst.List, ast.Set: cst.Set}
_COMPREHENSIONS = {ast.ListComp: cst.ListComp, ast.SetComp: cst.SetComp, ast.GeneratorExp: cst.GeneratorExp}
_SMALL: dict[type[ast.AST], Callable[[_Reader, Any], Any]] = {
    ast.Expr: _Reader._expr,
    ast.Assign: _Reader._assign,
    ast.AnnAssign: _Reader._annotated,
    ast.AugAssign: _Reader._augmented,
    ast.Return: _Reader._return,
    ast.Raise: _Reader._raise,
    ast.Assert: _Reader._assert,
    ast.Delete: _Reader._delete,
    ast.Global: _Reader._names,
    ast.Nonlocal: _Reader._names,
    ast.Import: _Reader._import,
    ast.ImportFrom: _Reader._import_from,
    **dict.fromkeys(_WORDS, _Reader._word),
}
#: Others (`match`) are read with LibCST.
_COMPOUND: dict[type[ast.AST], Callable[[_Reader, Any], Any]] = {
    ast.FunctionDef: _Reader._function,
    ast.AsyncFunctionDef: _Reader._function,
    ast.ClassDef: _Reader._class,
    ast.If: _Reader._if,
    ast.For: _Reader._for,
    ast.AsyncFor: _Reader._for,
    ast.While: _Reader._while,
    ast.With: _Reader._with,
    ast.AsyncWith: _Reader._with,
    ast.Try: _Reader._try,
}
if sys.version_info >= (3, 11):
    _COMPOUND[ast.TryStar] = _Reader._try
_EXPRESSIONS: dict[type[ast.AST], Callable[[_Reader, Any], Any]] = {
    ast.Name: _Reader._name,
    ast.Attribute: _Reader._attribute,
    ast.Constant: _Reader._constant,
    ast.Call: _Reader._call,
    ast.BinOp: _Reader._binary,
    ast.BoolOp: _Reader._boolean,
    ast.UnaryOp: _Reader._unary,
    ast.Compare: _Reader._compare,
    ast.Subscript: _Reader._subscript,
    ast.IfExp: _Reader._conditional,
    ast.Lambda: _Reader._lambda,
    **dict.fromkeys(_SEQUENCES, _Reader._sequence),
    ast.Dict: _Reader._dict,
    **dict.fromkeys(_COMPREHENSIONS, _Reader._comprehension),
    ast.DictComp: _Reader._dict_comprehension,
    ast.NamedExpr: _Reader._walrus,
    ast.Await: _Reader._await,
    ast.Yield: _Reader._yield,
    ast.YieldFrom: _Reader._yield_from,
    ast.JoinedStr: _Reader._formatted,
    ast.Starred: _Reader._element,
}


def _dotted(name: str) -> Any:
    first, *others = name.split(".")
    found = _name(first)
    for other in others:
        found = _attribute(found, _name(other))
    return found


def _spelled(number: int) -> str:
    try:
        return str(number)
    except ValueError:  # more digits than Python converts
        return hex(number)


def piece(lines: Sequence[str], rows: Rows) -> tuple[str, int]:
    """A text of the statement in these rows alone, and the rows that stand before it there."""
    first, last = rows
    held = lines[first - 1 : last]
    headers = ["class _:"] if held[0][:1] in (" ", "\t") else []
    return "\n".join([*headers, *held, ""]), len(headers)
