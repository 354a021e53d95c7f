"""Operations that move numbers and change none: shapes, slices, casts, tensors put together."""

from __future__ import annotations

import math

from tflint_nan.interval import INTEGERS, Interval
from tflint_nan.ops.bounds import real_part
from tflint_nan.ops.choices import picked
from tflint_nan.ops.parts import among, of_index, of_split, takes_all
from tflint_nan.ops.points import (
    bare,
    dimensions,
    dtype_named,
    dtype_of,
    facts,
    fresh,
    integer,
    integers,
    is_given,
    joined_facts,
    mapped,
    same,
)
from tflint_nan.ops.table import Facts, operator
from tflint_nan.value import Const, Items, Op, Shape, Tensor, Value

_INF = math.inf


def _hand_on(op: Op, shape: Shape) -> Facts:
    x = op.arg("x")
    return Facts(x.interval, x.witnesses, x.dtype, shape)


def _picked(op: Op, shape: Shape) -> Facts:
    """Some of the elements: a number that one element of a literal array has, these need not have.

    Nor what one of several tensors has that were put together, where these may be of another.
    """
    x, parts = op.arg("x"), among(op)
    interval, witnesses = picked(op)
    certain = tuple(
        w
        for w in witnesses
        if (w.inputs or x.interval.is_point) and all(_reaches(part, w.value) for part in parts)
    )
    return Facts(interval, certain, x.dtype, shape)


def _reaches(value: Value, number: float) -> bool:
    return value.reaches(lambda v: v == number or (v != v and number != number)) is not None


def _flowing(name: str, *, differentiable: bool = True, keeps_shape: bool = False) -> None:
    """An operation that moves numbers and changes none."""

    @operator(name, flow=("x",), differentiable=differentiable)
    def transfer(op: Op) -> Facts:
        return _hand_on(op, op.arg("x").shape if keeps_shape else None)


@operator("identity", flow=("x",))
def _identity(op: Op) -> Facts:
    """The same tensor; with `shape`, of the lengths that this says and of which the tensor has no other."""
    shape = op.arg("x").shape
    said = dimensions(op.arg("shape")) if is_given(op.arg("shape")) else None
    if shape is None or said is None or len(said) != len(shape):
        return _hand_on(op, said if shape is None else shape)
    return _hand_on(op, tuple(b if a is None else a for a, b in zip(shape, said, strict=True)))


_flowing("stop_gradient", differentiable=False, keeps_shape=True)
_flowing("number", differentiable=False, keeps_shape=True)  # Python's
_flowing("reverse", keeps_shape=True)
_flowing("roll", keeps_shape=True)
_flowing("sort", keeps_shape=True)
_flowing("swap")
_flowing("shuffle", keeps_shape=True)
_flowing("tile")
operator("unstack", flow=("x",))(lambda op: _picked(op, None))


@operator("gather", flow=("x",))
def _gather(op: Op) -> Facts:
    """Some rows. The sums of segments that are gathered for their rows are of segments that have some."""
    x, sums = op.arg("x"), op.arg("x").op
    if sums is not None and _is_of(sums, "segment_sum", op.arg("indices")) and _is_shifted(sums):
        return Facts(Interval(1.0, max(x.interval.hi, 1.0)), (), x.dtype)
    return _picked(op, None)


def _is_of(op: Op, name: str, ids: Value) -> bool:
    return op.name == name and same(op.arg("segment_ids"), ids)


def _is_shifted(sums: Op) -> bool:
    """Whether exps are summed of what its segment's largest was taken from: one of each segment is 1."""
    ids, power = sums.arg("segment_ids"), bare(sums.arg("x")).op
    shift = power.arg("x").op if power is not None and power.name == "exp" else None
    rows = bare(shift.arg("y")).op if shift is not None and shift.name == "sub" else None
    if shift is None or rows is None or rows.name != "gather" or not same(rows.arg("indices"), ids):
        return False
    top = bare(rows.arg("x")).op
    largest = top is not None and _is_of(top, "segment", ids) and top.arg("reduction").literal == "max"
    return largest and top is not None and same(top.arg("x"), shift.arg("x"))


operator("split", flow=("x",), narrow=of_split)(lambda op: _picked(op, None))


@operator("broadcast_to", flow=("x",))
def _broadcast_to(op: Op) -> Facts:
    return _hand_on(op, dimensions(op.arg("shape")))


