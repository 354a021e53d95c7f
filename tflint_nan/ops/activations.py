"""Activation functions that only Keras has, and the names of all of Keras' activations."""

from __future__ import annotations

import math

from tflint_nan.interval import NON_NEGATIVE, UNIT, Interval, largest
from tflint_nan.ops.functions import expm1, hard_sigmoid
from tflint_nan.ops.handlers import number
from tflint_nan.ops.points import (
    Real,
    elementwise,
    facts,
    fresh,
    is_given,
    is_unbounded,
    joined_facts,
    mapped,
    real_dtype,
)
from tflint_nan.ops.table import Facts, api, operator
from tflint_nan.value import Const, Op, Shape, Value

_INF = math.inf


def hard_silu(x: float) -> float:
    """x * relu6(x + 3) / 6."""
    return 0.0 if x == -_INF else x * hard_sigmoid(x)


def sparse_plus(x: float) -> float:
    """0 up to -1, x from 1 on, a parabola between."""
    return x if x != x or x >= 1.0 else 0.0 if x <= -1.0 else 0.25 * (x + 1.0) ** 2


def sparse_sigmoid(x: float) -> float:
    """0 up to -1, 1 from 1 on, a straight line between."""
    return x if x != x else min(max(0.5 * (x + 1.0), 0.0), 1.0)


def tanh_shrink(x: float) -> float:
    """x - tanh(x)."""
    return x - math.tanh(x)


for _name, _function in {
    # Between the turning points the functions are monotonic; the images hold their rounded minima.
    "hard_silu": Real(hard_silu, Interval(-0.38, _INF), turns=(-1.5,), ulps=8, floor=1.0),
    "hard_tanh": Real(lambda x: x if x != x else min(max(x, -1.0), 1.0), Interval(-1.0, 1.0)),
    "sparse_plus": Real(sparse_plus, NON_NEGATIVE, ulps=8, floor=1.0, exact=(0.0,)),
    "sparse_sigmoid": Real(sparse_sigmoid, UNIT, ulps=8, floor=1.0, exact=(0.0, 1.0)),
    "tanh_shrink": Real(tanh_shrink, ulps=8, floor=1.0, odd=True),
}.items():
    elementwise(_name, _function)


def _parameter(op: Op, name: str, default: float) -> float | None:
    """The number that a parameter is, None where it is not known."""
    value = op.arg(name)
    return number(value) if is_given(value) else default


def _over(op: Op, function: Real) -> Facts:
    x = op.arg("x")
    dtype = real_dtype(op, x)
    interval = function.over(x.interval.stored(dtype), dtype)
    return facts(interval, mapped(function.point, x, dtype), dtype, x.shape)


def _not_known(op: Op) -> Facts:
    x = op.arg("x")
    return Facts(dtype=real_dtype(op, x), shape=x.shape)


@operator("celu")
def _celu(op: Op) -> Facts:
    """max(x, 0) + alpha * expm1(min(x, 0) / alpha)."""
    scale = _parameter(op, "alpha", 1.0)
    if scale is None or not scale > 0.0:
        return _not_known(op)
    known = scale
    point = lambda x: x if x >= 0.0 or x != x else known * expm1(x / known)  # noqa: E731
    return _over(op, Real(point, ulps=8, floor=max(1.0, known)))


def _shrinking(name: str, moves: bool) -> None:
    """0 within `threshold` of 0; outside as it is, or moved towards 0."""

    @operator(name)
    def transfer(op: Op) -> Facts:
        bound = _parameter(op, "threshold", 0.5)
        x = op.arg("x")
        if bound is None or bound < 0.0:
            return Facts(x.interval.hull(Interval(0.0, 0.0)), (), real_dtype(op, x), x.shape)

        def point(value: float) -> float:
            if value != value or abs(value) > bound:
                return value - math.copysign(bound, value) if moves else value
            return 0.0

        return _over(op, Real(point, ulps=2 if moves else 0, floor=bound if moves else 0.0))


_shrinking("hard_shrink", moves=False)
_shrinking("soft_shrink", moves=True)


@operator("threshold")
def _threshold(op: Op) -> Facts:
    """x where it lies over `threshold`, another number elsewhere."""
    x, other, bound = op.arg("x"), op.arg("default"), number(op.arg("threshold"))
    other = other if is_given(other) else Const(0.0)
    dtype = real_dtype(op, x)
    both = joined_facts([x, other], dtype)
    if bound is None or bound != bound:
        return Facts(both.interval, (), dtype, x.shape)
    kept = x.interval.stored(dtype).meet(Interval(bound, _INF))
    if kept is None:
        return Facts(other.interval.stored(dtype), (), dtype, x.shape)
    default = number(other)
    if default is None or default != default:
        return Facts(both.interval, (), dtype, x.shape)
    interval = kept.hull(Interval.point(default, dtype)) if x.interval.lo <= bound else kept
    return facts(interval, mapped(lambda v: v if v > bound else default, x, dtype), dtype, x.shape)


