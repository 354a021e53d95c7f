"""Expressions: every kind of LibCST expression to its value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import libcst as cst

from tflint_nan.build import builtins, standard
from tflint_nan.build.comparisons import Comparisons
from tflint_nan.build.fold import fold, truth
from tflint_nan.build.names import is_module, normalise
from tflint_nan.build.strings import joined, percent
from tflint_nan.ops.table import APIS, BASES, CONSTANTS
from tflint_nan.value import (
    NONE,
    Const,
    Items,
    Object,
    Scope,
    Symbol,
    Table,
    Tensor,
    Unknown,
    Value,
)

#: Nested expressions deeper than this are unknown (Python's parser allows about 200 brackets).
MAX_DEPTH = 150
#: A comprehension over more elements than this is read once for all of them.
MAX_UNROLL = 16
#: Longer lists and tuples are cut (a literal table of data needs no more to show its range).
MAX_ITEMS = 4096

BINARY: dict[type[cst.BaseBinaryOp] | type[cst.BaseAugOp], str] = {
    cst.Add: "add",
    cst.Subtract: "sub",
    cst.Multiply: "mul",
    cst.Divide: "div",
    cst.FloorDivide: "floordiv",
    cst.Modulo: "mod",
    cst.Power: "pow",
    cst.MatrixMultiply: "matmul",
    cst.BitAnd: "bit_and",
    cst.BitOr: "bit_or",
    cst.BitXor: "bit_xor",
    cst.LeftShift: "left_shift",
    cst.RightShift: "right_shift",
    cst.AddAssign: "add",
    cst.SubtractAssign: "sub",
    cst.MultiplyAssign: "mul",
    cst.DivideAssign: "div",
    cst.FloorDivideAssign: "floordiv",
    cst.ModuloAssign: "mod",
    cst.PowerAssign: "pow",
    cst.MatrixMultiplyAssign: "matmul",
    cst.BitAndAssign: "bit_and",
    cst.BitOrAssign: "bit_or",
    cst.BitXorAssign: "bit_xor",
    cst.LeftShiftAssign: "left_shift",
    cst.RightShiftAssign: "right_shift",
}
#: Bit operators on tensors are logical ones where the operands are tests.
_TENSOR_BITS = {"bit_and": "logical_and", "bit_or": "logical_or"}


def items(values: Sequence[Value], kind: str = "list", complete: bool = True) -> Items:
    """A container, cut where it grows too long."""
    return Items(tuple(values[:MAX_ITEMS]), kind, complete and len(values) <= MAX_ITEMS)


#: Python's methods for operators, where they are not called as the operators are here.
_METHODS = {"div": "truediv", "bit_and": "and", "bit_or": "or", "bit_xor": "xor"}
_KEYWORDS = {"None": NONE, "True": Const(True), "False": Const(False)}


class Expressions(Comparisons):
    """Evaluates expressions."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0
        #: By the scope of a module: the libraries that it has all names of (`from keras.layers import *`),
        #: the latest last.
        self.star_imports: dict[Scope, list[str]] = {}
        self._shared: dict[str, Value] = {}
        #: By identity of the node.
        self._literals: dict[int, Value] = {}

    def evaluate(self, node: cst.CSTNode) -> Value:
        """The value of an expression; UNKNOWN for what cannot be followed."""
        handler = _HANDLERS.get(type(node))
        if handler is None or self._depth >= MAX_DEPTH:
            return Unknown()
        self._depth += 1
        outer, self.node = self.node, node
        try:
            value = handler(self, node)
            return self.narrowed(value) if self.frame.known else value
        finally:
            self._depth -= 1
            self.node = outer

    def _name(self, node: cst.Name) -> Value:
        value = _KEYWORDS.get(node.value) or self.lookup(node.value)
        if value is not None:
            return self.loaded(value)
        value = self.starred(self.module_scope(), node.value) if self.star_imports else None
        if value is not None:
            return value
        return Symbol(f"builtins.{node.value}") if node.value in builtins.NAMES else Unknown()

    def module_scope(self) -> Scope:
        """The variables of the module that is read."""
        scope = self.frame.scope
        while scope.parent is not None:
            scope = scope.parent
        return scope

    def starred(self, module: Scope, name: str) -> Value | None:
        """What a module has by `from library import *`; None where no library is known to have the name."""
        for library in reversed(self.star_imports.get(module, ())):
            full = normalise(f"{library}.{name}")
            if full in APIS or full in BASES or full in CONSTANTS or is_module(full):
                return self.constant(full)
        return None

    def constant(self, name: str) -> Value:
        """The value of a library's name: a known constant, or a symbol."""
        value = CONSTANTS.get(name) or standard.CONSTANTS.get(name)
        if isinstance(value, Object):
            # State that a library keeps (flags): each program has its own.
            return self._shared.setdefault(name, replace(value, attrs=dict(value.attrs)))
        return value or Symbol(name)

    def _literal(self, node: cst.Integer | cst.Float | cst.SimpleString | cst.ConcatenatedString) -> Value:
        known = self._literals.get(id(node))
        if known is None:
            try:
                value = _plain(node)
            except ValueError:  # an integer of more digits than Python converts
                value = None
            known = self._literals[id(node)] = Unknown() if value is None else Const(value)
        return known

    def _attribute(self, node: cst.Attribute) -> Value:
        return self.get(self.evaluate(node.value), node.attr.value)

    def _tuple(self, node: cst.Tuple | cst.List | cst.Set) -> Value:
        kind = type(node).__name__.lower()
        values: list[Value] = []
        complete = True
        for element in node.elements:
            value = self.evaluate(element.value)
            if type(element) is cst.StarredElement:
                inner = self.elements(value)
                complete = complete and inner is not None
                values.extend(inner if inner is not None else (self.element(value),))
            else:
                values.append(value)
        return self.own(items(values, kind, complete))

    def own(self, container: Items | Table) -> Items | Table:
        """Take note that the activation itself made a list or dict."""
        self.frame.made[id(container)] = container
        return container

    def _dict(self, node: cst.Dict) -> Value:
        table: dict[object, Value] = {}
        complete = True
        for element in node.elements:
            value = self.evaluate(element.value)
            if type(element) is cst.DictElement:
                key = self.key(self.evaluate(element.key))
                if key is None:
                    complete = False
                else:
                    table[key] = value
            elif isinstance(value, Table):
                table.update(value.items)
                complete = complete and value.complete
            else:
                complete = False
        return self.own(Table(table, complete))

    def _unary(self, node: cst.UnaryOperation) -> Value:
        if type(node.operator) is cst.Not:
            known = self.decided(value := self.evaluate(node.expression))
            return Const(not known) if known is not None else self._negated(value)
        value = self.evaluate(node.expression)
        if type(node.operator) is cst.Plus:
            return value
        name = "neg" if type(node.operator) is cst.Minus else "logical_not"
        literal = value.literal
        if name == "neg" and isinstance(literal, (int, float)):
            return Const(-literal)
        return self.operation(name, {"x": value}, {"x": node.expression})

    def _negated(self, value: Value) -> Value:
        return self.emit("logical_not", {"x": value}) if isinstance(value, Tensor) else Unknown()

    def _binary(self, node: cst.BinaryOperation) -> Value:
        # Chains such as a + b + c nest to the left, as deep as they are long: walked in a loop.
        chain = [node]
        left = node.left
        while type(left) is cst.BinaryOperation:
            chain.append(left)
            left = left.left
        value = self.evaluate(left)
        outer = self.node
        for part in reversed(chain):
            self.node = part
            right = self.evaluate(part.right)
            value = self.binary(BINARY[type(part.operator)], value, right, part.left, part.right)
        self.node = outer
        return value

    def binary(
        self, name: str, x: Value, y: Value, left: cst.BaseExpression, right: cst.BaseExpression
    ) -> Value:
        """`x name y` for literals, lists and tensors."""
        folded = fold(name, x, y)
        if folded is not None:
            return folded
        if isinstance(x, Items) and isinstance(y, Items) and name == "add":
            return items((*x.items, *y.items), x.kind, x.complete and y.complete)
        if isinstance(x, Items) and name == "mul" and isinstance(y.literal, int):
            fits = len(x.items) * y.literal <= MAX_ITEMS
            return items(x.items * y.literal if fits else x.items, x.kind, x.complete and fits)
        if isinstance(x, Table) and isinstance(y, Table) and name == "bit_or":
            return self.own(replace(x, items={**x.items, **y.items}, complete=x.complete and y.complete))
        if isinstance(x.literal, (str, bytes)):
            return percent(x.literal, y) if name == "mod" and isinstance(x.literal, str) else Unknown()
        if isinstance(x, Object) or isinstance(y, Object):
            found = self._overloaded(name, x, y)
            if found is not None:
                return found
        return self.operation(_TENSOR_BITS.get(name, name), {"x": x, "y": y}, {"x": left, "y": right})

    def _overloaded(self, name: str, x: Value, y: Value) -> Value | None:
        """What a class of the project says of an operator; None where it says nothing."""
        word = _METHODS.get(name, name)
        for receiver, other, method in ((x, y, f"__{word}__"), (y, x, f"__r{word}__")):
            if isinstance(receiver, Object):
                found = self.bound(receiver, method)
                if not isinstance(found, Unknown):
                    return self.call(found, [other], {})
        return None

    def _subscript(self, node: cst.Subscript) -> Value:
        value = self.evaluate(node.value)
        return self.item(value, self.index(node))

    def index(self, node: cst.Subscript) -> Value:
        """The index of a subscript: a value, a slice as `Items(start, stop, step)`, a tuple of these."""
        if len(node.slice) == 1:
            return self._index(node.slice[0].slice)
        return Items(tuple([self._index(element.slice) for element in node.slice]))

    def _index(self, node: cst.BaseSlice) -> Value:
        if type(node) is cst.Slice:
            ends = (node.lower, node.upper, node.step)
            return Items(tuple(NONE if end is None else self.evaluate(end) for end in ends), "slice")
        assert isinstance(node, cst.Index)
        return self.evaluate(node.value)

    def _lambda(self, node: cst.Lambda) -> Value:
        return self.function(node)

    def _comprehension(self, node: cst.ListComp | cst.SetComp | cst.GeneratorExp | cst.DictComp) -> Value:
        frame = self.frame
        outer = frame.scope
        frame.scope = Scope(node, outer.source, outer)
        try:
            results, complete = self._generate(node, node.for_in)
        finally:
            frame.scope = outer
        if isinstance(node, cst.DictComp):
            pairs = [(self.key(key), value) for key, value in results]
            known = complete and all(key is not None for key, _ in pairs)
            return Table({key: value for key, value in pairs if key is not None}, known)
        return Items(tuple(value for _, value in results), "list", complete)

    def _generate(self, node: cst.BaseComp, loop: cst.CompFor) -> tuple[list[tuple[Value, Value]], bool]:
        iterable = self.evaluate(loop.iter)
        known = self.elements(iterable)
        complete = known is not None and len(known) <= MAX_UNROLL
        results: list[tuple[Value, Value]] = []
        for element in known if known is not None and complete else (self.element(iterable),):
            self.assign(loop.target, element)
            tests = [truth(self.evaluate(part.test)) for part in loop.ifs]
            if False in tests:
                continue
            complete = complete and None not in tests
            for part in loop.ifs:
                self.refine(part.test, True)
            if loop.inner_for_in is not None:
                inner, whole = self._generate(node, loop.inner_for_in)
                results.extend(inner)
                complete = complete and whole
            elif isinstance(node, cst.DictComp):
                results.append((self.evaluate(node.key), self.evaluate(node.value)))
            elif isinstance(node, cst.BaseSimpleComp):
                results.append((NONE, self.evaluate(node.elt)))
        return results, complete

    def _walrus(self, node: cst.NamedExpr) -> Value:
        value = self.evaluate(node.value)
        inner = self.frame.scope
        while isinstance(self.frame.scope.node, cst.BaseComp) and self.frame.scope.parent is not None:
            self.frame.scope = self.frame.scope.parent  # a comprehension binds outside of itself
        self.assign(node.target, value)
        self.frame.scope = inner
        return value

    def _await(self, node: cst.Await) -> Value:
        return self.evaluate(node.expression)

    def _yield(self, node: cst.Yield) -> Value:
        if isinstance(node.value, cst.From):
            self.frame.yields.append(self.element(self.evaluate(node.value.item)))
        else:
            self.frame.yields.append(NONE if node.value is None else self.evaluate(node.value))
        return Unknown()

    def _formatted(self, node: cst.FormattedString) -> Value:
        parts: list[Value] = []
        for part in node.parts:
            if isinstance(part, cst.FormattedStringExpression):
                value = self.evaluate(part.expression)
                parts.append(Unknown() if part.format_spec or part.conversion else value)
            else:
                assert isinstance(part, cst.FormattedStringText)
                parts.append(Unknown() if set("\\{}") & set(part.value) else Const(part.value))
        return joined(parts)

    def _ellipsis(self, node: cst.Ellipsis) -> Value:
        return Const(...)

    def _call(self, node: cst.Call) -> Value:
        return self.call_node(node)


