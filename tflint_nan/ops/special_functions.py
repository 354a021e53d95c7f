"""Points of special functions, and of what only NumPy has: total, as those of `ops.functions`."""

from __future__ import annotations

import math

from tflint_nan.ops.functions import div, exp, maximum, power, sin

_NAN = math.nan
_INF = math.inf


def trunc(x: float) -> float:
    """The integer part; infinities and NaN stay."""
    return float(math.trunc(x)) if math.isfinite(x) else x


def cbrt(x: float) -> float:
    """The real cube root."""
    if x == 0.0 or not math.isfinite(x):
        return x
    root = abs(x) ** (1.0 / 3.0)
    return math.copysign(root - (root - abs(x) / root / root) / 3.0, x)  # one of Newton's steps


def exp2(x: float) -> float:
    """2 to the x, infinity on overflow."""
    return power(2.0, x)


def sinc(x: float) -> float:
    """sin(pi x) / (pi x), 1 at 0."""
    return 1.0 if x == 0.0 else sin(math.pi * x) / (math.pi * x)


def erfcinv(x: float) -> float:
    """Inverse of erfc: infinite at 0 and 2, NaN outside; by bisection, since erfc falls everywhere."""
    if not 0.0 <= x <= 2.0:
        return _NAN
    if x in (0.0, 2.0):
        return _INF if x == 0.0 else -_INF
    low, high = -28.0, 28.0  # erfc(28) is under the smallest float64
    while low < (middle := 0.5 * (low + high)) < high:
        if math.erfc(middle) > x:
            low = middle
        else:
            high = middle
    return middle


def ndtri(x: float) -> float:
    """Quantile of the standard normal distribution: infinite at 0 and 1, NaN outside."""
    return -math.sqrt(2.0) * erfcinv(2.0 * x)


def logaddexp(x: float, y: float) -> float:
    """log(exp(x) + exp(y)), without overflow."""
    top = maximum(x, y)
    return top if not math.isfinite(top) else top + math.log1p(exp(-abs(x - y)))


def atan2(y: float, x: float) -> float:
    """The angle of the point (x, y)."""
    return math.atan2(y, x)


def hypot(x: float, y: float) -> float:
    """sqrt(x * x + y * y), without overflow on the way."""
    return math.hypot(x, y)


def xdivy(x: float, y: float) -> float:
    """x / y, and 0 where x is 0."""
    return 0.0 if x == 0.0 else div(x, y)


def truncatemod(x: float, y: float) -> float:
    """Remainder with the sign of the dividend, NaN for a zero divisor."""
    if y == 0.0 or math.isinf(x) or x != x or y != y:
        return _NAN
    return math.fmod(x, y)
