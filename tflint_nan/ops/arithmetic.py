"""Operations of two tensors, comparisons, and choices between values."""

from __future__ import annotations

import math
from collections.abc import Callable

from tflint_nan.interval import (
    EVERYTHING,
    INTEGERS,
    NON_NEGATIVE,
    UNIT,
    Interval,
    above,
    below,
    round_to,
)
from tflint_nan.ops.elementwise import floor
from tflint_nan.ops.points import (
    Point2,
    Real,
    broadcast,
    combined,
    corners,
    dtype_of,
    facts,
    far,
    fresh,
    is_given,
    is_unbounded,
    real_dtype,
    same,
    select,
)
from tflint_nan.ops.table import Facts, operator
from tflint_nan.value import Op, Value, Witness

_INF = math.inf
_NAN = math.nan


# ---- points


def add(x: float, y: float) -> float:
    """x + y."""
    return x + y


def sub(x: float, y: float) -> float:
    """x - y."""
    return x - y


def mul(x: float, y: float) -> float:
    """x * y."""
    return x * y


def div(x: float, y: float) -> float:
    """x / y as IEEE 754 has it; a zero divisor counts with its own sign."""
    if y != 0.0:
        return x / y
    return _NAN if x == 0.0 or x != x else math.copysign(_INF, x) * math.copysign(1.0, y)


def floordiv(x: float, y: float) -> float:
    """floor(x / y)."""
    return floor(div(x, y))


def mod(x: float, y: float) -> float:
    """Remainder with the sign of the divisor, NaN for a zero divisor."""
    if y == 0.0 or math.isinf(x) or x != x or y != y:
        return _NAN
    return x % y if math.isfinite(y) else (x if x == 0.0 or (x > 0) == (y > 0) else y)


def power(x: float, y: float) -> float:
    """x ** y: NaN for a negative base with a fractional exponent, infinite at 0 ** negative."""
    try:
        return math.pow(x, y)
    except OverflowError:
        return -_INF if x < 0.0 and y % 2.0 == 1.0 else _INF
    except ValueError:
        return _INF if x == 0.0 else _NAN


def maximum(x: float, y: float) -> float:
    """The larger one; NaN where either is."""
    return _NAN if x != x or y != y else max(x, y)


def minimum(x: float, y: float) -> float:
    """The smaller one; NaN where either is."""
    return _NAN if x != x or y != y else min(x, y)


def divide_no_nan(x: float, y: float) -> float:
    """x / y, and 0 where y is 0."""
    return 0.0 if y == 0.0 else div(x, y)


def multiply_no_nan(x: float, y: float) -> float:
    """x * y, and 0 where y is 0 even if x is infinite or NaN."""
    return 0.0 if y == 0.0 else x * y


def xlogy(x: float, y: float) -> float:
    """x * log(y), and 0 where x is 0."""
    if x == 0.0:
        return 0.0
    return x * (math.log(y) if y > 0.0 else -_INF if y == 0.0 else _NAN)


def xlog1py(x: float, y: float) -> float:
    """x * log1p(y), and 0 where x is 0."""
    if x == 0.0:
        return 0.0
    return x * (math.log1p(y) if y > -1.0 else -_INF if y == -1.0 else _NAN)


def squared_difference(x: float, y: float) -> float:
    """(x - y) ** 2."""
    return (x - y) * (x - y)


# ---- operators


def _operands(op: Op) -> tuple[Value, Value]:
    return op.arg("x"), op.arg("y")


def _ends(x: Value, y: Value, dtype: str | None) -> tuple[Interval, Interval]:
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
    x, y = _operands(op)
    dtype = dtype_of(op, x, y)
    a, b = _ends(x, y, dtype)
    lo, hi = a.lo + b.lo, a.hi + b.hi
    interval = Interval(-_INF if lo != lo else lo, _INF if hi != hi else hi)
    return facts(
        interval.stored(dtype), combined(add, (x, y), dtype), dtype, broadcast(x.shape, y.shape)
    )


