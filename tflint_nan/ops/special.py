"""Special functions of `tf.math`, and elementwise functions beside the common ones."""

from __future__ import annotations

import math

from tflint_nan.interval import EVERYTHING, NON_NEGATIVE, UNIT, Interval, above, below, round_to
from tflint_nan.ops.arithmetic import ends, operands, quotient
from tflint_nan.ops.bounds import bounded, real_part, sign_of
from tflint_nan.ops.functions import div
from tflint_nan.ops.names import both
from tflint_nan.ops.points import (
    Real,
    broadcast,
    combined,
    corners,
    dtype_of,
    elementwise,
    facts,
    is_given,
    mapped,
    real_dtype,
)
from tflint_nan.ops.reductions import count
from tflint_nan.ops.special_functions import (
    atan2,
    cbrt,
    erfcinv,
    exp2,
    hypot,
    logaddexp,
    ndtri,
    trunc,
    truncatemod,
    xdivy,
)
from tflint_nan.ops.table import Call, Facts, Machine, api, operator
from tflint_nan.value import Const, Op, Shape, Value

_INF = math.inf
_POSITIVE = NON_NEGATIVE

# ---- of one number

_FUNCTIONS = {
    "cbrt": Real(cbrt, ulps=4, odd=True),
    "exp2": Real(exp2, NON_NEGATIVE, ulps=4, exact=(1.0,)),
    "ndtri": Real(ndtri, domain=UNIT, ulps=64, floor=1.0),
}
for _name, _function in _FUNCTIONS.items():
    elementwise(_name, _function)
elementwise("trunc", Real(trunc), keeps_integers=True, differentiable=False)


@operator("erfcinv")
def _erfcinv(op: Op) -> Facts:
    """The quantile of half of x: a number whose half is flushed counts as 0."""
    x = op.arg("x")
    dtype = real_dtype(op, x)

    def point(value: float) -> float:
        return erfcinv(2.0 * round_to(0.5 * value, dtype))

    function = Real(point, domain=Interval(0.0, 2.0), ulps=64, floor=1.0)
    interval = function.over(x.interval.stored(dtype), dtype)
    return facts(interval, mapped(point, x, dtype), dtype, x.shape)


#: Functions whose values are bounded everywhere: the extremes, from Abramowitz and Stegun, chapters 7 and 9,
#: with the rounding of the kernels' polynomials.
_IMAGES = {
    "bessel_i0": Interval(0.99, _INF),
    "bessel_i0e": UNIT,
    "bessel_i1e": Interval(-0.22, 0.22),
    "bessel_j0": Interval(-0.404, 1.0),
    "bessel_j1": Interval(-0.583, 0.583),
    "bessel_k0": _POSITIVE,
    "bessel_k0e": _POSITIVE,
    "bessel_k1": _POSITIVE,
    "bessel_k1e": _POSITIVE,
    "bessel_y0": Interval(-_INF, 0.522),
    "bessel_y1": Interval(-_INF, 0.417),
    "dawsn": Interval(-0.542, 0.542),
    "fresnel_sin": Interval(-0.714, 0.714),
    "fresnel_cos": Interval(-0.78, 0.78),
    "expint": EVERYTHING,
    "spence": Interval(-_INF, 1.65),
    "sinc": Interval(-0.218, 1.0),
}
for _name, _image in _IMAGES.items():
    bounded(_name, _image, "x")
bounded("bessel_i1", lambda op: sign_of(op.arg("x")), "x")

for _name in _IMAGES:
    if _name != "sinc":
        api(f"tf.math.special.{_name}", _name, "x name")
api("tf.math.special.bessel_i1 tf.math.bessel_i1", "bessel_i1", "x name")
api("tf.math.bessel_i0", "bessel_i0", "x name")
api("tf.math.bessel_i0e", "bessel_i0e", "x name")
api("tf.math.bessel_i1e", "bessel_i1e", "x name")
api("tf.math.ndtri", "ndtri", "x name")
api("tf.math.erfcinv", "erfcinv", "x name")

# ---- incomplete integrals, families of the gamma function

#: Either function is 1 less the other one, so both leave [0, 1] by rounding.
bounded("igamma igammac", Interval(-1e-4, 1.0 + 1e-4), "a", "x")
bounded("betainc", UNIT, "a", "b", "x")


def _zeta(op: Op) -> Interval:
    """A sum of positive powers, where it converges."""
    x, q = op.arg("x"), op.arg("q")
    return NON_NEGATIVE if x.interval.lo >= 1.0 and q.interval.lo >= 0.0 else EVERYTHING


