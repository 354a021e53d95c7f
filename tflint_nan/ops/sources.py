"""Sources of numbers: constants, variables, placeholders, samples, indicators, sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tflint_nan.interval import EVERYTHING, UNIT, Interval, round_to
from tflint_nan.ops.configuration import constrained_range
from tflint_nan.ops.points import (
    dimensions,
    dtype_named,
    dtype_of,
    facts,
    fresh,
    integer,
    is_given,
    is_numpy,
    joined_facts,
    rank,
    unbounded,
)
from tflint_nan.ops.table import Facts, operator
from tflint_nan.value import Const, Items, Op, Shape, Value, Witness

_INF = math.inf
#: Names of functions that make one row of zeros and ones for each row of a table.
_BY_ROW = ("encoder.", "pd.")
#: Standard deviations from the mean of a normal distribution beyond which a fifth of it lies.
_QUINTILE = 0.8416212
#: Where in its range a uniform sample is assumed: at no round number.
_SOMEWHERE = 0.6180340


def _leaves(value: Value, depth: int = 0) -> tuple[list[Value], Shape]:
    """The elements of nested lists and their shape."""
    if not isinstance(value, Items) or depth > 8:
        return [value], value.shape
    found: list[Value] = []
    shapes: list[Shape] = []
    for item in value.items:
        inner, shape = _leaves(item, depth + 1)
        found.extend(inner)
        shapes.append(shape)
    length = len(value.items) if value.complete else None
    alike = bool(shapes) and all(shape == shapes[0] for shape in shapes)
    first = shapes[0] if alike else None
    return found, None if first is None else (length, *first)


def _given_dtype(op: Op) -> str | None:
    return dtype_named(op.arg("dtype"), op.api)


def literal_dtype(op: Op, leaves: Sequence[Value]) -> str | None:
    """The format of a tensor made of literals: NumPy's are 64 bits wide, TensorFlow's 32."""
    kinds = {type(leaf.value) for leaf in leaves if isinstance(leaf, Const)}
    if len([leaf for leaf in leaves if isinstance(leaf, Const)]) < len(leaves):
        return dtype_of(op, *leaves)
    wide = is_numpy(op)
    if kinds == {bool}:
        return "bool"
    if kinds <= {bool, int}:
        return "int64" if wide else "int32"
    if kinds <= {bool, int, float}:
        return "float64" if wide else "float32"
    return None


@operator("constant", flow=("value",))
def _constant(op: Op) -> Facts:
    """`tf.constant`, `np.array`, `tf.convert_to_tensor`, `np.full`: literals, or a tensor as it is."""
    value = op.arg("value")
    leaves, shape = _leaves(value)
    dtype = _given_dtype(op) or literal_dtype(op, leaves)
    if not leaves or not all(isinstance(leaf, Const) or leaf.op is not None for leaf in leaves):
        return Facts(dtype=dtype, shape=shape)
    if isinstance(value, Items) and not value.complete:
        return Facts(dtype=dtype, shape=shape)
    result = joined_facts(leaves, dtype)
    if is_given(op.arg("shape")):
        shape = dimensions(op.arg("shape"))
    return Facts(result.interval, result.witnesses, dtype, shape)


@operator("variable", flow=())
def _variable(op: Op) -> Facts:
    """What training moves, wherever it starts; a variable that is not trained is not known.

    One that a bijector maps is the inverse of a value in an ordinary range: a log of a positive one. As
    `exp(log_scale)`, the bijector's values are no numbers that training takes to their ends.
    """
    initial = op.arg("initial_value")
    dtype = _given_dtype(op) or initial.dtype
    if dtype is None and isinstance(initial, Const) and isinstance(initial.value, int):
        dtype = "int32"
    shape = dimensions(op.arg("shape")) if is_given(op.arg("shape")) else initial.shape
    if shape is None and op.api == "layer.add_weight" and not is_given(op.arg("shape")):
        shape = ()
    trainable = op.arg("trainable").literal
    if (trainable is not None and trainable is not True) or is_given(op.arg("bijector")):
        return Facts(dtype=dtype, shape=shape)
    if is_given(op.arg("constraint")):
        kept = constrained_range(op)
        reached = () if kept is None else unbounded(op, dtype)
        return facts(kept or EVERYTHING, reached, dtype, shape)
    return Facts(EVERYTHING, unbounded(op, dtype), dtype, shape)


@operator("placeholder")
def _placeholder(op: Op) -> Facts:
    shape = dimensions(op.arg("shape")) if is_given(op.arg("shape")) else None
    return Facts(dtype=_given_dtype(op), shape=shape)


@operator("overwritten")
def _overwritten(op: Op) -> Facts:
    """An array some of whose elements are others by now; or there are more of them or less."""
    x = op.arg("x")
    return Facts(dtype=x.dtype, shape=None if op.arg("resized").literal is True else x.shape)


def _of_a_role(name: str) -> None:
    """What Keras gives to a loss that no `compile` of the program uses.

    Labels that are 0 and 1; the output of a sigmoid or softmax, which gets there in float32. Neither is
    shown: reports that rest on these numbers are for `--strict` alone (`trace.explained`).
    """

    @operator(name)
    def transfer(op: Op) -> Facts:
        return Facts(witnesses=tuple(Witness(number, ((op, number),)) for number in (0.0, 1.0)))


_of_a_role("labels")
_of_a_role("prediction")


def _filled(name: str, number: float) -> None:
    """zeros and ones, by shape or like another tensor (`x`)."""

    @operator(name)
    def transfer(op: Op) -> Facts:
        x = op.arg("x")
        dtype = _given_dtype(op)
        if is_given(x):
            dtype, shape = dtype or x.dtype, x.shape
        else:
            dtype = dtype or ("float64" if is_numpy(op) else "float32")
            shape = dimensions(op.arg("shape"))
        return Facts(Interval(number, number), (Witness(number),), dtype, shape)


_filled("zeros", 0.0)
_filled("ones", 1.0)


def _one_hot_shape(op: Op) -> Shape:
    """A further axis behind the others; some functions put it in the place of an axis of length 1."""
    given, depth = op.arg("x").shape, integer(op.arg("depth"))
    if given is None:
        return None
    if op.api.startswith(_BY_ROW):
        return (*given[:1], depth)
    if op.api == "keras.utils.to_categorical" and len(given) > 1:
        return None if given[-1] is None else (*given[: -1 if given[-1] == 1 else None], depth)
    return (*given, depth)


def _indicator(name: str) -> None:
    """Zeros and ones, in different places: one_hot, the identity matrix, masks."""

    @operator(name, differentiable=False)
    def transfer(op: Op) -> Facts:
        dtype = _given_dtype(op) or ("float64" if is_numpy(op) else "float32")
        shape = _one_hot_shape(op) if name == "one_hot" and not is_given(op.arg("axis")) else None
        on, off = op.arg("on_value"), op.arg("off_value")
        if is_given(on) or is_given(off):
            values = [v if is_given(v) else Const(d) for v, d in ((on, 1.0), (off, 0.0))]
            result = joined_facts(values, dtype)
            ends = {w.value for w in result.witnesses}
            return facts(result.interval, fresh(op, *sorted(ends)), dtype, shape)
        return facts(UNIT, fresh(op, 0.0, 1.0), dtype, shape)


_indicator("one_hot")
_indicator("eye")
_indicator("mask")


@operator("range")
def _range(op: Op) -> Facts:
    start, limit = op.arg("start"), op.arg("limit")
    if not is_given(limit):
        start, limit = Const(0), start
    dtype = _given_dtype(op)
    if dtype is None:
        literals = [v for v in (start, limit, op.arg("delta")) if is_given(v)]
        dtype = literal_dtype(op, literals)
    first, last = start.interval, limit.interval
    hull = first.hull(last)
    # The limit itself is left out, by rounding a float range may still touch it.
    return Facts(hull, (Witness(first.lo),) if first.is_point else (), dtype, (None,))


@operator("linspace")
def _linspace(op: Op) -> Facts:
    start, stop = op.arg("start"), op.arg("stop")
    dtype = _given_dtype(op) or ("float64" if is_numpy(op) else dtype_of(op, start, stop))
    result = joined_facts([start, stop], dtype)
    reached = result if op.arg("endpoint").literal is not False else joined_facts([start], dtype)
    return Facts(result.interval.stored(dtype, 4), reached.witnesses, dtype, (integer(op.arg("num")),))


@operator("random_normal")
def _random_normal(op: Op) -> Facts:
    """Samples of a bell curve: without bounds, or cut at two standard deviations (`truncated`).

    One in five lies above the upper witness, one in five below the lower: such numbers are drawn. That a
    round one is drawn exactly is no evidence.
    """
    dtype = _given_dtype(op) or ("float64" if is_numpy(op) else None)
    interval = EVERYTHING
    mean, deviation = op.arg("mean"), op.arg("stddev")
    centre = mean.interval if is_given(mean) else Interval(0.0, 0.0)
    reach = deviation.interval.hi if is_given(deviation) else 1.0
    if op.arg("truncated").literal is True and 0.0 <= reach < _INF:
        interval = Interval(centre.lo - 2.0 * reach, centre.hi + 2.0 * reach)
        interval = interval.stored(dtype, 2, floor=2.0 * abs(reach))
    drawn: tuple[Witness, ...] = ()
    if centre.is_point and math.isfinite(reach) and reach > 0.0:
        drawn = fresh(op, *(round_to(centre.lo + side * reach, dtype) for side in (-_QUINTILE, _QUINTILE)))
    return Facts(interval, drawn, dtype, dimensions(op.arg("shape")))


@operator("random_uniform")
def _random_uniform(op: Op) -> Facts:
    """Samples between two bounds. That 0 is drawn once in 2**23 is no evidence: no witness of it."""
    low, high = op.arg("minval"), op.arg("maxval")
    dtype = _given_dtype(op) or ("float64" if is_numpy(op) else None)
    first = low.interval if is_given(low) else Interval(0.0, 0.0)
    last = high.interval if is_given(high) else Interval(1.0, 1.0)
    drawn: tuple[Witness, ...] = ()
    if first.is_point and last.is_point and math.isfinite(length := last.lo - first.lo) and length > 0.0:
        drawn = fresh(op, round_to(first.lo + _SOMEWHERE * length, dtype))
    return Facts(first.hull(last).stored(dtype), drawn, dtype, dimensions(op.arg("shape")))


@operator("random_integers", differentiable=False)
def _random_integers(op: Op) -> Facts:
    low, high = op.arg("minval"), op.arg("maxval")
    if not is_given(high):
        low, high = Const(0), low
    hull = low.interval.hull(high.interval)
    return Facts(hull, (), _given_dtype(op) or "int64", dimensions(op.arg("shape")))


@operator("size", differentiable=False)
def _size(op: Op) -> Facts:
    """A length, a rank, a number of elements: positive (a tensor of no elements is no input)."""
    return Facts(Interval(1.0, float(2**63 - 1)), (), "int32", ())


@operator("shape", differentiable=False)
def _shape(op: Op) -> Facts:
    """The lengths of the axes, each positive."""
    axes = rank(op.arg("x"))
    return Facts(Interval(1.0, float(2**63 - 1)), (), "int32", (axes,))
