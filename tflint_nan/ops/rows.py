"""Functions of whole rows: softmax, its logarithm, normalisation to length 1."""

from __future__ import annotations

import math

from tflint_nan.interval import EVERYTHING, Interval, epsilon, round_to
from tflint_nan.ops.functions import exp
from tflint_nan.ops.points import facts, far, fresh, real_dtype
from tflint_nan.ops.table import Facts, operator
from tflint_nan.value import NONE, Const, Op, Value, Witness

_INF = math.inf
#: The guard of a length where none is given, and what has another one.
_GUARD = 1e-12
_GUARDS = dict.fromkeys(("keras.ops.normalize", "keras.layers.Dot"), 1e-7)
#: What is made for arrays, and leaves a row of zeros as it is.
_OF_ARRAYS = "keras.utils.normalize"


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
    # Where the format loses the epsilon, a zero row is 0 * inf.
    zero = 0.0
    if loses_length_guard(op, dtype):
        zero, interval = math.nan, EVERYTHING
    kept = [Witness(zero, w.inputs) for w in x.witnesses if w.value == 0.0]
    return facts(interval, kept, dtype, x.shape)


def length_guard(op: Op) -> float | None:
    """The epsilon that keeps the lengths by which `op` divides off 0; None where it is not known."""
    given = op.arg("epsilon")
    if given is NONE:
        return _GUARDS.get(op.api, _GUARD)
    return given.number if isinstance(given, Const) else None


def loses_length_guard(op: Op, dtype: str | None) -> bool:
    """Whether a format loses the epsilon of a normalisation.

    TensorFlow computes `x * rsqrt(maximum(sum(x ** 2), epsilon))`, `keras.ops` of Keras 3 has for the factor
    `minimum(rsqrt(sum(x ** 2)), 1 / epsilon)`. Those of arrays of NumPy and of norms of other orders hold.
    """
    guard = length_guard(op)
    if guard is None or op.api == _OF_ARRAYS or op.arg("order").literal not in (None, 2):
        return False
    return round_to(guard, dtype) == 0.0 or (op.api in _GUARDS and math.isinf(round_to(1.0 / guard, dtype)))