def _polygamma(op: Op) -> Interval:
    """The derivative number `a` of digamma: over the positive numbers its sign is (-1)^(a + 1)."""
    order, x = op.arg("a"), op.arg("x")
    degree = order.number if isinstance(order, Const) else None
    if degree is None or degree < 1.0 or degree % 1.0 != 0.0 or x.interval.lo < 0.0:
        return EVERYTHING
    return NON_NEGATIVE if degree % 2.0 == 1.0 else Interval(-_INF, 0.0)


def _without_last(shape: Shape) -> Shape:
    return None if not shape else shape[:-1]


bounded("zeta", _zeta, "x", "q")
bounded("polygamma", _polygamma, "a", "x")
bounded("lbeta", EVERYTHING, "x", shape=_without_last)
both("igamma", "igamma", "a x name")
both("igammac", "igammac", "a x name")
both("betainc", "betainc", "a b x name")
both("zeta", "zeta", "x q name")
both("polygamma", "polygamma", "a x name")
both("lbeta", "lbeta", "x name")

# ---- of two numbers


@operator("atan2")
def _atan2(op: Op) -> Facts:
    """The angle of (x, y): a zero y has either sign, so only y > 0 tells the half plane."""
    y, x = op.arg("y"), op.arg("x")
    dtype = real_dtype(op, y, x)
    b, a = ends(y, x, dtype)
    low, high = (-math.pi, math.pi) if a.lo < 0.0 else (-math.pi / 2.0, math.pi / 2.0)
    if b.lo > 0.0:
        low = 0.0
    elif b.hi < 0.0:
        high = 0.0
    interval = Interval(low, high).stored(dtype, 2)
    return facts(interval, combined(atan2, (y, x), dtype), dtype, broadcast(y.shape, x.shape))


both("atan2", "atan2", "y x name")


@operator("xdivy")
def _xdivy(op: Op) -> Facts:
    """x / y, and 0 where x is 0."""
    x, y = operands(op)
    dtype = real_dtype(op, x, y)
    a, b = ends(x, y, dtype)
    interval = quotient(a, b).stored(dtype)
    if 0.0 in a:
        interval = interval.hull(Interval(0.0, 0.0))
    witnesses = combined(xdivy, (x, y), dtype)
    if not y.witnesses:
        witnesses += tuple(w for w in x.witnesses if w.value == 0.0)
    return facts(interval, witnesses, dtype, broadcast(x.shape, y.shape))


api("tf.math.xdivy", "xdivy", "x y name")
# No number is 1 / 0 any more: the quotient that leaves such divisors out, with dividend 1.
api("tf.math.reciprocal_no_nan", "divide_no_nan", "x:y name", x=Const(1.0))


@operator("truncatediv", differentiable=False)
def _truncatediv(op: Op) -> Facts:
    """The integer part of x / y."""
    x, y = operands(op)
    dtype = dtype_of(op, x, y)
    a, b = ends(x, y, dtype)
    raw = quotient(a, b)
    interval = Interval(trunc(raw.lo), trunc(raw.hi))
    witnesses = combined(lambda a, b: trunc(div(a, b)), (x, y), dtype)
    return facts(interval.stored(dtype, 1), witnesses, dtype, broadcast(x.shape, y.shape))


@operator("truncatemod")
def _truncatemod(op: Op) -> Facts:
    """The remainder with the sign of x: no larger than x, and smaller than y."""
    x, y = operands(op)
    dtype = dtype_of(op, x, y)
    a, b = ends(x, y, dtype)
    reach = max(abs(b.lo), abs(b.hi))
    interval = Interval(max(min(a.lo, 0.0), -reach), min(max(a.hi, 0.0), reach))
    return facts(interval, combined(truncatemod, (x, y), dtype), dtype, broadcast(x.shape, y.shape))


api("tf.truncatediv", "truncatediv", "x y name")
api("tf.truncatemod", "truncatemod", "x y name")


@operator("logaddexp")
def _logaddexp(op: Op) -> Facts:
    """log(exp(x) + exp(y)): at least the larger one, at most that and log(2)."""
    x, y = operands(op)
    dtype = real_dtype(op, x, y)
    a, b = ends(x, y, dtype)
    interval = Interval(max(a.lo, b.lo), max(a.hi, b.hi) + math.log(2.0)).stored(dtype, 16, floor=1.0)
    return facts(interval, combined(logaddexp, (x, y), dtype), dtype, broadcast(x.shape, y.shape))


