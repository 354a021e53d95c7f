"""Guards: what an `if`, an `assert` or `tf.debugging.assert_*` leaves of a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import libcst as cst

from tflint_nan.build.arrays import Arrays
from tflint_nan.ops.choices import MIRRORED, OPPOSITE, implied
from tflint_nan.ops.repeats import alike
from tflint_nan.ops.table import APIS
from tflint_nan.value import NONE, Const, Items, OneOf, Op, Symbol, Tensor, Unknown, Value

#: Python's comparisons by their canonical names.
TESTS: dict[type[cst.BaseCompOp], str] = {
    cst.Equal: "equal",
    cst.NotEqual: "not_equal",
    cst.LessThan: "less",
    cst.LessThanEqual: "less_equal",
    cst.GreaterThan: "greater",
    cst.GreaterThanEqual: "greater_equal",
}
#: Assertions of TensorFlow and NumPy: the test, and the bound where the call has none.
_ASSERTIONS: dict[str, tuple[str, Value | None]] = {
    "assert_positive": ("greater", Const(0)),
    "assert_non_negative": ("greater_equal", Const(0)),
    "assert_negative": ("less", Const(0)),
    "assert_non_positive": ("less_equal", Const(0)),
    "assert_greater": ("greater", None),
    "assert_greater_equal": ("greater_equal", None),
    "assert_less": ("less", None),
    "assert_less_equal": ("less_equal", None),
    "assert_array_less": ("less", None),
}
_NAMES = frozenset({cst.Name, cst.Attribute})
_SIMPLE = frozenset({*_NAMES, cst.Integer, cst.Float, cst.UnaryOperation})


class Guards(Arrays):
    """Narrows what names and expressions hold where a test is known to have an outcome."""

    def __init__(self) -> None:
        super().__init__()
        #: What was compared last by an expression without a name, with the expression.
        self._compared: dict[int, tuple[cst.BaseExpression, Value]] = {}

    def compared(self, node: cst.BaseExpression, value: Value) -> None:
        """Take note that `value`, which `node` computes, is compared: it is what a guard is about."""
        if type(node) not in _SIMPLE:
            self._compared[id(node)] = node, value

    def narrowed(self, value: Value) -> Value:
        """What tests leave of `value`, of which they asked when it was computed before."""
        op = value.op
        if not isinstance(value, Tensor) or op is None or op.name == "refine":
            return value
        for known in self.frame.known.values():
            if isinstance(known, Items) and _is_about(known.items[0], value, op):
                _, test, bound = known.items
                value = self.emit("refine", {"x": value, "test": test, "bound": bound})
        return value

    def refine(self, test: cst.BaseExpression, holds: bool) -> None:
        """Go on with `test` known to be `holds`; the caller forks and merges."""
        if type(test) is cst.Comparison:
            self._refine_comparison(test, holds)
        elif type(test) is cst.UnaryOperation:
            if type(test.operator) in (cst.Not, cst.BitInvert):
                self.refine(test.expression, not holds)
        elif type(test) is cst.BooleanOperation or type(test) is cst.BinaryOperation:
            # Arrays of tests are combined by bit operators.
            if type(test.operator) in ((cst.And, cst.BitAnd) if holds else (cst.Or, cst.BitOr)):
                self.refine(test.left, holds)
                self.refine(test.right, holds)
        elif type(test) is cst.Call:
            self._refine_call(test, holds)
        elif type(test) in _NAMES:
            for tested, name, bound in implied(self.evaluate(test), holds):
                if bound is not NONE:
                    self._learn([tested], name, bound)  # a test that was kept
            if holds:
                self._drop_none(test)
                self._narrow(test, "not_equal", Const(0))

    def _refine_comparison(self, test: cst.Comparison, holds: bool) -> None:
        if len(test.comparisons) > 1 and not holds:
            return  # one of them fails, nobody knows which
        left = test.left
        for target in test.comparisons:
            self._compare_none(left, target, holds)
            name = TESTS.get(type(target.operator))
            if name is not None:
                self._narrow_both(name if holds else OPPOSITE[name], left, target.comparator)
            left = target.comparator

    def _narrow_both(self, name: str, left: cst.BaseExpression, right: cst.BaseExpression) -> None:
        x, y = self._limit(left), self._limit(right)
        self._narrow(left, name, y)
        self._narrow(right, MIRRORED[name], x)
        if isinstance(x, Tensor) and isinstance(y, Tensor):
            self._learn((x, y), name, Const(0))
            self._learn((y, x), MIRRORED[name], Const(0))

    def _refine_call(self, call: cst.Call, holds: bool) -> None:
        """`tf.reduce_all(x > 0)`, `(x > 0).all()`, `tf.greater(x, 0)`."""
        func = call.func
        if isinstance(func, cst.Attribute) and isinstance(func.value, cst.Comparison):
            name = func.attr.value
            operands: Mapping[str, cst.BaseExpression] = {"x": func.value}
        else:
            function = self.evaluate(func) if isinstance(func, (cst.Name, cst.Attribute)) else Unknown()
            api = APIS.get(function.name) if isinstance(function, Symbol) else None
            if api is None or not isinstance(api.target, str):
                return
            name, operands = api.target, _operands(call, api.params)
        if name in ("all", "any"):
            if (name == "all") is holds and "x" in operands:
                self.refine(operands["x"], holds)
        elif name in MIRRORED and operands.keys() >= {"x", "y"}:
            self._narrow_both(name if holds else OPPOSITE[name], operands["x"], operands["y"])

    def refine_asserted(self, name: str, call: cst.Call) -> None:
        """Go on after `tf.debugging.assert_positive(x)` and its like."""
        if name in ("tf.Assert", "tf.debugging.Assert"):
            tested = _operands(call, (("condition", "x"),))
            if "x" in tested:
                self.refine(tested["x"], True)
            return
        assertion = _ASSERTIONS.get(name.rpartition(".")[2]) if "assert_" in name else None
        if assertion is None or not name.startswith(("tf.", "np.testing.")):
            return
        test, bound = assertion
        operands = _operands(call, (("x", "x"), ("y", "y")))
        if bound is not None and "x" in operands:
            self._narrow(operands["x"], test, bound)
        elif operands.keys() >= {"x", "y"}:
            self._narrow_both(test, operands["x"], operands["y"])

    def _limit(self, node: cst.BaseExpression) -> Value:
        # Anything else would be computed a second time only to be compared with.
        if type(node) in _SIMPLE:
            return self.evaluate(node)
        compared = self._compared.get(id(node))
        return compared[1] if compared is not None and compared[0] is node else Unknown()

    def _learn(self, asked: Sequence[Value], test: str, bound: Value) -> None:
        """Remember what a test has said of a value, or of the difference of two."""
        serials = tuple(value.op.serial for value in asked if value.op is not None)
        if len(serials) == len(asked):
            what = asked[0] if len(asked) == 1 else Items(tuple(asked))
            self.write(self.frame.known, serials, Items((what, Const(test), bound)))

    def _narrow(self, node: cst.BaseExpression, test: str, bound: Value) -> None:
        if type(node) not in _NAMES:
            self._learn([self._limit(node)], test, bound)
            return
        value = self.evaluate(node)
        if isinstance(value, Tensor) or (isinstance(value, Unknown) and value.op is not None):
            self._rebind(node, self.emit("refine", {"x": value, "test": Const(test), "bound": bound}))

    def _compare_none(self, node: cst.BaseExpression, target: cst.ComparisonTarget, holds: bool) -> None:
        if type(target.comparator) is cst.Name and target.comparator.value == "None":
            present = type(target.operator) in (cst.IsNot, cst.NotEqual)
            if present is holds:
                self._drop_none(node)

    def _drop_none(self, node: cst.BaseExpression) -> None:
        if type(node) not in _NAMES:
            return
        value = self.evaluate(node)
        if isinstance(value, OneOf) and NONE in value.choices:
            rest = tuple(choice for choice in value.choices if choice != NONE)
            self._rebind(node, rest[0] if len(rest) == 1 else OneOf(rest))

    def _rebind(self, node: cst.BaseExpression, value: Value) -> None:
        if type(node) is not cst.Name:
            self.assign(node, value)
            return
        scope = self.frame.scope
        while node.value not in scope.names:
            if scope.parent is None:
                return
            scope = scope.parent
        self.write(scope.names, node.value, value)


def _is_about(asked: Value, value: Value, made: Op) -> bool:
    """Whether what was asked about is `value`, which `made` computes."""
    if not isinstance(asked, Items):
        return alike(asked, value)
    return made.name == "sub" and all(
        alike(one, made.arg(name)) for one, name in zip(asked.items, "xy", strict=True)
    )


def _operands(call: cst.Call, params: Sequence[tuple[str, str]]) -> dict[str, cst.BaseExpression]:
    """The expressions of a call's arguments by their canonical names, as far as they are written out."""
    names = dict(params)
    found: dict[str, cst.BaseExpression] = {}
    for index, arg in enumerate(call.args):
        if arg.star:
            break
        if arg.keyword is not None:
            found[names.get(arg.keyword.value, arg.keyword.value)] = arg.value
        elif index < len(params):
            found[params[index][1]] = arg.value
    return found