def _plain(
    node: cst.Integer | cst.Float | cst.SimpleString | cst.ConcatenatedString,
) -> int | float | str | bytes | None:
    """What Python makes of a literal; the common ones without its parser.

    Raises:
        ValueError: an integer of more digits than Python converts.
    """
    if type(node) is cst.Integer and node.value.isdecimal() and node.value[0] != "0":
        return int(node.value)
    if type(node) is cst.Float:
        return float(node.value)
    if type(node) is cst.SimpleString and node.value[0] in "'\"" and "\\" not in node.value:
        return node.raw_value
    return node.evaluated_value


_HANDLERS: dict[type[cst.CSTNode], Callable[..., Value]] = {
    cst.Name: Expressions._name,
    cst.Integer: Expressions._literal,
    cst.Float: Expressions._literal,
    cst.SimpleString: Expressions._literal,
    cst.ConcatenatedString: Expressions._literal,
    cst.FormattedString: Expressions._formatted,
    cst.Attribute: Expressions._attribute,
    cst.Tuple: Expressions._tuple,
    cst.List: Expressions._tuple,
    cst.Set: Expressions._tuple,
    cst.Dict: Expressions._dict,
    cst.UnaryOperation: Expressions._unary,
    cst.BinaryOperation: Expressions._binary,
    cst.Comparison: Expressions.comparison,
    cst.BooleanOperation: Expressions.boolean,
    cst.IfExp: Expressions.conditional,
    cst.Subscript: Expressions._subscript,
    cst.Lambda: Expressions._lambda,
    cst.ListComp: Expressions._comprehension,
    cst.SetComp: Expressions._comprehension,
    cst.GeneratorExp: Expressions._comprehension,
    cst.DictComp: Expressions._comprehension,
    cst.NamedExpr: Expressions._walrus,
    cst.Await: Expressions._await,
    cst.Yield: Expressions._yield,
    cst.Ellipsis: Expressions._ellipsis,
    cst.Call: Expressions._call,
}
