"""Operations of two tensors, comparisons, and choices between values."""

from __future__ import annotations

import math

from tflint_nan.interval import (
    EVERYTHING,
    INTEGERS,
    NON_NEGATIVE,
    UNIT,
    Interval,
    round_to,
)
from tflint_nan.ops.functions import (
    add,
    div,
    divide_no_nan,
    floor,
    maximum,
    minimum,
    mod,
    mul,
    multiply_no_nan,
    power,
    squared_difference,
    sub,
    xlog1py,
    xlogy,
)
from tflint_nan.ops.picks import spreads_are_asked_for
from tflint_nan.ops.points import (
    Point2,
    Real,
    aligned,
    bare,
    broadcast,
    combined,
    corners,
    dtype_of,
    facts,
    far,
    fresh,
    integers,
    is_given,
    is_unbounded,
    moved,
    real_dtype,
    same,
    unbounded,
)
from tflint_nan.ops.repeats import alike
from tflint_nan.ops.table import Facts, operator
from tflint_nan.ops.units import reached
from tflint_nan.value import Const, Op, Tensor, Value, Witness

_INF = math.inf


def operands(op: Op) -> tuple[Value, Value]:
    """The two operands."""
    return op.arg("x"), op.arg("y")


def ends(x: Value, y: Value, dtype: str | None) -> tuple[Interval, Interval]:
    """Their ranges in the format of the operation."""
    return x.interval.stored(dtype), y.interval.stored(dtype)


def _zero_keeps(op: Op, x: Value, y: Value) -> tuple[Witness, ...]:
    """0 * anything is 0: kept where the other factor is unknown (a finite number is assumed)."""
    kept: list[Witness] = []
    for one, other in ((x, y), (y, x)):
        if not other.witnesses:
            kept.extend(w for w in one.witnesses if w.value == 0.0)
    return tuple(kept)


@operator("add")
def _add(op: Op) -> Facts:
    x, y = operands(op)
    dtype = dtype_of(op, x, y)
    a, b = ends(x, y, dtype)
    lo, hi = a.lo + b.lo, a.hi + b.hi
    interval = Interval(-_INF if lo != lo else lo, _INF if hi != hi else hi)
    return facts(
        interval.stored(dtype),
        moved(op, combined(add, (x, y), dtype), dtype, x, y),
        dtype,
        broadcast(x.shape, y.shape),
    )


@operator("sub")
def _sub(op: Op) -> Facts:
    x, y = operands(op)
    dtype = dtype_of(op, x, y)
    a, b = ends(x, y, dtype)
    witnesses = moved(op, combined(sub, (x, y), dtype), dtype, x, y)
    if _is_of_other_rows(x, y):
        witnesses = unbounded(op, dtype)
    if aligned(x, y):
        interval = Interval(0.0, 0.0)
    else:
        lo, hi = a.lo - b.hi, a.hi - b.lo
        interval = Interval(-_INF if lo != lo else lo, _INF if hi != hi else hi)
        if is_maximum_of(y, x):
            interval = interval.clamped(Interval(-_INF, 0.0))
            if is_unbounded(x):
                # Another element than the largest one, far below it.
                witnesses += fresh(op, -far(dtype))
        elif _is_maximum_of_groups(y, x) or _bounds(y, x, "maximum") or _bounds(x, y, "minimum"):
            interval = interval.clamped(Interval(-_INF, 0.0))
        elif _bounds(x, y, "maximum") or _bounds(y, x, "minimum"):
            interval = interval.clamped(NON_NEGATIVE)
        elif is_minimum_of(y, x):
            interval = interval.clamped(NON_NEGATIVE)
            witnesses = witnesses or fresh(op, 0.0)  # the smallest element itself
        elif is_mean_of(y, x):
            witnesses += fresh(op, 0.0)  # a feature that is constant
        elif is_span(op):
            interval = interval.clamped(NON_NEGATIVE)
            high = x.made_by("max")
            varied = high is not None and spreads_are_asked_for(high.arg("x"))
            witnesses += () if varied else fresh(op, 0.0)
    return facts(interval.stored(dtype), witnesses, dtype, broadcast(x.shape, y.shape))


def _is_of_other_rows(x: Value, y: Value) -> bool:
    """Whether two rows of what training moves anywhere are compared, each with its own numbers."""
    one, other = x.op, y.op
    if one is None or other is None or not one.name == other.name == "gather" or not is_unbounded(x):
        return False
    places = one.arg("indices"), other.arg("indices")
    given = all(isinstance(place, Tensor) for place in places)
    return given and one.arg("x").op is other.arg("x").op and is_unbounded(y) and not same(*places)


