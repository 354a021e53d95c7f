"""Reductions over axes, and functions of whole rows."""

from __future__ import annotations

import math
from dataclasses import replace

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
from tflint_nan.ops.arithmetic import is_shifted, part_of
from tflint_nan.ops.functions import mul
from tflint_nan.ops.picks import spreads_are_asked_for
from tflint_nan.ops.points import (
    bare,
    combined,
    dtype_of,
    facts,
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
from tflint_nan.ops.units import cosine, single
from tflint_nan.value import Items, Op, Shape, Tensor, Value, Witness

_INF = math.inf
_MANY = 2**24  # elements, where their number is not known
_SUMMED = 64  # units in the last place that a sum of many equal numbers may be off by
#: Equal numbers that float16 adds one by one until the sum stays as it is: 2048 + 1 is 2048.
_COUNTED = 2**11
#: What numbers add up to that would be 1 all together, when each and the sum are rounded.
_TOTAL = Interval(0.99, 1.01)
_TOTALS: dict[str | None, Interval] = dict.fromkeys(("float16", "bfloat16"), Interval(0.0, 2.0))


# ---- axes


def axes(op: Op, x: Value) -> tuple[int | None, ...] | None:
    """The reduced axes, counted from the front where the rank is known; None for all of them."""
    return named_axes(op.arg("axis"), x)


def named_axes(axis: Value, x: Value) -> tuple[int | None, ...] | None:
    """The axes of `x` that an argument names, as `axes` has them."""
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
    related, reached = _related_sum(op, x, dtype), tuple[Witness, ...]()
    if related is None and is_given(op.arg("axis")) and x.op is not None and x.op.name == "mul":
        axis = single(op.arg("axis"))
        related, reached = cosine(op, (x.op.arg("x"), axis), (x.op.arg("y"), axis), n, dtype, 1)
    if related is not None:
        interval = interval.meet(related) or related
    elif not reached:
        reached = _moved_products(op, x, dtype)
    return facts(interval, (*_sum_witnesses(op, x, n, dtype), *reached), dtype, reduced_shape(op, x))


def _moved_products(op: Op, x: Value, dtype: str | None) -> tuple[Witness, ...]:
    """What an inner product reaches whose products training moves anywhere: any number, as `matmul` does."""
    moves = x.op is not None and x.op.name == "mul" and is_given(op.arg("axis")) and is_unbounded(x)
    return tuple(w for w in unbounded(op, dtype) if w.value != 0.0) if moves else ()


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


#: Ops after which every number is where it was.
_UNMOVED = frozenset({"cast", "identity", "stop_gradient"})
#: Ops after which the parts of a tensor still lie beside each other.
_BESIDE = frozenset({"mul", "cast", "identity", "stop_gradient", "expand_dims", "squeeze", "reshape"})


def _is_mixed(x: Value) -> bool:
    """True where tensors were put together to `x`, or to a factor of it, and 0 is not in all of them."""
    todo = [x]
    for value in todo:
        op = value.op
        if op is None or len(todo) > 16:
            continue
        values = op.arg("values")
        if op.name in ("concat", "stack") and isinstance(values, Items):
            if any(0.0 not in part.interval for part in values.items):
                return True
        elif op.name in _BESIDE:
            todo += [arg for name, arg in op.args.items() if name in ("x", "y")]
    return False


def _picked(op: Op, x: Value) -> tuple[Tensor, Value] | None:
    """The one-hot rows, and what they pick one element of, where `op` sums their product along the classes.

    A row is all 0 for a class that is not there; nobody means that.
    """
    product = x.op
    if product is None or product.name != "mul" or axes(op, x) is None:
        return None
    for hot, other in ((product.arg("x"), product.arg("y")), (product.arg("y"), product.arg("x"))):
        row = bare(hot, _UNMOVED).op
        if row is None or row.name != "one_hot" or row.arg("axis").literal not in (None, -1):
            continue
        classes = integers(op.arg("axis")) in ((-1,), _last(hot))
        if classes and isinstance(hot, Tensor) and {w.value for w in hot.witnesses} == {0.0, 1.0}:
            return hot, other
    return None


def _last(x: Value) -> tuple[int, ...] | None:
    count = rank(x)
    return None if count is None else (count - 1,)


def _sum_witnesses(op: Op, x: Value, n: int | None, dtype: str | None) -> tuple[Witness, ...]:
    """Sums of elements that all are one number: known for 0, infinities and NaN whatever their count.

    The sum of what a one-hot row multiplies is the element that it picks.
    """
    picked = _picked(op, x)
    if picked is not None:
        hot, other = picked
        ones = tuple(w for w in hot.witnesses if w.value == 1.0)
        return combined(mul, (replace(hot, witnesses=ones), other), dtype)
    result = []
    mixed = _is_mixed(x)
    for witness in x.witnesses:
        number = witness.value
        if mixed and number == 0.0:
            continue  # some of the parts are never 0
        if number == 0.0 or not math.isfinite(number):
            result.append(witness)
        elif n is not None and (dtype != "float16" or n <= _COUNTED):
            result.append(Witness(round_to(number * n, dtype), witness.inputs))
    return tuple(result)


def _related_sum(op: Op, x: Value, dtype: str | None) -> Interval | None:
    """What is known of sums of exponentials of shifted logits, and of probabilities."""
    power = x.made_by("exp")
    if power is not None and power.value is x:
        peak = is_shifted(power.arg("x"))
        if peak is not None and same_axis(op, peak, x):
            return Interval(1.0, _INF)
    row = x.made_by("softmax")
    if row is not None and row.value is x:
        if axes(op, x) is None:
            return Interval(_TOTALS.get(dtype, _TOTAL).lo or smallest(dtype), _INF)
        if same_axis(op, row, x, -1):
            total = _TOTALS.get(dtype, _TOTAL)
            return Interval(0.0 if dtype == "float16" else total.lo or smallest(dtype), total.hi)
    made = x.op
    if made is not None and made.name == "div":
        whole = part_of(made.arg("y"), made.arg("x"))
        if whole is not None and made.arg("x").interval.lo >= 0.0 and same_axis(op, whole, x):
            # Parts of a sum, or of more than it; where the sum overflows they are all 0.
            total = _TOTALS.get(dtype, _TOTAL)
            finite = made.arg("x").interval.hi * _MANY < largest(dtype)
            exact = made.arg("y").made_by("sum") is whole
            return Interval(total.lo if finite and exact else 0.0, total.hi)
    return None


# ---- means, products, extremes


@operator("mean")
def _mean(op: Op) -> Facts:
    x = op.arg("x")
    dtype = real_dtype(op, x) if is_numpy(op) or is_numpy(x.op) else dtype_of(op, x)
    interval = mean_range(x.interval.stored(dtype), count(op, x), dtype)
    return facts(interval, mapped(lambda v: v, x, dtype), dtype, reduced_shape(op, x))


def mean_range(bounds: Interval, n: int | None, dtype: str | None) -> Interval:
    """The range of a mean of `n` numbers (None: of any number of them); their sum may overflow."""
    # As many ones add up to their number exactly, save in the half formats, which stop counting.
    exact = () if dtype in ("float16", "bfloat16") else (-1.0, 1.0)
    rounded = bounds.stored(dtype, _SUMMED, exact=exact)
    top = largest(dtype) / (n or _MANY)
    return Interval(-_INF if rounded.lo < -top else rounded.lo, _INF if rounded.hi > top else rounded.hi)


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
        alike = () if spreads_are_asked_for(x) else fresh(op, 0.0)
        return facts(interval, alike, dtype, reduced_shape(op, x))


_deviation("std")
_deviation("variance")


#: Norms between the largest element and the sum of all.
_NORMS = (None, "euclidean", "fro", 1, 2, math.inf)


@operator("norm")
def _norm(op: Op) -> Facts:
    x = op.arg("x")
    dtype = real_dtype(op, x)
    kept = [w for w in mapped(abs, x, dtype) if w.value == 0.0 or not math.isfinite(w.value)]
    if op.arg("ord").literal not in _NORMS:
        return facts(NON_NEGATIVE, kept, dtype, reduced_shape(op, x))
    bounds = x.interval.stored(dtype)
    least = max(bounds.lo, -bounds.hi, 0.0)
    most = max(abs(bounds.lo), abs(bounds.hi))
    n = count(op, x)
    # At least the largest element, at most the sum of all; their squares may leave the format both ways.
    low = least if least * least >= smallest(dtype) else 0.0
    high = most * n if n is not None and most * most * n <= largest(dtype) else _INF
    if n == 0:
        low = high = 0.0
    interval = Interval(low, max(low, high)).stored(dtype, _SUMMED).clamped(NON_NEGATIVE)
    return facts(interval, kept, dtype, reduced_shape(op, x))


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
