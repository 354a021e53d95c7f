"""Guards: what an `if`, an `assert` or `tf.debugging.assert_*` leaves of a value."""

from __future__ import annotations

import libcst as cst

from tflint_nan.build.state import State
from tflint_nan.ops.choices import MIRRORED, OPPOSITE
from tflint_nan.value import NONE, Const, OneOf, Tensor, Unknown, Value

#: Python's comparisons by their canonical names.
TESTS: dict[type[cst.BaseCompOp], str] = {
    cst.Equal: "equal",
    cst.NotEqual: "not_equal",
    cst.LessThan: "less",
    cst.LessThanEqual: "less_equal",
    cst.GreaterThan: "greater",
    cst.GreaterThanEqual: "greater_equal",
}
#: Assertions of TensorFlow: the test, and the bound where the call has none.
_ASSERTIONS: dict[str, tuple[str, Value | None]] = {
    "assert_positive": ("greater", Const(0)),
    "assert_non_negative": ("greater_equal", Const(0)),
    "assert_negative": ("less", Const(0)),
    "assert_non_positive": ("less_equal", Const(0)),
    "assert_greater": ("greater", None),
    "assert_greater_equal": ("greater_equal", None),
    "assert_less": ("less", None),
    "assert_less_equal": ("less_equal", None),
}
_SIMPLE = (cst.Name, cst.Attribute, cst.Integer, cst.Float, cst.UnaryOperation)


class Guards(State):
    """Narrows what names hold where a test is known to have an outcome."""

    def refine(self, test: cst.BaseExpression, holds: bool) -> None:
        """Go on with `test` known to be `holds`; the caller forks and merges."""
        if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
            self.refine(test.expression, not holds)
        elif isinstance(test, cst.BooleanOperation):
            if isinstance(test.operator, cst.And) is holds:
                self.refine(test.left, holds)
                self.refine(test.right, holds)
        elif isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
            target = test.comparisons[0]
            self._compare_none(test.left, target, holds)
            name = TESTS.get(type(target.operator))
            if name is not None:
                name = name if holds else OPPOSITE[name]
                self._narrow(test.left, name, self._limit(target.comparator))
                self._narrow(target.comparator, MIRRORED[name], self._limit(test.left))
        elif holds and isinstance(test, (cst.Name, cst.Attribute)):
            self._drop_none(test)
            self._narrow(test, "not_equal", Const(0))

    def refine_asserted(self, name: str, call: cst.Call) -> None:
        """Go on after `tf.debugging.assert_positive(x)` and its like."""
        assertion = _ASSERTIONS.get(name.rpartition(".")[2])
        if assertion is None or not name.startswith("tf.") or not call.args:
            return
        test, bound = assertion
        if bound is None:
            if len(call.args) < 2:
                return
            bound = self._limit(call.args[1].value)
        self._narrow(call.args[0].value, test, bound)

    def _limit(self, node: cst.BaseExpression) -> Value:
        # Anything else would be computed a second time only to be compared with.
        return self.evaluate(node) if isinstance(node, _SIMPLE) else Unknown()

    def _narrow(self, node: cst.BaseExpression, test: str, bound: Value) -> None:
        if not isinstance(node, (cst.Name, cst.Attribute)):
            return
        value = self.evaluate(node)
        if isinstance(value, Tensor) or (isinstance(value, Unknown) and value.op is not None):
            self._rebind(node, self.emit("refine", {"x": value, "test": Const(test), "bound": bound}))

    def _compare_none(self, node: cst.BaseExpression, target: cst.ComparisonTarget, holds: bool) -> None:
        if isinstance(target.comparator, cst.Name) and target.comparator.value == "None":
            present = isinstance(target.operator, (cst.IsNot, cst.NotEqual))
            if present is holds:
                self._drop_none(node)

    def _drop_none(self, node: cst.BaseExpression) -> None:
        if not isinstance(node, (cst.Name, cst.Attribute)):
            return
        value = self.evaluate(node)
        if isinstance(value, OneOf) and NONE in value.choices:
            rest = tuple(choice for choice in value.choices if choice != NONE)
            self._rebind(node, rest[0] if len(rest) == 1 else OneOf(rest))

    def _rebind(self, node: cst.Name | cst.Attribute, value: Value) -> None:
        if isinstance(node, cst.Attribute):
            self.assign(node, value)
            return
        scope = self.frame.scope
        while node.value not in scope.names:
            if scope.parent is None:
                return
            scope = scope.parent
        self.write(scope.names, node.value, value)
