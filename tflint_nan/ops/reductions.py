"""Reductions over axes, and functions of whole rows."""

from __future__ import annotations

import math

from tflint_nan.interval import (
    EVERYTHING,
    NON_NEGATIVE,
    UNIT,
    Interval,
    epsilon,
    largest,
    round_to,
    smallest,
)
from tflint_nan.ops.arithmetic import is_shifted
from tflint_nan.ops.functions import exp
from tflint_nan.ops.points import (
    dtype_of,
    facts,
    far,
    fresh,
    integers,
    is_given,
    is_numpy,
    is_unbounded,
    mapped,
    rank,
    real_dtype,
    unbounded,
)
from tflint_nan.ops.table import Facts, operator
from tflint_nan.value import Const, Op, Shape, Value, Witness

_INF = math.inf
_MANY = 2**24  # elements, where their number is not known
_SUMMED = 64  # units in the last place that a sum of many equal numbers may be off by


# ---- axes


def axes(op: Op, x: Value) -> tuple[int | None, ...] | None:
    """The reduced axes, counted from the front where the rank is known; None for all of them."""
    axis = op.arg("axis")
    if not is_given(axis):
        return None
    named = integers(axis)
    if named is None:
        return (None,)
    count = rank(x)
    return tuple(a + count if a is not None and a < 0 and count is not None else a for a in named)


def reduced_shape(op: Op, x: Value) -> Shape:
    """The shape after the reduction."""
    keep = op.arg("keepdims").literal
    over = axes(op, x)
    if x.shape is None or (keep is not None and not isinstance(keep, (bool, int))):
        return () if over is None and keep in (None, False) else None
    if over is None:
        return tuple(1 for _ in x.shape) if keep else ()
    if None in over:
        return None
    if keep:
        return tuple(1 if i in over else n for i, n in enumerate(x.shape))
    return tuple(n for i, n in enumerate(x.shape) if i not in over)


def count(op: Op, x: Value) -> int | None:
    """How many elements go into one result, None where that is not known."""
    over = axes(op, x)
    if x.shape is None:
        return None
    lengths = (
        list(x.shape)
        if over is None
        else [x.shape[a] if a is not None and 0 <= a < len(x.shape) else None for a in over]
    )
    product = 1
    for length in lengths:
        if length is None:
            return None
        product *= length
    return product


def same_axis(first: Op, second: Op, x: Value, default: int | None = None) -> bool:
    """True where both ops work along one and the same axis (or the first along all of them)."""
    one = first.arg("axis")
    other = second.arg("axis")
    over = axes(first, x)
    if over is None:
        return True
    if not is_given(other):
        return default is not None and over == (
            (default + (rank(x) or 0),) if default < 0 and rank(x) is not None else (default,)
        )
    return (axes(second, x) == over and None not in over) or one is other


# ---- sums


@operator("sum")
def _sum(op: Op) -> Facts:
    x = op.arg("x")
    dtype = _summing_dtype(op, x)
    bounds = x.interval.stored(dtype)
    n = count(op, x)
    interval = sum_range(bounds, n, dtype)
    related = _related_sum(op, x, dtype)
    if related is not None:
        interval = interval.meet(related) or related
    return facts(interval, _sum_witnesses(x, n, dtype), dtype, reduced_shape(op, x))


def _summing_dtype(op: Op, x: Value) -> str | None:
    dtype = dtype_of(op, x)
    if dtype == "bool":
        return "int64"
    return dtype


def sum_range(bounds: Interval, n: int | None, dtype: str | None) -> Interval:
    """The range of a sum of `n` numbers; of one or more, where `n` is not known."""
    if n is not None:
        lo, hi = (end * n if n else 0.0 for end in (bounds.lo, bounds.hi))
        # A partial sum rounds by what was added so far: with both signs, more than the total.
        largest_part = max(abs(lo), abs(hi)) if lo < 0.0 < hi else None
        error = min(n, _MANY) * epsilon(dtype)
        below, above = (
            0.0 if math.isinf(end) else error * (abs(end) if largest_part is None else largest_part)
            for end in (lo, hi)
        )
        return Interval(lo - below, hi + above).stored(dtype)
    return Interval(bounds.lo if bounds.lo >= 0.0 else -_INF, bounds.hi if bounds.hi <= 0.0 else _INF).stored(
        dtype
    )


def _sum_witnesses(x: Value, n: int | None, dtype: str | None) -> tuple[Witness, ...]:
    """Sums of elements that all are one number: known for 0, infinities and NaN whatever their count."""
    result = []
    for witness in x.witnesses:
        number = witness.value
        if number == 0.0 or not math.isfinite(number):
            result.append(witness)
        elif n is not None:
            result.append(Witness(round_to(number * n, dtype), witness.inputs))
    return tuple(result)


