"""Expressions of Python's parser as LibCST's."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

import libcst as cst

from tflint_nan.bare.nodes import make

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
_arg = make(cst.Arg)
_attribute = make(cst.Attribute)
_binary = make(cst.BinaryOperation)
_boolean = make(cst.BooleanOperation)
_element = make(cst.Element)
_index = make(cst.Index)
_name = make(cst.Name)
_starred = make(cst.StarredElement)
_subscript_element = make(cst.SubscriptElement)


class Expressions:
    """Makes the nodes of expressions."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines

    def expression(self, node: Any) -> Any:
        """The node of an expression."""
        read: Callable[[Expressions, Any], Any] = _EXPRESSIONS.get(type(node), Expressions._unread)
        return read(self, node)

    def maybe(self, node: Any) -> Any:
        """The node of an expression, None for none."""
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
        args = [self.argument(part) for part in node.args]
        if node.keywords:
            args += [self.keyword(part) for part in node.keywords]
            if any(type(part) is ast.Starred for part in node.args):
                parts: list[Any] = [*node.args, *node.keywords]
                order = sorted(range(len(parts)), key=lambda n: (parts[n].lineno, parts[n].col_offset))
                args = [args[n] for n in order]
        return make(cst.Call)(self.expression(node.func), args)

    def argument(self, node: Any) -> Any:
        """What a call or a class is given by its place."""
        if type(node) is ast.Starred:
            return _arg(self.expression(node.value), None, "*")
        return _arg(self.expression(node), None, "")

    def keyword(self, node: ast.keyword) -> Any:
        """What a call or a class is given by a name."""
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
            ends = (self.maybe(part) for part in (node.lower, node.upper, node.step))
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
        return make(cst.Yield)(self.maybe(node.value))

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

    def annotation(self, node: ast.expr | None) -> Any:
        """The type that is written behind a colon or an arrow, None for none."""
        return None if node is None else make(cst.Annotation)(self.expression(node))

    def _parameter(self, node: ast.arg, default: ast.expr | None, star: str = "") -> Any:
        annotation = self.annotation(node.annotation)
        return make(cst.Param)(_name(node.arg), annotation, self.maybe(default), star)


_ENDLESS = float("inf")
_SEQUENCES = {ast.Tuple: cst.Tuple, ast.List: cst.List, ast.Set: cst.Set}
_COMPREHENSIONS = {ast.ListComp: cst.ListComp, ast.SetComp: cst.SetComp, ast.GeneratorExp: cst.GeneratorExp}
_EXPRESSIONS: dict[type[ast.AST], Callable[[Expressions, Any], Any]] = {
    ast.Name: Expressions._name,
    ast.Attribute: Expressions._attribute,
    ast.Constant: Expressions._constant,
    ast.Call: Expressions._call,
    ast.BinOp: Expressions._binary,
    ast.BoolOp: Expressions._boolean,
    ast.UnaryOp: Expressions._unary,
    ast.Compare: Expressions._compare,
    ast.Subscript: Expressions._subscript,
    ast.IfExp: Expressions._conditional,
    ast.Lambda: Expressions._lambda,
    **dict.fromkeys(_SEQUENCES, Expressions._sequence),
    ast.Dict: Expressions._dict,
    **dict.fromkeys(_COMPREHENSIONS, Expressions._comprehension),
    ast.DictComp: Expressions._dict_comprehension,
    ast.NamedExpr: Expressions._walrus,
    ast.Await: Expressions._await,
    ast.Yield: Expressions._yield,
    ast.YieldFrom: Expressions._yield_from,
    ast.JoinedStr: Expressions._formatted,
    ast.Starred: Expressions._element,
}


def _spelled(number: int) -> str:
    try:
        return str(number)
    except ValueError:  # more digits than Python converts
        return hex(number)