@operator("hypot")
def _hypot(op: Op) -> Facts:
    x, y = operands(op)
    dtype = real_dtype(op, x, y)
    parts = [Real(abs, NON_NEGATIVE, turns=(0.0,)).over(end, dtype) for end in ends(x, y, dtype)]
    interval = corners(hypot, *parts).stored(dtype, 4).clamped(NON_NEGATIVE)
    return facts(interval, combined(hypot, (x, y), dtype), dtype, broadcast(x.shape, y.shape))


@operator("copysign")
def _copysign(op: Op) -> Facts:
    """The size of x with the sign of y; a zero y has either sign."""
    x, y = operands(op)
    dtype = real_dtype(op, x, y)
    a, b = ends(x, y, dtype)
    size = max(abs(a.lo), abs(a.hi))
    interval = Interval(0.0 if b.lo > 0.0 else -size, 0.0 if b.hi < 0.0 else size)
    return facts(interval, (), dtype, broadcast(x.shape, y.shape))


@operator("nextafter")
def _nextafter(op: Op) -> Facts:
    """The neighbour of x on the way to y."""
    x, y = op.arg("x"), op.arg("y")
    dtype = real_dtype(op, x, y)
    a = x.interval.stored(dtype)
    return facts(Interval(below(a.lo, dtype), above(a.hi, dtype)), (), dtype, broadcast(x.shape, y.shape))


api("tf.math.nextafter", "nextafter", "x1:x x2:y name")


def polyval(machine: Machine, call: Call) -> Value:
    """`polyval(coeffs, x)`: Horner's rule, the highest power first."""
    terms = machine.elements(call.arg("coeffs"))
    if not terms:
        return machine.emit("unknown_call", {"0": call.arg("coeffs"), "1": call.arg("x")}, call=call)
    total = terms[0]
    for term in terms[1:]:
        product = machine.emit("mul", {"x": total, "y": call.arg("x")}, call=call)
        total = machine.emit("add", {"x": product, "y": term}, call=call)
    return total


api("tf.math.polyval", polyval, "coeffs x name")

# ---- prefixes


@operator("cumulative_logsumexp")
def _cumulative_logsumexp(op: Op) -> Facts:
    """The logarithm of running sums: at least the smallest element; an empty prefix is the lowest number."""
    x = op.arg("x")
    dtype = real_dtype(op, x)
    bounds = x.interval.stored(dtype)
    lowest = (
        -_INF if is_given(op.arg("exclusive")) and op.arg("exclusive").literal is not False else bounds.lo
    )
    n = count(op, x)
    top = bounds.hi + math.log(n) if n else (-_INF if bounds.hi == -_INF else _INF)
    return facts(Interval(lowest, max(top, lowest)).stored(dtype, 64, floor=1.0), (), dtype, x.shape)


api("tf.math.cumulative_logsumexp", "cumulative_logsumexp", "x axis exclusive reverse name")

# ---- complex numbers: their parts are known to be real, and no more


def _part(op: Op) -> Facts:
    """The real part: of a real number, the number itself."""
    x = op.arg("x")
    dtype = real_part(x.dtype)
    if x.dtype is not None and dtype == x.dtype:
        return Facts(x.interval, x.witnesses, dtype, x.shape)
    return Facts(dtype=dtype, shape=x.shape)


operator("real")(_part)
bounded("imag", EVERYTHING, "x")
bounded("angle", Interval(-math.pi, math.pi), "x")
both("real", "real", "input:x name")
both("imag", "imag", "input:x name")
both("angle", "angle", "input:x name")
both("conj", "conj", "x name")
_COMPLEX = {"float32": "complex64", "float64": "complex128"}


@operator("conj")
def _conj(op: Op) -> Facts:
    """The number itself where it is real; of a complex one the intervals say nothing."""
    x = op.arg("x")
    return Facts(x.interval, x.witnesses, x.dtype, x.shape)


@operator("complex")
def _complex(op: Op) -> Facts:
    x, y = op.arg("real"), op.arg("imag")
    dtype = real_dtype(op, x, y)
    return Facts(dtype=_COMPLEX.get(dtype or "float32", "complex64"), shape=broadcast(x.shape, y.shape))


api("tf.complex tf.dtypes.complex", "complex", "real imag name")

# ---- bits

bounded("bits", EVERYTHING, "x", "y", differentiable=False)
for _name in ("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"):
    api(f"tf.bitwise.{_name}", "bits", "x y name")
api("tf.bitwise.invert", "bits", "x name")
