"""Comparisons, and choices between values: clips, `where`, guards, branches that meet."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from tflint_nan.interval import NON_NEGATIVE, UNIT, Interval, above, below, round_to
from tflint_nan.ops.arithmetic import ends, operands
from tflint_nan.ops.functions import maximum, minimum
from tflint_nan.ops.picks import behind, picking
from tflint_nan.ops.points import (
    aligned,
    bare,
    broadcast,
    combined,
    dtype_of,
    facts,
    fresh,
    is_given,
    joined_facts,
    select,
)
from tflint_nan.ops.repeats import alike
from tflint_nan.ops.table import Facts, operator
from tflint_nan.value import NONE, Const, Op, Tensor, Value, Witness

_INF = math.inf

# ---- comparisons

TESTS: dict[str, Callable[[float, float], bool]] = {
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
#: How many of the tests that make a condition are looked at.
_MANY = 64
#: Tests for what is no ordinary number, and what is known of one that is ordinary by the test.
_USUAL = {"is_finite": "is_finite", "is_nan": "is_number", "is_inf": "is_bounded"}


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
        x, y = operands(op)
        dtype = dtype_of(op, x, y)
        outcome = _decided(name, *ends(x, y, dtype))
        shape = broadcast(x.shape, y.shape)
        witnesses = combined(lambda a, b: float(point(a, b)), (x, y), dtype)
        if outcome is not None:
            answer = float(outcome)
            return facts(Interval(answer, answer), witnesses or (Witness(answer),), "bool", shape)
        return facts(UNIT, witnesses or fresh(op, 0.0, 1.0), "bool", shape)


for _name, _point in TESTS.items():
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
    point = TESTS[test]
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


def implied(condition: Value, outcome: bool) -> Iterator[tuple[Value, str, Value]]:
    """What is known where `condition` comes out as `outcome`: a value, a test that it passes, its bound.

    Tests are comparisons, and without a bound `is_finite`, `is_number` (no NaN), `is_bounded` (not infinite).
    """
    todo = [(condition, outcome)]
    for _ in range(_MANY):
        if not todo:
            return
        value, holds = todo.pop()
        op = bare(value).op
        if op is None:
            continue
        if op.name == "logical_not":
            todo.append((op.arg("x"), not holds))
        elif op.name == ("logical_and" if holds else "logical_or"):
            todo += [(op.arg("x"), holds), (op.arg("y"), holds)]
        elif op.name in MIRRORED:
            x, y, name = op.arg("x"), op.arg("y"), op.name if holds else OPPOSITE[op.name]
            yield x, name, y
            yield y, MIRRORED[name], x
        elif op.name in _USUAL and holds is (op.name == "is_finite"):
            yield op.arg("x"), _USUAL[op.name], NONE


def picked(op: Op) -> tuple[Interval, tuple[Witness, ...]]:
    """Elements of `x` that an op takes out of it: those for which all its conditions hold."""
    x = op.arg("x")
    interval, witnesses = x.interval, x.witnesses
    for mask, passed in picking(op):
        for tested, test, bound in implied(mask, True):
            if not passed or not alike(tested, x):
                continue
            if test in _USUAL.values():
                witnesses = tuple(w for w in witnesses if math.isfinite(w.value))
            else:
                left = guarded(Tensor(op, interval, witnesses, x.dtype, x.shape), test, bound)
                interval, witnesses = left or (interval, ())  # where it never holds, nothing is picked
        witnesses = tuple(_agreeing(witnesses, mask))
    return interval, witnesses


def _agreeing(witnesses: tuple[Witness, ...], mask: Value) -> Iterator[Witness]:
    """The witnesses that are reached where a mask is True, or that it does not ask about."""
    asked = {op.serial for op in behind(mask)} if witnesses else set()
    for witness in witnesses:
        assumed = {source.serial for source, _ in witness.inputs}
        if asked.isdisjoint(assumed):
            yield witness
            continue
        for side in mask.witnesses:
            if side.value and not assumed.isdisjoint(source.serial for source, _ in side.inputs):
                inputs = witness.joined(side)
                if inputs is not None:
                    yield Witness(witness.value, inputs)


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
            known = name if outcome else OPPOSITE[name]
            negated = branch.op.arg("x") if branch.op is not None and branch.op.name == "neg" else None
            if aligned(test.arg(one), branch):
                held = guarded(branch, known, test.arg(other))
                if held is None:
                    return None
                interval, witnesses = held
            elif negated is not None and aligned(test.arg(one), negated):
                # where(x >= 0, -x, x) is never positive.
                held = guarded(negated, known, test.arg(other))
                if held is None:
                    return None
                interval = Interval(-held[0].hi, -held[0].lo)
            elif branch.op is not None and branch.op.name == "sub":
                # where(x > y, x - y, 1) is not 0.
                ordered = zip(operands(branch.op), (test.arg(one), test.arg(other)), strict=True)
                held = guarded(branch, known, Const(0)) if all(aligned(*pair) for pair in ordered) else None
                interval, witnesses = held or (interval, witnesses)
    if test is not None and test.name in ("is_finite", "is_nan", "is_inf"):
        safe = outcome is (test.name == "is_finite")
        if safe and aligned(test.arg("x"), branch):
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
    witnesses = [Witness(round_to(w.value, dtype), w.inputs) for side in taken for w in side.witnesses]
    shape = broadcast(condition.shape, x.shape, y.shape)
    return facts(interval.stored(dtype), witnesses, dtype, shape)


@operator("join", flow=tuple(str(i) for i in range(16)))
def _join(op: Op) -> Facts:
    """Branches meet: args `0`, `1`, ...; a witness of one branch is reached when it is taken."""
    values = list(op.args.values())
    known = {value.dtype for value in values}
    dtype = known.pop() if len(known) == 1 else dtype_of(op, *values)
    result = joined_facts(values, dtype)
    shapes = {value.shape for value in values}
    return Facts(result.interval, result.witnesses, dtype, shapes.pop() if len(shapes) == 1 else None)