def _bounds(bound: Value, x: Value, name: str) -> bool:
    """Whether `bound` is the larger, or smaller, of `x` and another number at every place."""
    made = bound.made_by(name)
    return made is not None and any(aligned(made.arg(side), x) for side in ("x", "y"))


def is_maximum_of(y: Value, x: Value) -> bool:
    """True where `y` is the largest element of `x` along some axes."""
    return _is_extreme_of(y, x, "max")


def is_minimum_of(y: Value, x: Value) -> bool:
    """True where `y` is the smallest element of `x` along some axes."""
    return _is_extreme_of(y, x, "min")


def _is_extreme_of(y: Value, x: Value, name: str) -> bool:
    extreme = y.made_by(name)
    return extreme is not None and (same(extreme.arg("x"), x) or _turned_alike(extreme.arg("x"), x))


def _is_maximum_of_groups(y: Value, x: Value) -> bool:
    """Whether `y` has the largest elements of the groups of `x`, each handed out to its group."""
    peak = y.made_by("segment")
    return peak is not None and peak.arg("reduction").literal == "max" and same(peak.arg("x"), x)


def _turned_alike(a: Value, b: Value) -> bool:
    """Whether two values are one, written twice as `x.T`."""
    one, other = a.made_by("transpose"), b.made_by("transpose")
    if one is None or other is None or one is not a.op or other is not b.op:
        return False
    return one.args.keys() == other.args.keys() and all(same(one.args[k], other.args[k]) for k in one.args)


def is_mean_of(y: Value, x: Value) -> bool:
    """True where `y` is the mean of `x` along some axes."""
    mean = y.made_by("mean")
    return mean is not None and same(mean.arg("x"), x)


#: Operations that keep every number. What a test left of an extreme is another one.
_RESHAPING = frozenset({"identity", "stop_gradient", "cast", "reshape", "expand_dims", "squeeze"})


def is_span(op: Op) -> bool:
    """True for the largest element less the smallest along the same axes: 0 of a feature that is constant."""
    if op.name != "sub":
        return False
    high, low = (bare(value, _RESHAPING).op for value in operands(op))
    if high is None or low is None or (high.name, low.name) != ("max", "min"):
        return False
    one, other = high.arg("axis"), low.arg("axis")
    over = [integers(axis) if is_given(axis) else () for axis in (one, other)]
    alike = over[0] == over[1] and over[0] is not None and None not in over[0]
    return (alike or one is other) and same(high.arg("x"), low.arg("x"))


def is_shifted(value: Value) -> Op | None:
    """The `max` op that was subtracted, where `value` is `x - max(x)`."""
    shift = value.made_by("sub")
    if shift is None or not is_maximum_of(shift.arg("y"), shift.arg("x")):
        return None
    return shift.arg("y").made_by("max")


@operator("mul")
def _mul(op: Op) -> Facts:
    x, y = operands(op)
    dtype = dtype_of(op, x, y)
    a, b = ends(x, y, dtype)
    interval = (
        Real(lambda v: v * v, NON_NEGATIVE, turns=(0.0,)).over(a, dtype)
        if aligned(x, y)
        else (corners(mul, a, b).stored(dtype))
    )
    witnesses = combined(mul, (x, y), dtype) + _zero_keeps(op, x, y)
    return facts(interval, witnesses, dtype, broadcast(x.shape, y.shape))


def quotient(a: Interval, b: Interval) -> Interval:
    """The range of a / b. Zero has no sign in an interval: at the lower end it counts as the positive one."""
    if b.lo < 0.0 <= b.hi or b.lo == b.hi == 0.0:
        return EVERYTHING
    if b.lo > 0.0 or b.hi < 0.0:
        return corners(div, a, b)
    over = corners(div, a, Interval(b.hi, b.hi))
    return Interval(-_INF if a.lo < 0.0 else over.lo, _INF if a.hi > 0.0 else over.hi)


@operator("div")
def _div(op: Op) -> Facts:
    x, y = operands(op)
    dtype = real_dtype(op, x, y)
    a, b = ends(x, y, dtype)
    interval = Interval(1.0, 1.0) if aligned(x, y) else quotient(a, b).stored(dtype)
    total = part_of(y, x) if a.lo >= 0.0 else None
    if total is not None:
        interval = interval.meet(UNIT) or UNIT
    witnesses = (*reached(op), *_shares(op, total), *combined(div, (x, y), dtype), *_zero_stays(x, y))
    return facts(interval, witnesses, dtype, broadcast(x.shape, y.shape))


