"""Products of matrices, fused cross entropies, and what `tf.nn` computes as more than one operation."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tflint_nan.interval import NON_NEGATIVE, Interval
from tflint_nan.ops.functions import mul, softplus
from tflint_nan.ops.points import (
    aligned,
    broadcast,
    combined,
    corners,
    dtype_of,
    facts,
    is_given,
    is_unbounded,
    real_dtype,
    unbounded,
)
from tflint_nan.ops.reductions import sum_range
from tflint_nan.ops.table import Call, Facts, Machine, operator
from tflint_nan.ops.units import cosine, single
from tflint_nan.value import Const, Items, Op, Shape, Value, Witness

_INF = math.inf


def _product(op: Op, values: list[Value], length: int | None, shape: Shape) -> Facts:
    """A sum of products: moved freely where an operand is, 0 where one is 0, bounded where all are."""
    dtype = dtype_of(op, *values)
    if any(is_unbounded(value) for value in values):
        return Facts(witnesses=unbounded(op, dtype), dtype=dtype, shape=shape)
    terms = values[0].interval.stored(dtype)
    for value in values[1:]:
        terms = corners(mul, terms, value.interval.stored(dtype)).stored(dtype)
    kept = [w for value in values for w in value.witnesses if w.value == 0.0 and _is_of_all(w)]
    return facts(sum_range(terms, length, dtype), kept, dtype, shape)


def _is_of_all(zero: Witness) -> bool:
    """Whether all elements are 0 with this one: it rests on nothing, or on silence."""
    return all(op.name == "spectrum" for op, _ in zero.inputs)


def _turned(op: Op, *names: str) -> bool | None:
    """Whether one of the flags transposes the operand; None where that is not known."""
    given = [op.arg(name).literal for name in names]
    if all(literal in (None, False) for literal in given):
        return False
    return True if True in given else None


@operator("matmul")
def _matmul(op: Op) -> Facts:
    x, y = op.arg("x"), op.arg("y")
    first, second = _turned(op, "transpose_a", "adjoint_a"), _turned(op, "transpose_b", "adjoint_b")
    length: int | None = None
    shape: Shape = None
    if first is None or second is None:
        return _product(op, [x, y], None, None)
    # The axes that are summed over, and those that stay.
    inner, outer = (-2, -1) if first else (-1, -2)
    other, last = (-1, -2) if second else (-2, -1)
    if x.shape and y.shape and len(x.shape) >= 2 and len(y.shape) >= 2:
        length = x.shape[inner] if x.shape[inner] is not None else y.shape[other]
        batch = broadcast(x.shape[:-2], y.shape[:-2])
        shape = None if batch is None else (*batch, x.shape[outer], y.shape[last])
    made = _product(op, [x, y], length, shape)
    least = 2 if op.api.startswith("tf.") else 1
    return _as_cosine(op, made, (x, Const(inner)), (y, Const(other)), length, least)


def _as_cosine(
    op: Op,
    made: Facts,
    first: tuple[Value, Value],
    second: tuple[Value, Value],
    length: int | None,
    least: int,
) -> Facts:
    """What is known of a product besides if its rows all have the length 1."""
    related, reached = cosine(op, first, second, length, made.dtype, least)
    if related is None and not reached:
        return made
    return facts(related or made.interval, (*made.witnesses, *reached), made.dtype, made.shape)


@operator("tensordot")
def _tensordot(op: Op) -> Facts:
    """A product along `axes`: one of each, or as many as that of the last of `x` and the first of `y`."""
    x, y, axes = op.arg("x"), op.arg("y"), op.arg("axes")
    made = _product(op, [x, y], None, None)
    if isinstance(axes, Items) and len(axes.items) == 2:
        first, second = map(single, axes.items)
    elif op.api.endswith("tensordot") and axes.literal == 1:
        first, second = Const(-1), Const(0)
    else:
        return made
    return _as_cosine(op, made, (x, first), (y, second), None, 1)


@operator("einsum")
def _einsum(op: Op) -> Facts:
    """`equation` and the operands `0`, `1`, ..."""
    values = [value for name, value in op.args.items() if name.isdigit()]
    if not values:
        return Facts()
    if len(values) == 1 and is_unbounded(values[0]):
        return Facts(witnesses=values[0].witnesses, dtype=values[0].dtype)
    found = _product(op, values, None, None)
    along = _contracted(op.arg("equation").literal)
    if along is not None and len(values) == 2:
        first, second, least = along
        found = _as_cosine(op, found, (values[0], Const(first)), (values[1], Const(second)), None, least)
    kept = found.interval.meet(NON_NEGATIVE) if _is_squared(op, values) else None
    if kept is None:
        return found
    witnesses = tuple(witness for witness in found.witnesses if witness.value >= 0)
    return Facts(kept, witnesses, found.dtype, found.shape)


def _is_squared(op: Op, values: Sequence[Value]) -> bool:
    """Whether each product is that of a number with itself: `ijk,ijk->ij` of one tensor."""
    equation = op.arg("equation").literal
    if not isinstance(equation, str) or len(values) != 2 or not aligned(*values):
        return False
    one, _, other = equation.partition("->")[0].replace(" ", "").partition(",")
    return one == other


def _contracted(equation: object) -> tuple[int, int, int] | None:
    """The one axis of each of two operands that is summed over, from the end, and their fewest axes."""
    sides = equation.replace(" ", "").split("->") if isinstance(equation, str) else []
    terms = sides[0].split(",") if len(sides) == 2 else []
    if len(terms) != 2:
        return None
    summed = [
        letter for letter in dict.fromkeys("".join(terms)) if letter.isalpha() and letter not in sides[1]
    ]
    if len(summed) != 1 or any(term.count(summed[0]) != 1 for term in terms):
        return None
    # An ellipsis stands for axes in front of those that are named after it.
    named = [term.rpartition("...")[2] for term in terms]
    if any(summed[0] not in names for names in named):
        return None
    first, second = (names.index(summed[0]) - len(names) for names in named)
    return first, second, min(len(term.replace("...", "")) for term in terms)


def einsum(machine: Machine, call: Call) -> Value:
    """`einsum(equation, *inputs)`."""
    args: dict[str, Value] = {"equation": call.arg("equation")}
    operands = [value for name, value in call.args.items() if name.isdigit()] + list(call.rest)
    args.update({str(i): value for i, value in enumerate(operands)})
    return machine.emit("einsum", args, call=call)


def added(machine: Machine, call: Call, values: Sequence[Value]) -> Value:
    """Additions from the left."""
    total = values[0]
    for value in values[1:]:
        total = machine.emit("add", {"x": total, "y": value}, call=call)
    return total


def add_all(machine: Machine, call: Call) -> Value:
    """`add_n(inputs)`: additions, or the sum over a list whose length is not known."""
    given = call.arg("values")
    values = machine.elements(given)
    if values:
        return added(machine, call, values)
    if isinstance(given, Items) and given.items:
        together = machine.emit("stack", {"values": given}, call=call)
        return machine.emit("sum", {"x": together, "axis": Const(0)}, call=call)
    return machine.emit("unknown_call", {"0": given}, call=call)


def half_square(machine: Machine, call: Call) -> Value:
    """`l2_loss(t)`: half the sum of the squares."""
    squares = machine.emit("square", {"x": call.arg("x")}, call=call)
    total = machine.emit("sum", {"x": squares}, call=call)
    return machine.emit("mul", {"x": total, "y": Const(0.5)}, call=call)


def fused_batch_norm(machine: Machine, call: Call) -> Value:
    """`fused_batch_norm(x, ...)`: the normalised batch, its mean and its variance."""
    x = call.arg("x")
    normalised = machine.emit("batch_norm", call.args, call=call)
    return Items((normalised, *(machine.emit(name, {"x": x}, call=call) for name in ("mean", "variance"))))


def affine(machine: Machine, call: Call) -> Value:
    """`xw_plus_b(x, weights, biases)` and `relu_layer`: a product, a sum, perhaps a relu."""
    product = machine.emit("matmul", {"x": call.arg("x"), "y": call.arg("y")}, call=call)
    total = machine.emit("add", {"x": product, "y": call.arg("biases")}, call=call)
    return machine.emit("relu", {"x": total}, call=call) if call.api.endswith("relu_layer") else total


def moments(machine: Machine, call: Call) -> Value:
    """`moments(x, axes)`: the mean and the variance."""
    args = {key: value for key, value in call.args.items() if key in ("x", "axis", "keepdims")}
    return Items(tuple(machine.emit(name, args, call=call) for name in ("mean", "variance")))


# ---- fused cross entropies: finite for finite logits


def _known_nonnegative(labels: Value) -> bool:
    return labels.interval.lo >= 0.0


@operator("softmax_cross_entropy_with_logits")
def _softmax_cross_entropy(op: Op) -> Facts:
    """-sum(labels * log_softmax(logits)): not negative where the labels are not; 0 for a sure class."""
    labels, logits = op.arg("labels"), op.arg("logits")
    dtype = real_dtype(op, logits)
    interval = NON_NEGATIVE if _known_nonnegative(labels) else Interval(-_INF, _INF)
    shape = logits.shape[:-1] if logits.shape and not is_given(op.arg("axis")) else None
    return Facts(interval, (), dtype, shape)


@operator("sparse_softmax_cross_entropy_with_logits")
def _sparse_softmax_cross_entropy(op: Op) -> Facts:
    logits = op.arg("logits")
    shape = logits.shape[:-1] if logits.shape else None
    return Facts(NON_NEGATIVE, (), real_dtype(op, logits), shape)


def binary_entropy(labels: float, logits: float) -> float:
    """max(z, 0) - z * y + log(1 + exp(-|z|)), as TensorFlow computes it."""
    return max(logits, 0.0) - logits * labels + (softplus(-abs(logits)))


@operator("sigmoid_cross_entropy_with_logits")
def _sigmoid_cross_entropy(op: Op) -> Facts:
    labels, logits = op.arg("labels"), op.arg("logits")
    dtype = real_dtype(op, labels, logits)
    bounds = labels.interval
    proper = bounds.lo >= 0.0 and bounds.hi <= 1.0
    interval = NON_NEGATIVE if proper else Interval(-_INF, _INF)
    witnesses = combined(binary_entropy, (labels, logits), dtype)
    return facts(interval, witnesses, dtype, broadcast(labels.shape, logits.shape))


@operator("weighted_cross_entropy_with_logits")
def _weighted_cross_entropy(op: Op) -> Facts:
    labels, logits = op.arg("labels"), op.arg("logits")
    dtype = real_dtype(op, labels, logits)
    weight = op.arg("pos_weight")
    proper = labels.interval.lo >= 0.0 and labels.interval.hi <= 1.0 and weight.interval.lo >= 0.0
    interval = NON_NEGATIVE if proper else Interval(-_INF, _INF)
    return Facts(interval, (), dtype, broadcast(labels.shape, logits.shape))