@operator("sub")
def _sub(op: Op) -> Facts:
    x, y = _operands(op)
    dtype = dtype_of(op, x, y)
    a, b = _ends(x, y, dtype)
    witnesses = combined(sub, (x, y), dtype)
    if same(x, y):
        interval = Interval(0.0, 0.0)
    else:
        lo, hi = a.lo - b.hi, a.hi - b.lo
        interval = Interval(-_INF if lo != lo else lo, _INF if hi != hi else hi)
        if is_maximum_of(y, x):
            interval = interval.clamped(Interval(-_INF, 0.0))
            if is_unbounded(x):
                # Another element than the largest one, far below it.
                witnesses += fresh(op, -far(dtype))
    return facts(interval.stored(dtype), witnesses, dtype, broadcast(x.shape, y.shape))


def is_maximum_of(y: Value, x: Value) -> bool:
    """True where `y` is the largest element of `x` along some axes."""
    peak = y.made_by("max")
    return peak is not None and same(peak.arg("x"), x)


def is_shifted(value: Value) -> Op | None:
    """The `max` op that was subtracted, where `value` is `x - max(x)`."""
    shift = value.made_by("sub")
    if shift is None or not is_maximum_of(shift.arg("y"), shift.arg("x")):
        return None
    return shift.arg("y").made_by("max")