def _zero_stays(x: Value, y: Value) -> tuple[Witness, ...]:
    """The 0 that an element is for sure, over what is finite and has one sign; over 0 it would be NaN."""
    bounded = math.isfinite(y.interval.lo) and math.isfinite(y.interval.hi)
    if y.witnesses or not bounded or y.interval.lo < 0.0 < y.interval.hi or y.interval.is_point:
        return ()
    return tuple(w for w in x.witnesses if w.value == 0.0 and not w.inputs)


def _shares(op: Op, total: Op | None) -> tuple[Witness, ...]:
    """What exponentials of what training moves are divided by their `total`: 0 and 1, as in a softmax.

    One is not as large as another: at 0 and -104 the total is 1, of which they are 1 and 0.
    """
    x, y = operands(op)
    power = x.made_by("exp")
    alone = x.shape is not None and x.shape == y.shape  # a total of one
    if total is None or power is None or alone or not is_unbounded(power.arg("x")):
        return ()
    shown = (0.0, 1.0) if y.made_by("sum") is total else (0.0,)
    beside = Witness(1.0, ((total, 1.0),))
    shares = ((w.value, beside.joined(w)) for w in x.witnesses if w.value in shown)
    return tuple(Witness(share, inputs) for share, inputs in shares if inputs is not None)


def part_of(y: Value, x: Value) -> Op | None:
    """The op that sums `x`, where `y` is that sum, or more: its parts, if positive, are at most 1 of it.

    Rounding keeps order, so a sum of positive numbers is no smaller than each of them.
    """
    for _ in range(4):
        total = y.made_by("sum")
        if total is not None:
            return total if same(total.arg("x"), x) or alike(total.arg("x"), x) else None
        op = y.op
        if op is None or op.name not in ("add", "maximum"):
            return None
        one, other = operands(op)
        if op.name == "add" and min(one.interval.lo, other.interval.lo) < 0.0:
            return None
        y = one if isinstance(other, Const) else other
    return None


@operator("floordiv", differentiable=False)
def _floordiv(op: Op) -> Facts:
    x, y = operands(op)
    dtype = dtype_of(op, x, y)
    a, b = ends(x, y, dtype)
    raw = quotient(a, b)
    # A subnormal quotient below 0 gives -1, or 0 where it is flushed.
    interval = Interval(floor(raw.lo), floor(max(raw.hi, raw.stored(dtype).hi)))
    witnesses = combined(lambda a, b: floor(round_to(div(a, b), dtype)), (x, y), dtype)
    return facts(interval.stored(dtype, 1), witnesses, dtype, broadcast(x.shape, y.shape))


@operator("mod")
def _mod(op: Op) -> Facts:
    x, y = operands(op)
    dtype = dtype_of(op, x, y)
    _, b = ends(x, y, dtype)
    interval = Interval(min(b.lo, 0.0), max(b.hi, 0.0))
    return facts(interval, combined(mod, (x, y), dtype), dtype, broadcast(x.shape, y.shape))


def _power_range(a: Interval, b: Interval, dtype: str | None) -> Interval:
    if b.is_point and math.isfinite(b.lo) and b.lo == math.floor(b.lo):
        exponent = b.lo
        if exponent > 0.0:
            turns = (0.0,) if exponent % 2.0 == 0.0 else ()
            return Real(lambda v: power(v, exponent), turns=turns, ulps=8, exact=(1.0,)).over(a, dtype)
        if exponent == 0.0:
            return Interval(1.0, 1.0)
        if a.lo <= 0.0 <= a.hi:
            even = exponent % 2.0 == 0.0 or a.lo == 0.0
            return NON_NEGATIVE if even else EVERYTHING
        return Real(lambda v: power(v, exponent), ulps=8, exact=(1.0,)).over(a, dtype)
    if a.lo < 0.0:
        return EVERYTHING
    raw = corners(power, a, b)
    ones = [1.0] if 1.0 in a or 0.0 in b else []
    raw = Interval(min([raw.lo, *ones]), max([raw.hi, *ones]))
    return raw.stored(dtype, 8, exact=(1.0,)).clamped(NON_NEGATIVE)


