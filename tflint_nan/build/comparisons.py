"""Tests in expressions: comparisons, membership, `and`, `or`, and the choice by a test."""

from __future__ import annotations

from collections.abc import Mapping

import libcst as cst

from tflint_nan.build.elements import Elements
from tflint_nan.build.fold import fold
from tflint_nan.build.guards import TESTS
from tflint_nan.value import NONE, Const, OneOf, Tensor, Unknown, Value


class Comparisons(Elements):
    """Evaluates tests, and what is chosen by them."""

    def operation(
        self, name: str, args: Mapping[str, Value], nodes: Mapping[str, cst.BaseExpression]
    ) -> Value:
        """A Python operator as an op of the graph."""
        value = self.emit(name, args)
        self.ops[-1].nodes = nodes
        return value

    def comparison(self, node: cst.Comparison) -> Value:
        """`a < b`, `a < b < c`, `a in b`, `a is b`."""
        left, left_node = self.evaluate(node.left), node.left
        result: Value | None = None
        for target in node.comparisons:
            right = self.evaluate(target.comparator)
            one = self._compare(target.operator, left, right, left_node, target.comparator)
            result = one if result is None else self.emit("logical_and", {"x": result, "y": one})
            left, left_node = right, target.comparator
        return result if result is not None else Unknown()

    def _compare(
        self,
        operator: cst.BaseCompOp,
        x: Value,
        y: Value,
        left: cst.BaseExpression,
        right: cst.BaseExpression,
    ) -> Value:
        name = TESTS.get(type(operator))
        if name is None:
            return self._membership(operator, x, y)
        self.ask(x, (y.literal,))
        self.ask(y, (x.literal,))
        folded = fold(name, x, y) or self._compare_items(name, x, y)
        if folded is not None:
            return folded
        if isinstance(x.literal, (str, bytes)) or isinstance(y.literal, (str, bytes)):
            return Unknown()
        self.compared(left, x)
        self.compared(right, y)
        return self.operation(name, {"x": x, "y": y}, {"x": left, "y": right})

    def _compare_items(self, name: str, x: Value, y: Value) -> Value | None:
        """Tuples of literals (versions, shapes) compare element by element."""
        known = self.elements(x), self.elements(y)
        if known[0] is None or known[1] is None:
            return None
        left, right = ([item.literal for item in items] for items in known)  # type: ignore[union-attr]
        if not all(isinstance(part, (int, str)) for part in (*left, *right)):
            return None
        return fold(name, Const(tuple(left)), Const(tuple(right)))

    def _membership(self, operator: cst.BaseCompOp, x: Value, y: Value) -> Value:
        if type(operator) in (cst.Is, cst.IsNot):
            same: bool | None = None
            if isinstance(x, Const) and isinstance(y, Const):
                same = x.value == y.value and type(x.value) is type(y.value)
            elif y == NONE and not isinstance(x, (Unknown, OneOf)):
                same = False
            if same is None:
                return Unknown()
            return Const(same is (type(operator) is cst.Is))
        known = self.elements(y)
        self.ask(x, [item.literal for item in known or () if item.literal != x.literal])
        if isinstance(x, Const) and known is not None and all(isinstance(item, Const) for item in known):
            return Const((x.value in [item.literal for item in known]) is isinstance(operator, cst.In))
        if isinstance(x.literal, str) and isinstance(y.literal, str):
            return Const((x.literal in y.literal) is isinstance(operator, cst.In))
        return Unknown()

    def boolean(self, node: cst.BooleanOperation) -> Value:
        """`a and b`, `a or b`."""
        left = self.evaluate(node.left)
        known = self.decided(left)
        conjunction = type(node.operator) is cst.And
        if known is not None:
            return self.evaluate(node.right) if known is conjunction else left
        mark = self.fork()
        self.refine(node.left, conjunction)
        right = self.evaluate(node.right)
        self.merge([self.rewind(mark), {}])
        # In a graph AutoGraph writes these functions for tests; of other values it is one of the two.
        if all(isinstance(side, Tensor) and side.dtype == "bool" for side in (left, right)):
            return self.emit("logical_and" if conjunction else "logical_or", {"x": left, "y": right})
        return self.join(left, right)

    def conditional(self, node: cst.IfExp) -> Value:
        """`a if test else b`."""
        test = self.evaluate(node.test)
        known = self.decided(test)
        if known is not None:
            return self.evaluate(node.body if known else node.orelse)
        mark = self.fork()
        self.refine(node.test, True)
        body = self.evaluate(node.body)
        written = [self.rewind(mark)]
        mark = self.fork()
        self.refine(node.test, False)
        orelse = self.evaluate(node.orelse)
        written.append(self.rewind(mark))
        self.merge(written)  # what the test narrowed is narrow inside only; what is made there lasts
        return self.choose(test, self.join(body, orelse), body, orelse)
