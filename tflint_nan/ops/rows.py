"""Functions of whole rows: softmax, its logarithm, normalisation to length 1."""

from __future__ import annotations

import math

from tflint_nan.interval import EVERYTHING, Interval, epsilon, round_to
from tflint_nan.ops.functions import exp
from tflint_nan.ops.points import facts, far, fresh, real_dtype
from tflint_nan.ops.table import Facts, operator
from tflint_nan.value import Const, Op, Value, Witness

_INF = math.inf


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