@operator("pow")
def _pow(op: Op) -> Facts:
    x, y = operands(op)
    dtype = dtype_of(op, x, y)
    if dtype in INTEGERS and not (y.interval.lo >= 0.0):
        return Facts(dtype=None, shape=broadcast(x.shape, y.shape))
    a, b = ends(x, y, dtype)
    return facts(
        _power_range(a, b, dtype), combined(power, (x, y), dtype), dtype, broadcast(x.shape, y.shape)
    )


@operator("maximum")
def _maximum(op: Op) -> Facts:
    x, y = operands(op)
    dtype = dtype_of(op, x, y)
    a, b = ends(x, y, dtype)
    interval = Interval(max(a.lo, b.lo), max(a.hi, b.hi))
    return facts(interval, _bounded(op, x, y, maximum, dtype), dtype, broadcast(x.shape, y.shape))


@operator("minimum")
def _minimum(op: Op) -> Facts:
    x, y = operands(op)
    dtype = dtype_of(op, x, y)
    a, b = ends(x, y, dtype)
    interval = Interval(min(a.lo, b.lo), min(a.hi, b.hi))
    return facts(interval, _bounded(op, x, y, minimum, dtype), dtype, broadcast(x.shape, y.shape))


def _bounded(op: Op, x: Value, y: Value, point: Point2, dtype: str | None) -> tuple[Witness, ...]:
    """Witnesses of maximum and minimum; `maximum(x, 0)` is a relu and reaches 0 as one does."""
    witnesses = combined(point, (x, y), dtype)
    if point is maximum and not witnesses:
        for one, other in ((x, y), (y, x)):
            if other.literal == 0 and not one.witnesses and -1.0 in one.interval:
                return (Witness(0.0, ((one.op or op, -1.0),)),)
    return witnesses


@operator("divide_no_nan")
def _divide_no_nan(op: Op) -> Facts:
    x, y = operands(op)
    dtype = real_dtype(op, x, y)
    a, b = ends(x, y, dtype)
    interval = quotient(a, b).stored(dtype)
    if 0.0 in b:
        interval = interval.hull(Interval(0.0, 0.0))
    return facts(interval, combined(divide_no_nan, (x, y), dtype), dtype, broadcast(x.shape, y.shape))


@operator("multiply_no_nan")
def _multiply_no_nan(op: Op) -> Facts:
    x, y = operands(op)
    dtype = dtype_of(op, x, y)
    a, b = ends(x, y, dtype)
    witnesses = combined(multiply_no_nan, (x, y), dtype) + _zero_keeps(op, x, y)
    interval = corners(mul, a, b)
    if 0.0 in b:
        interval = interval.hull(Interval(0.0, 0.0))
    return facts(interval.stored(dtype), witnesses, dtype, broadcast(x.shape, y.shape))


def _times_log(name: str, point: Point2, edge: float) -> None:
    """xlogy and xlog1py: x * f(y), where x = 0 hides whatever f(y) is."""

    @operator(name)
    def transfer(op: Op) -> Facts:
        x, y = operands(op)
        dtype = real_dtype(op, x, y)
        a, b = ends(x, y, dtype)
        part = b.meet(Interval(edge, _INF))
        logs = Interval(point(1.0, part.lo), point(1.0, part.hi)) if part else EVERYTHING
        interval = corners(mul, a, logs).stored(dtype, 8, floor=0.0)
        if 0.0 in a:
            interval = interval.hull(Interval(0.0, 0.0))
        witnesses = combined(point, (x, y), dtype)
        if not y.witnesses:
            witnesses += tuple(w for w in x.witnesses if w.value == 0.0)
        return facts(interval, witnesses, dtype, broadcast(x.shape, y.shape))


_times_log("xlogy", xlogy, 0.0)
_times_log("xlog1py", xlog1py, -1.0)


@operator("squared_difference")
def _squared_difference(op: Op) -> Facts:
    x, y = operands(op)
    dtype = dtype_of(op, x, y)
    a, b = ends(x, y, dtype)
    lo, hi = a.lo - b.hi, a.hi - b.lo
    gap = Interval(-_INF if lo != lo else lo, _INF if hi != hi else hi).stored(dtype)
    interval = Real(lambda v: v * v, NON_NEGATIVE, turns=(0.0,)).over(gap, dtype)
    witnesses = combined(squared_difference, (x, y), dtype)
    if is_mean_of(y, x):
        witnesses += fresh(op, 0.0)  # a feature that is constant
    return facts(interval, witnesses, dtype, broadcast(x.shape, y.shape))