@operator("reshape", flow=("x",))
def _reshape(op: Op) -> Facts:
    return _hand_on(op, dimensions(op.arg("shape")))


@operator("squeeze", flow=("x",))
def _squeeze(op: Op) -> Facts:
    x, axis = op.arg("x"), op.arg("axis")
    named = integers(axis)
    if x.shape is None or named is None or None in named:
        return _hand_on(op, None)
    gone = {a % len(x.shape) for a in named if a is not None} if x.shape else set()
    return _hand_on(op, tuple(n for i, n in enumerate(x.shape) if i not in gone))


@operator("expand_dims", flow=("x",))
def _expand_dims(op: Op) -> Facts:
    x, axis = op.arg("x"), integer(op.arg("axis"))
    if x.shape is None or axis is None:
        return _hand_on(op, None)
    place = axis if axis >= 0 else axis + len(x.shape) + 1
    return _hand_on(op, (*x.shape[:place], 1, *x.shape[place:]))


@operator("transpose", flow=("x",))
def _transpose(op: Op) -> Facts:
    x, order = op.arg("x"), op.arg("perm")
    if x.shape is None:
        return _hand_on(op, None)
    if not is_given(order):
        return _hand_on(op, tuple(reversed(x.shape)))
    named = integers(order)
    if named is None or len(named) != len(x.shape) or any(a is None for a in named):
        return _hand_on(op, tuple(None for _ in x.shape))
    count = len(x.shape)
    places = [a for a in named if a is not None and -count <= a < count]
    return _hand_on(op, tuple(x.shape[a] for a in places) if len(places) == count else (None,) * count)


@operator("slice", flow=("x",), narrow=of_index)
def _slice(op: Op) -> Facts:
    shape = _sliced(op.arg("x").shape, op.arg("index"))
    return _hand_on(op, shape) if takes_all(op) else _picked(op, shape)


def _sliced(shape: Shape, index: Value) -> Shape:
    """The shape of `x[index]`: of integers, slices, None and Ellipsis, or of one array of places."""
    if shape and isinstance(index, Tensor) and index.shape is not None and index.dtype in INTEGERS:
        return None if index.dtype == "bool" else (*index.shape, *shape[1:])
    if shape is None or index.literal is None:
        return None
    parts = list(index.items) if isinstance(index, Items) and index.kind != "slice" else [index]
    taken = sum(1 for p in parts if p.literal is not None and p.literal is not Ellipsis)
    if taken > len(shape):
        return None  # another array than it is taken for
    result: list[int | None] = []
    axis = 0
    for part in parts:
        if part.literal is Ellipsis:
            consumed = sum(
                1 for p in parts[: parts.index(part)] if p.literal is not None and p.literal is not Ellipsis
            )
            rest = len(shape) - taken + consumed
            result.extend(shape[axis:rest])
            axis = rest
        elif part.literal is None:
            result.append(1)
        elif axis >= len(shape):
            return None
        elif isinstance(part, Items) and part.kind == "slice":
            result.append(_slice_length(shape[axis], part))
            axis += 1
        elif integer(part) is not None:
            axis += 1
        else:
            return None
    return (*result, *shape[axis:])


def _slice_length(length: int | None, part: Items) -> int | None:
    ends = [item.literal for item in part.items]
    if any(end is not None and not isinstance(end, int) for end in ends):
        return None
    start, stop, step = ends
    if length is not None:
        return len(range(*slice(start, stop, step).indices(length)))
    return None


@operator("cast", flow=("x",))
def _cast(op: Op) -> Facts:
    """Another format. A float becomes an integer by truncation, a test 0 or 1."""
    x = op.arg("x")
    dtype = dtype_named(op.arg("dtype"), op.api)
    if dtype is None:
        return Facts(x.interval, x.witnesses, None, x.shape)
    if real_part(x.dtype) != x.dtype:
        return Facts(dtype=dtype, shape=x.shape)  # of complex numbers the intervals say nothing
    if dtype in INTEGERS and dtype != "bool":
        bounds = Interval(
            math.trunc(x.interval.lo) if math.isfinite(x.interval.lo) else x.interval.lo,
            math.trunc(x.interval.hi) if math.isfinite(x.interval.hi) else x.interval.hi,
        )
        kept = mapped(lambda v: float(math.trunc(v)) if math.isfinite(v) else _INF, x, x.dtype)
        low, high = INTEGERS[dtype]
        kept = tuple(w for w in kept if low <= w.value <= high)
        return facts(bounds.stored(dtype), kept, dtype, x.shape)
    if dtype == "bool":
        return facts(x.interval.stored(dtype), mapped(lambda v: float(v != 0.0), x, x.dtype), dtype, x.shape)
    if dtype not in ("float16", "bfloat16", "float32", "float64"):
        return Facts(dtype=dtype, shape=x.shape)
    return facts(x.interval.stored(dtype), mapped(lambda v: v, x, dtype), dtype, x.shape)