@operator("squareplus")
def _squareplus(op: Op) -> Facts:
    """(x + sqrt(x * x + b)) / 2: cancels to 0 below, infinite on both sides where the square overflows."""
    x, b = op.arg("x"), _parameter(op, "b", 4.0)
    dtype = real_dtype(op, x)
    if b is None or b < 0.0:
        return _not_known(op)
    known = b

    def point(value: float) -> float:
        return 0.5 * (value + math.hypot(value, math.sqrt(known)))

    bounds = x.interval.stored(dtype)
    if max(abs(bounds.lo), abs(bounds.hi)) >= math.sqrt(largest(dtype)):
        return Facts(NON_NEGATIVE, (), dtype, x.shape)
    function = Real(point, NON_NEGATIVE, ulps=8, floor=max(1.0, abs(bounds.lo), abs(bounds.hi)))
    near = tuple(w for w in mapped(point, x, dtype) if w.value >= 0.5)
    return facts(function.over(bounds, dtype), near, dtype, x.shape)


@operator("glu")
def _glu(op: Op) -> Facts:
    """One half of the rows times the sigmoid of the other: no further from 0 than that half."""
    x = op.arg("x")
    dtype = real_dtype(op, x)
    shape: Shape = None
    if x.shape and not is_given(op.arg("axis")) and x.shape[-1] is not None:
        shape = (*x.shape[:-1], x.shape[-1] // 2)
    zero = tuple(w for w in x.witnesses if w.value == 0.0)
    return facts(x.interval.stored(dtype).hull(Interval(0.0, 0.0)), zero, dtype, shape)


@operator("sparsemax")
def _sparsemax(op: Op) -> Facts:
    """The nearest point of the simplex (Martins and Astudillo 2016): exactly 0 and 1 for logits far apart.

    The threshold comes from a running sum: in the short formats its rounding puts shares far over 1.
    """
    x = op.arg("x")
    dtype = real_dtype(op, x)
    reached = fresh(op, 0.0, 1.0) if is_unbounded(x) and _wide(x) else ()
    return facts(NON_NEGATIVE, reached, dtype, x.shape)


def _wide(x: Value) -> bool:
    """True unless a row is known to be a single number."""
    return not x.shape or x.shape[-1] != 1


# ---- names: (function, operator where it is called otherwise, parameters after x)

for _name, _operator, _options in (
    ("celu", "celu", "alpha"),
    ("elu", "elu", "alpha"),
    ("glu", "glu", "axis"),
    ("hard_shrink", "hard_shrink", "threshold"),
    ("hard_sigmoid", "hard_sigmoid", ""),
    ("hard_silu", "hard_silu", ""),
    ("hard_swish", "hard_silu", ""),
    ("hard_tanh", "hard_tanh", ""),
    ("log_sigmoid", "log_sigmoid", ""),
    ("log_softmax", "log_softmax", "axis"),
    ("relu6", "relu6", ""),
    ("selu", "selu", ""),
    ("sigmoid", "sigmoid", ""),
    ("silu", "swish", ""),
    ("soft_shrink", "soft_shrink", "threshold"),
    ("softmax", "softmax", "axis"),
    ("softplus", "softplus", ""),
    ("softsign", "softsign", ""),
    ("sparse_plus", "sparse_plus", ""),
    ("sparse_sigmoid", "sparse_sigmoid", ""),
    ("sparsemax", "sparsemax", "axis"),
    ("squareplus", "squareplus", "b"),
    ("swish", "swish", ""),
    ("tanh", "tanh", ""),
    ("tanh_shrink", "tanh_shrink", ""),
    ("gelu", "gelu", "approximate"),
    ("threshold", "threshold", "threshold default_value:default"),
):
    api(f"keras.activations.{_name} keras.ops.{_name}", _operator, f"x {_options}")
api("keras.activations.mish", "mish", "x")
api(
    "keras.activations.leaky_relu keras.ops.leaky_relu",
    "leaky_relu",
    "x negative_slope:alpha",
    alpha=Const(0.2),
)
api("keras.activations.relu", "relu", "x negative_slope:alpha max_value threshold alpha")
api("keras.ops.relu", "relu", "x")
api("keras.activations.exponential", "exp", "x")
api("keras.activations.linear", "identity", "x")