def _related_sum(op: Op, x: Value, dtype: str | None) -> Interval | None:
    """What is known of sums of exponentials of shifted logits, and of probabilities."""
    power = x.made_by("exp")
    if power is not None and power.value is x:
        peak = is_shifted(power.arg("x"))
        if peak is not None and same_axis(op, peak, x):
            return Interval(1.0, _INF)
    row = x.made_by("softmax", "one_hot")
    if row is not None and row.value is x and row.name == "softmax":
        if axes(op, x) is None:
            return Interval(0.99 if dtype in (None, "float32", "float64") else smallest(dtype), _INF)
        if same_axis(op, row, x, -1):
            if dtype in (None, "float32", "float64"):
                return Interval(0.99, 1.01)
            return Interval(0.0 if dtype == "float16" else smallest(dtype), 2.0)
    return None


@operator("mean")
def _mean(op: Op) -> Facts:
    x = op.arg("x")
    dtype = real_dtype(op, x) if is_numpy(op) or is_numpy(x.op) else dtype_of(op, x)
    # As many ones add up to their number exactly, save in the half formats, which stop counting.
    exact = () if dtype in ("float16", "bfloat16") else (-1.0, 1.0)
    bounds = x.interval.stored(dtype).stored(dtype, _SUMMED, exact=exact)
    # The sum may overflow although the mean would not.
    top = largest(dtype) / (count(op, x) or _MANY)
    interval = Interval(-_INF if bounds.lo < -top else bounds.lo, _INF if bounds.hi > top else bounds.hi)
    return facts(interval, mapped(lambda v: v, x, dtype), dtype, reduced_shape(op, x))


@operator("prod")
def _prod(op: Op) -> Facts:
    x = op.arg("x")
    dtype = dtype_of(op, x)
    lo, hi = x.interval.lo, x.interval.hi
    interval = UNIT if lo >= 0.0 and hi <= 1.0 else NON_NEGATIVE if lo >= 0.0 else EVERYTHING
    n = count(op, x)
    witnesses = []
    for witness in x.witnesses:
        number = witness.value
        if number in (0.0, 1.0) or number in (_INF,) or number != number:
            witnesses.append(witness)
        elif n is not None and math.isfinite(number):
            try:
                witnesses.append(Witness(round_to(number**n, dtype), witness.inputs))
            except OverflowError:
                continue
    return facts(interval.stored(dtype), witnesses, dtype, reduced_shape(op, x))


def _extreme(name: str) -> None:
    """The largest and the smallest element."""

    @operator(name)
    def transfer(op: Op) -> Facts:
        x = op.arg("x")
        interval = x.interval
        row = x.made_by("softmax")
        if name == "max" and row is not None and row.value is x and same_axis(op, row, x, -1):
            # The largest of n probabilities is 1/n at least, whatever n a machine can hold.
            interval = interval.meet(Interval(smallest(x.dtype), _INF)) or interval
        return facts(interval, x.witnesses, x.dtype, reduced_shape(op, x))


_extreme("max")
_extreme("min")


def _deviation(name: str) -> None:
    """Variance and standard deviation: 0 is reached by a feature that is constant."""

    @operator(name)
    def transfer(op: Op) -> Facts:
        x = op.arg("x")
        dtype = real_dtype(op, x)
        bounds = x.interval.stored(dtype)
        if bounds.is_point and math.isfinite(bounds.lo):
            # A constant's mean is off by rounding, and so is its variance.
            spread = abs(bounds.lo) * epsilon(dtype) * _SUMMED
        else:
            spread = bounds.hi - bounds.lo
        top = spread * spread
        if not top * (count(op, x) or _MANY) <= largest(dtype):
            top = _INF  # the sum of the squares may overflow
        interval = Interval(0.0, math.sqrt(top) if name == "std" else top).stored(dtype, _SUMMED)
        return facts(interval, fresh(op, 0.0), dtype, reduced_shape(op, x))


_deviation("std")
_deviation("variance")


@operator("norm")
def _norm(op: Op) -> Facts:
    x = op.arg("x")
    dtype = real_dtype(op, x)
    kept = [w for w in mapped(abs, x, dtype) if w.value == 0.0 or not math.isfinite(w.value)]
    return facts(NON_NEGATIVE, kept, dtype, reduced_shape(op, x))


@operator("logsumexp")
def _logsumexp(op: Op) -> Facts:
    x = op.arg("x")
    dtype = real_dtype(op, x)
    n = count(op, x)
    bounds = x.interval.stored(dtype)
    # At least the largest element, at most that and the logarithm of the count.
    top = bounds.hi + math.log(n) if n else (-_INF if bounds.hi == -_INF else _INF)
    interval = Interval(bounds.lo, max(top, bounds.lo)).stored(dtype, 16, floor=1.0)
    if is_unbounded(x):
        return facts(interval, unbounded(op, dtype), dtype, reduced_shape(op, x))
    witnesses = mapped(lambda v: v + math.log(n), x, dtype) if n else ()
    return facts(interval, witnesses, dtype, reduced_shape(op, x))