@operator("mul")
def _mul(op: Op) -> Facts:
    x, y = _operands(op)
    dtype = dtype_of(op, x, y)
    a, b = _ends(x, y, dtype)
    interval = Real(lambda v: v * v, NON_NEGATIVE, turns=(0.0,)).over(a, dtype) if same(x, y) else (
        corners(mul, a, b).stored(dtype)
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
    x, y = _operands(op)
    dtype = real_dtype(op, x, y)
    a, b = _ends(x, y, dtype)
    interval = Interval(1.0, 1.0) if same(x, y) else quotient(a, b).stored(dtype, 1)
    total = y.made_by("sum")
    if total is not None and a.lo >= 0.0 and same(total.arg("x"), x):
        interval = UNIT
    return facts(interval, combined(div, (x, y), dtype), dtype, broadcast(x.shape, y.shape))


@operator("floordiv", differentiable=False)
def _floordiv(op: Op) -> Facts:
    x, y = _operands(op)
    dtype = dtype_of(op, x, y)
    a, b = _ends(x, y, dtype)
    raw = quotient(a, b)
    # A subnormal quotient below 0 gives -1, or 0 where it is flushed.
    interval = Interval(floor(raw.lo), floor(max(raw.hi, raw.stored(dtype).hi)))
    witnesses = combined(floordiv, (x, y), dtype)
    if dtype in INTEGERS:
        witnesses = tuple(w for w in witnesses if math.isfinite(w.value))
    return facts(interval.stored(dtype, 1), witnesses, dtype, broadcast(x.shape, y.shape))


@operator("mod")
def _mod(op: Op) -> Facts:
    x, y = _operands(op)
    dtype = dtype_of(op, x, y)
    _, b = _ends(x, y, dtype)
    interval = Interval(min(b.lo, 0.0), max(b.hi, 0.0))
    witnesses = combined(mod, (x, y), dtype)
    if dtype in INTEGERS:
        witnesses = tuple(w for w in witnesses if math.isfinite(w.value))
    return facts(interval, witnesses, dtype, broadcast(x.shape, y.shape))


def _power_range(a: Interval, b: Interval, dtype: str | None) -> Interval:
    if b.is_point and math.isfinite(b.lo) and b.lo == math.floor(b.lo):
        exponent = b.lo
        if exponent > 0.0:
            turns = (0.0,) if exponent % 2.0 == 0.0 else ()
            return Real(lambda v: power(v, exponent), turns=turns, ulps=8).over(a, dtype)
        if exponent == 0.0:
            return Interval(1.0, 1.0)
        if a.lo <= 0.0 <= a.hi:
            even = exponent % 2.0 == 0.0 or a.lo == 0.0
            return NON_NEGATIVE if even else EVERYTHING
        return Real(lambda v: power(v, exponent), ulps=8).over(a, dtype)
    if a.lo < 0.0:
        return EVERYTHING
    raw = corners(power, a, b)
    ones = [1.0] if 1.0 in a or 0.0 in b else []
    raw = Interval(min([raw.lo, *ones]), max([raw.hi, *ones]))
    return raw.stored(dtype, 8).clamped(NON_NEGATIVE)


@operator("pow")
def _pow(op: Op) -> Facts:
    x, y = _operands(op)
    dtype = dtype_of(op, x, y)
    if dtype in INTEGERS and not (y.interval.lo >= 0.0):
        return Facts(dtype=None, shape=broadcast(x.shape, y.shape))
    a, b = _ends(x, y, dtype)
    return facts(
        _power_range(a, b, dtype), combined(power, (x, y), dtype), dtype, broadcast(x.shape, y.shape)
    )


@operator("maximum")
def _maximum(op: Op) -> Facts:
    x, y = _operands(op)
    dtype = dtype_of(op, x, y)
    a, b = _ends(x, y, dtype)
    interval = Interval(max(a.lo, b.lo), max(a.hi, b.hi))
    return facts(interval, _bounded(op, x, y, maximum, dtype), dtype, broadcast(x.shape, y.shape))


@operator("minimum")
def _minimum(op: Op) -> Facts:
    x, y = _operands(op)
    dtype = dtype_of(op, x, y)
    a, b = _ends(x, y, dtype)
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
    x, y = _operands(op)
    dtype = real_dtype(op, x, y)
    a, b = _ends(x, y, dtype)
    interval = quotient(a, b).stored(dtype, 1)
    if 0.0 in b:
        interval = interval.hull(Interval(0.0, 0.0))
    return facts(interval, combined(divide_no_nan, (x, y), dtype), dtype, broadcast(x.shape, y.shape))


@operator("multiply_no_nan")
def _multiply_no_nan(op: Op) -> Facts:
    x, y = _operands(op)
    dtype = dtype_of(op, x, y)
    a, b = _ends(x, y, dtype)
    witnesses = combined(multiply_no_nan, (x, y), dtype) + _zero_keeps(op, x, y)
    interval = corners(mul, a, b)
    if 0.0 in b:
        interval = interval.hull(Interval(0.0, 0.0))
    return facts(interval.stored(dtype), witnesses, dtype, broadcast(x.shape, y.shape))


def _times_log(name: str, point: Point2, edge: float) -> None:
    """xlogy and xlog1py: x * f(y), where x = 0 hides whatever f(y) is."""

    @operator(name)
    def transfer(op: Op) -> Facts:
        x, y = _operands(op)
        dtype = real_dtype(op, x, y)
        a, b = _ends(x, y, dtype)
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
    x, y = _operands(op)
    dtype = dtype_of(op, x, y)
    a, b = _ends(x, y, dtype)
    lo, hi = a.lo - b.hi, a.hi - b.lo
    gap = Interval(-_INF if lo != lo else lo, _INF if hi != hi else hi).stored(dtype)
    interval = Real(lambda v: v * v, NON_NEGATIVE, turns=(0.0,)).over(gap, dtype)
    return facts(
        interval, combined(squared_difference, (x, y), dtype), dtype, broadcast(x.shape, y.shape)
    )


# ---- comparisons

_TESTS: dict[str, Callable[[float, float], bool]] = {
    "greater": lambda x, y: x > y,
    "less": lambda x, y: x < y,
    "greater_equal": lambda x, y: x >= y,
    "less_equal": lambda x, y: x <= y,
    "equal": lambda x, y: x == y,
    "not_equal": lambda x, y: x != y,
    "logical_and": lambda x, y: bool(x) and bool(y),
    "logical_or": lambda x, y: bool(x) or bool(y),
    "logical_xor": lambda x, y: bool(x) is not bool(y),
}
#: The comparison with its operands exchanged, and its opposite.
MIRRORED = {
    "greater": "less",
    "less": "greater",
    "greater_equal": "less_equal",
    "less_equal": "greater_equal",
    "equal": "equal",
    "not_equal": "not_equal",
}
OPPOSITE = {
    "greater": "less_equal",
    "less": "greater_equal",
    "greater_equal": "less",
    "less_equal": "greater",
    "equal": "not_equal",
    "not_equal": "equal",
}


def _decided(name: str, a: Interval, b: Interval) -> bool | None:
    """The comparison's outcome where the ranges decide it. NaN operands are left out of account."""
    if name in ("greater", "less_equal"):
        outcome = True if a.lo > b.hi else False if a.hi <= b.lo else None
        return outcome if name == "greater" or outcome is None else not outcome
    if name in ("less", "greater_equal"):
        outcome = True if a.hi < b.lo else False if a.lo >= b.hi else None
        return outcome if name == "less" or outcome is None else not outcome
    if name in ("equal", "not_equal"):
        outcome = False if a.meet(b) is None else True if a.is_point and a == b else None
        return outcome if name == "equal" or outcome is None else not outcome
    return None


def _comparison(name: str, point: Callable[[float, float], bool]) -> None:
    @operator(name, differentiable=False)
    def transfer(op: Op) -> Facts:
        x, y = _operands(op)
        dtype = dtype_of(op, x, y)
        outcome = _decided(name, *_ends(x, y, dtype))
        shape = broadcast(x.shape, y.shape)
        witnesses = combined(lambda a, b: float(point(a, b)), (x, y), dtype)
        if outcome is not None:
            answer = float(outcome)
            return facts(Interval(answer, answer), witnesses or (Witness(answer),), "bool", shape)
        return facts(UNIT, witnesses or fresh(op, 0.0, 1.0), "bool", shape)


for _name, _point in _TESTS.items():
    _comparison(_name, _point)


# ---- choices


@operator("clip", flow=("x",))
def _clip(op: Op) -> Facts:
    """TensorFlow clips from above first, so the lower bound holds even where it is the larger one."""
    x, low, high = op.arg("x"), op.arg("min"), op.arg("max")
    if not is_given(low) and not is_given(high):
        return Facts(x.interval, x.witnesses, x.dtype, x.shape)
    dtype = dtype_of(op, *(v for v in (x, low, high) if is_given(v)))
    interval = x.interval.stored(dtype)
    operands = [x]
    if is_given(high):
        top = high.interval.stored(dtype)
        interval = Interval(min(interval.lo, top.lo), min(interval.hi, top.hi))
        operands.append(high)
    if is_given(low):
        bottom = low.interval.stored(dtype)
        interval = Interval(max(interval.lo, bottom.lo), max(interval.hi, bottom.hi))
        operands.append(low)

    def point(value: float, *bounds: float) -> float:
        rest = list(bounds)
        if is_given(high):
            value = minimum(value, rest.pop(0))
        return maximum(value, rest[0]) if rest else value

    return facts(interval, combined(point, operands, dtype), dtype, x.shape)


def refined(interval: Interval, test: str, bound: Interval, dtype: str | None) -> Interval | None:
    """What is left of a range after `value test bound` was found true; None where nothing is."""
    if test == "greater":
        # A guard `x > 0` leaves the smallest number that the format keeps.
        return interval.meet(Interval(min(above(bound.lo, dtype), _INF), _INF)) if bound.lo < _INF else None
    if test == "greater_equal":
        return interval.meet(Interval(bound.lo, _INF))
    if test == "less":
        return interval.meet(Interval(-_INF, below(bound.hi, dtype))) if bound.hi > -_INF else None
    if test == "less_equal":
        return interval.meet(Interval(-_INF, bound.hi))
    if test == "equal":
        return interval.meet(bound)
    if test == "not_equal" and bound.is_point:
        lo = above(interval.lo, dtype) if interval.lo == bound.lo else interval.lo
        hi = below(interval.hi, dtype) if interval.hi == bound.hi else interval.hi
        return Interval(lo, hi) if lo <= hi else None
    return interval


def _survivors(x: Value, test: str, bound: Value, dtype: str | None) -> tuple[Witness, ...]:
    """The witnesses of `x` that pass the test, with the bound's assumptions joined in."""
    point = _TESTS[test]
    kept = []
    for witness in x.witnesses:
        if bound.witnesses:
            for limit in bound.witnesses:
                inputs = witness.joined(limit)
                if inputs is not None and point(witness.value, round_to(limit.value, dtype)):
                    kept.append(Witness(witness.value, inputs))
        else:
            kept.append(witness)
    return tuple(kept)


def guarded(x: Value, test: str, bound: Value) -> tuple[Interval, tuple[Witness, ...]] | None:
    """`x` where `x test bound` holds; None where it never does."""
    if test not in MIRRORED:
        return x.interval, x.witnesses
    dtype = x.dtype
    interval = refined(x.interval.stored(dtype), test, bound.interval.stored(dtype), dtype)
    if interval is None:
        return None
    return interval, select(_survivors(x, test, bound, dtype), interval)


@operator("refine", flow=("x",))
def _refine(op: Op) -> Facts:
    """What a guard leaves: args `x`, `test` (a comparison's canonical name) and `bound`."""
    x, test = op.arg("x"), op.arg("test")
    left = guarded(x, str(test.literal), op.arg("bound"))
    interval, witnesses = left if left is not None else (x.interval, ())
    return Facts(interval, witnesses, x.dtype, x.shape)


def _chosen(condition: Value, branch: Value, outcome: bool) -> Facts | None:
    """A branch of `where` on the side of its condition; None where that side is never taken."""
    interval, witnesses = branch.interval, branch.witnesses
    test = condition.op
    while test is not None and test.name == "logical_not":
        outcome = not outcome
        test = test.arg("x").op
    if test is not None and test.name in MIRRORED:
        for one, other, name in (("x", "y", test.name), ("y", "x", MIRRORED[test.name])):
            if same(test.arg(one), branch):
                held = guarded(branch, name if outcome else OPPOSITE[name], test.arg(other))
                if held is None:
                    return None
                interval, witnesses = held
    if test is not None and test.name in ("is_finite", "is_nan", "is_inf"):
        safe = outcome is (test.name == "is_finite")
        if safe and same(test.arg("x"), branch):
            witnesses = tuple(w for w in witnesses if math.isfinite(w.value))
    if test is not None and test.value.witnesses:
        # The condition's own witnesses say under which inputs this side is taken.
        sides = [w for w in test.value.witnesses if bool(w.value) is outcome]
        joined = []
        for witness in witnesses:
            for side in sides:
                inputs = witness.joined(side)
                if inputs is not None:
                    joined.append(Witness(witness.value, inputs))
        witnesses = tuple(joined)
    return Facts(interval, witnesses)


@operator("select", flow=("x", "y"))
def _select(op: Op) -> Facts:
    """As `where`, of a conditional that computes only the side it takes."""
    return _where(op)


@operator("where", flow=("x", "y"))
def _where(op: Op) -> Facts:
    condition, x, y = op.arg("condition"), op.arg("x"), op.arg("y")
    if not is_given(x) or not is_given(y):
        # The one-argument form returns indices.
        return Facts(NON_NEGATIVE, (), "int64", None)
    dtype = dtype_of(op, x, y)
    sides = [_chosen(condition, x, True), _chosen(condition, y, False)]
    taken = [side for side in sides if side is not None]
    if not taken:
        return Facts(dtype=dtype)
    interval = taken[0].interval
    for side in taken[1:]:
        interval = interval.hull(side.interval)
    witnesses = [
        Witness(round_to(w.value, dtype), w.inputs) for side in taken for w in side.witnesses
    ]
    shape = broadcast(condition.shape, x.shape, y.shape)
    return facts(interval.stored(dtype), witnesses, dtype, shape)


def joined_facts(values: list[Value], dtype: str | None) -> Facts:
    """The hull of several values and all their witnesses: branches that meet, tensors put together."""
    if not values:
        return Facts(dtype=dtype)
    interval = values[0].interval.stored(dtype)
    for value in values[1:]:
        interval = interval.hull(value.interval.stored(dtype))
    witnesses = [Witness(round_to(w.value, dtype), w.inputs) for v in values for w in v.witnesses]
    return facts(interval, witnesses, dtype)


@operator("join", flow=tuple(str(i) for i in range(16)))
def _join(op: Op) -> Facts:
    """Branches meet: args `0`, `1`, ...; a witness of one branch is reached when it is taken."""
    values = list(op.args.values())
    known = {value.dtype for value in values}
    dtype = known.pop() if len(known) == 1 else dtype_of(op, *values)
    result = joined_facts(values, dtype)
    shapes = {value.shape for value in values}
    return Facts(result.interval, result.witnesses, dtype, shapes.pop() if len(shapes) == 1 else None)