@operator("pad", flow=("x",))
def _pad(op: Op) -> Facts:
    """Padding puts a constant (0) around, except where it mirrors what is there."""
    x, mode = op.arg("x"), op.arg("mode").literal
    if isinstance(mode, str) and mode.lower() != "constant":
        return _hand_on(op, None)
    value = op.arg("constant_values")
    border = value if is_given(value) else Const(0)
    result = joined_facts([x, border], x.dtype)
    shape = None if x.shape is None else (None,) * len(x.shape)
    return facts(result.interval, result.witnesses, x.dtype, shape)


@operator("dropout", flow=("x",))
def _dropout(op: Op) -> Facts:
    """Some elements 0, the others divided by what is kept; at inference all as they are."""
    x, rate = op.arg("x"), op.arg("rate")
    dtype = x.dtype
    keep = op.arg("keep_prob")
    if rate.literal == 0 or keep.literal == 1:
        return Facts(x.interval, x.witnesses, dtype, x.shape)
    factor = _INF
    if isinstance(keep, Const) and keep.number:
        factor = 1.0 / keep.number
    elif isinstance(rate, Const) and rate.number is not None and 0.0 <= rate.number < 1.0:
        factor = 1.0 / (1.0 - rate.number)
        if op.api == "tf.nn.dropout" and rate.number:
            # The second argument was the share to keep in TensorFlow 1, the share to drop since.
            factor = max(factor, 1.0 / rate.number)
    bounds = x.interval.stored(dtype)
    ends = [0.0, bounds.lo, bounds.hi]
    ends += [end * factor if end else 0.0 for end in (bounds.lo, bounds.hi)]
    interval = Interval(min(ends), max(ends)).stored(dtype, 4)
    return facts(interval, (*x.witnesses, *fresh(op, 0.0)), dtype, x.shape)


def _values(op: Op) -> list[Value]:
    values = op.arg("values")
    if isinstance(values, Items):
        return list(values.items)
    return [] if not is_given(values) else [values]


def _together(name: str) -> None:
    """stack and concat: several tensors as one."""

    @operator(name, flow=("values",))
    def transfer(op: Op) -> Facts:
        given = op.arg("values")
        values = _values(op)
        dtype = dtype_of(op, *values)
        if not isinstance(given, Items):
            return Facts(given.interval, given.witnesses, given.dtype, None)
        result = joined_facts(values, dtype)
        if not given.complete:
            # A list that grows in a loop shows each kind of its elements, not how many there are.
            return Facts(result.interval, result.witnesses, dtype, None)
        return Facts(result.interval, result.witnesses, dtype, _together_shape(name, op, values))


def _together_shape(name: str, op: Op, values: list[Value]) -> Shape:
    shapes = [value.shape for value in values]
    axis = integer(op.arg("axis")) if is_given(op.arg("axis")) else 0
    first = shapes[0] if shapes else None
    if first is None or axis is None or any(s is None or len(s) != len(first) for s in shapes):
        return None
    if name == "stack":
        place = axis if axis >= 0 else axis + len(first) + 1
        return (*first[:place], len(values), *first[place:])
    if not first or not -len(first) <= axis < len(first):
        return None
    lengths = [s[axis] for s in shapes if s is not None]
    total = None if None in lengths else sum(n for n in lengths if n is not None)
    place = axis % len(first)
    return (*first[:place], total, *first[place + 1 :])


_together("stack")
_together("concat")


@operator("band_part", flow=("x",))
def _band_part(op: Op) -> Facts:
    """A triangle or band of a matrix: the rest is 0."""
    x = op.arg("x")
    return facts(x.interval.hull(Interval(0.0, 0.0)), (*x.witnesses, *fresh(op, 0.0)), x.dtype, x.shape)