def _quantifier(name: str) -> None:
    """any and all over an axis."""

    @operator(name, differentiable=False)
    def transfer(op: Op) -> Facts:
        x = op.arg("x")
        interval = x.interval.meet(UNIT) if x.dtype == "bool" else None
        witnesses = mapped(lambda v: float(bool(v)), x, x.dtype)
        return facts(interval or UNIT, witnesses or fresh(op, 0.0, 1.0), "bool", reduced_shape(op, x))


_quantifier("any")
_quantifier("all")


@operator("count_nonzero", differentiable=False)
def _count_nonzero(op: Op) -> Facts:
    x = op.arg("x")
    n = count(op, x)
    interval = Interval(0.0, _INF if n is None else float(n))
    return facts(interval, fresh(op, 0.0), "int64", reduced_shape(op, x))


@operator("fraction", differentiable=False)
def _fraction(op: Op) -> Facts:
    """The share of elements that are zero."""
    return Facts(UNIT, fresh(op, 0.0, 1.0), "float32", ())


def _position(name: str) -> None:
    """argmax and argmin: an index along the axis."""

    @operator(name, differentiable=False)
    def transfer(op: Op) -> Facts:
        x = op.arg("x")
        n = count(op, x)
        top = float(n - 1) if n else float(2**63 - 1)
        shape = reduced_shape(op, x) if is_given(op.arg("axis")) or is_numpy(op) else None
        return Facts(Interval(0.0, top), (), "int64", shape)


_position("argmax")
_position("argmin")


def _running(name: str) -> None:
    """cumsum and cumprod: the reduction of each prefix."""

    @operator(name)
    def transfer(op: Op) -> Facts:
        x = op.arg("x")
        dtype = _summing_dtype(op, x)
        bounds = x.interval.stored(dtype)
        if name == "cumsum":
            # `exclusive` starts with an empty prefix, which is 0.
            interval = sum_range(bounds, None, dtype).hull(Interval(0.0, 0.0))
        elif bounds.lo >= 0.0:
            interval = UNIT if bounds.hi <= 1.0 else NON_NEGATIVE
        else:
            interval = EVERYTHING
        kept = [w for w in mapped(lambda v: v, x, dtype) if w.value == 0.0 or not math.isfinite(w.value)]
        return facts(interval.stored(dtype), kept, dtype, x.shape)


_running("cumsum")
_running("cumprod")


# ---- rows


def _row_length(op: Op, x: Value) -> int | None:
    axis = op.arg("axis").literal
    position = -1 if axis is None else axis
    if x.shape is None or not isinstance(position, int):
        return None
    return x.shape[position] if -len(x.shape) <= position < len(x.shape) else None


@operator("softmax")
def _softmax(op: Op) -> Facts:
    """A probability of each class. One logit far below another reaches 0 exactly."""
    x = op.arg("x")
    dtype = real_dtype(op, x)
    n = _row_length(op, x)
    if n == 1:
        return Facts(Interval(1.0, 1.0), (Witness(1.0),), dtype, x.shape)
    bounds = x.interval.stored(dtype)
    spread = bounds.hi - bounds.lo
    least = 0.0
    if math.isfinite(spread):
        # exp(lo - hi) over the largest number of classes that is to be expected.
        least = round_to(exp(-spread) / float(n or 2**24) * 0.99, dtype)
    interval = Interval(least, 1.0)
    return facts(interval, fresh(op, 0.0, 1.0) if least == 0.0 else (), dtype, x.shape)


@operator("log_softmax")
def _log_softmax(op: Op) -> Facts:
    x = op.arg("x")
    dtype = real_dtype(op, x)
    n = _row_length(op, x)
    if n == 1:
        return Facts(Interval(0.0, 0.0), (Witness(0.0),), dtype, x.shape)
    bounds = x.interval.stored(dtype)
    spread = bounds.hi - bounds.lo
    least = -spread - math.log(n or 2**24) if math.isfinite(spread) else -_INF
    interval = Interval(least, 0.0).stored(dtype, 16, floor=1.0)
    return facts(interval, fresh(op, 0.0, -far(dtype)), dtype, x.shape)


@operator("l2_normalize")
def _l2_normalize(op: Op) -> Facts:
    """Of length 1, or 0 for a zero row: a component can pass 1 by rounding."""
    x = op.arg("x")
    dtype = real_dtype(op, x)
    slack = 1.0 + 4.0 * epsilon(dtype)
    interval = Interval(-slack if x.interval.lo < 0.0 else 0.0, slack if x.interval.hi > 0.0 else 0.0)
    given = op.arg("epsilon")
    guard = given.number if isinstance(given, Const) and given.number is not None else 1e-12
    # x * rsqrt(max(sum(x ** 2), epsilon)): where the format loses the epsilon, a zero row is 0 * inf.
    zero = 0.0
    if round_to(guard, dtype) == 0.0:
        zero, interval = math.nan, EVERYTHING
    kept = [Witness(zero, w.inputs) for w in x.witnesses if w.value == 0.0]
    return facts(interval, kept, dtype, x.shape)
