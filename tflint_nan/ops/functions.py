"""Functions of real numbers as TensorFlow computes them: total, infinite at poles and on overflow."""

from __future__ import annotations

import math
from collections.abc import Callable

_NAN = math.nan
_INF = math.inf


def exp(x: float) -> float:
    """e to the x, infinity on overflow."""
    try:
        return math.exp(x)
    except OverflowError:
        return _INF


def expm1(x: float) -> float:
    """exp(x) - 1, infinity on overflow."""
    try:
        return math.expm1(x)
    except OverflowError:
        return _INF


def log(x: float) -> float:
    """Natural logarithm: -inf at 0, NaN below."""
    return math.log(x) if x > 0.0 else -_INF if x == 0.0 else _NAN


def log2(x: float) -> float:
    """Logarithm to base 2."""
    return math.log2(x) if x > 0.0 else log(x)


def log10(x: float) -> float:
    """Logarithm to base 10."""
    return math.log10(x) if x > 0.0 else log(x)


def log1p(x: float) -> float:
    """log(1 + x): -inf at -1, NaN below."""
    return math.log1p(x) if x > -1.0 else -_INF if x == -1.0 else _NAN


def sqrt(x: float) -> float:
    """Square root, NaN below 0."""
    return math.sqrt(x) if x >= 0.0 else _NAN


def reciprocal(x: float) -> float:
    """1 / x, an infinity of the zero's sign at 0."""
    return 1.0 / x if x != 0.0 else math.copysign(_INF, x)


def rsqrt(x: float) -> float:
    """1 / sqrt(x): infinity at 0, NaN below."""
    return reciprocal(sqrt(x))


def square(x: float) -> float:
    """x * x."""
    return x * x


def sign(x: float) -> float:
    """-1, 0 or 1; NaN for NaN."""
    return x if x != x else float((x > 0) - (x < 0))


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), without overflow."""
    if x >= 0.0:
        return 1.0 / (1.0 + exp(-x))
    small = exp(x)
    return small / (1.0 + small)


def softplus(x: float) -> float:
    """log(1 + exp(x)), without overflow."""
    return x if x != x else max(x, 0.0) + math.log1p(exp(-abs(x)))


def log_sigmoid(x: float) -> float:
    """log(sigmoid(x))."""
    return -softplus(-x)


def relu(x: float) -> float:
    """max(x, 0); NaN stays."""
    return 0.0 if x <= 0.0 else x


def relu6(x: float) -> float:
    """min(max(x, 0), 6)."""
    return x if x != x else min(max(x, 0.0), 6.0)


SELU_SCALE = 1.0507009873554805  # Klambauer et al. 2017, "Self-Normalizing Neural Networks"
SELU_ALPHA = 1.6732632423543772


def selu(x: float) -> float:
    """Scaled exponential linear unit."""
    return SELU_SCALE * (x if x > 0.0 else SELU_ALPHA * expm1(x))


def softsign(x: float) -> float:
    """x / (1 + |x|)."""
    return sign(x) if math.isinf(x) else x / (1.0 + abs(x))


def gelu(x: float) -> float:
    """x * Phi(x)."""
    if x == -_INF:
        return 0.0
    return x * 0.5 * math.erfc(-x / math.sqrt(2.0))


def swish(x: float) -> float:
    """x * sigmoid(x)."""
    return 0.0 if x == -_INF else x * sigmoid(x)


def mish(x: float) -> float:
    """x * tanh(softplus(x))."""
    return 0.0 if x == -_INF else x * math.tanh(softplus(x))


def hard_sigmoid(x: float) -> float:
    """relu6(x + 3) / 6, as Keras 3 and PyTorch define it."""
    return relu6(x + 3.0) / 6.0


def _periodic(function: Callable[[float], float], x: float) -> float:
    return _NAN if not math.isfinite(x) else function(x)


def sin(x: float) -> float:
    """Sine; NaN for infinities."""
    return _periodic(math.sin, x)


def cos(x: float) -> float:
    """Cosine; NaN for infinities."""
    return _periodic(math.cos, x)


def tan(x: float) -> float:
    """Tangent; NaN for infinities."""
    return _periodic(math.tan, x)


def asin(x: float) -> float:
    """Arc sine, NaN outside [-1, 1]."""
    return math.asin(x) if -1.0 <= x <= 1.0 else _NAN


def acos(x: float) -> float:
    """Arc cosine, NaN outside [-1, 1]."""
    return math.acos(x) if -1.0 <= x <= 1.0 else _NAN


def sinh(x: float) -> float:
    """Hyperbolic sine, infinite on overflow."""
    try:
        return math.sinh(x)
    except OverflowError:
        return math.copysign(_INF, x)


def cosh(x: float) -> float:
    """Hyperbolic cosine, infinite on overflow."""
    try:
        return math.cosh(x)
    except OverflowError:
        return _INF


def acosh(x: float) -> float:
    """Inverse hyperbolic cosine, NaN below 1."""
    return math.acosh(x) if x >= 1.0 else _NAN


def atanh(x: float) -> float:
    """Inverse hyperbolic tangent: infinite at ±1, NaN outside."""
    if abs(x) == 1.0:
        return math.copysign(_INF, x)
    return math.atanh(x) if abs(x) < 1.0 else _NAN


def floor(x: float) -> float:
    """The largest integer that is not larger; infinities and NaN stay."""
    return float(math.floor(x)) if math.isfinite(x) else x


def ceil(x: float) -> float:
    """The smallest integer that is not smaller; infinities and NaN stay."""
    return float(math.ceil(x)) if math.isfinite(x) else x


def nearest(x: float) -> float:
    """The nearest integer, the even one of two; infinities and NaN stay."""
    return float(round(x)) if math.isfinite(x) else x


def lgamma(x: float) -> float:
    """log |Gamma(x)|: infinite at 0 and the negative integers."""
    if x == -_INF or (x <= 0.0 and x == math.floor(x)):
        return _INF
    try:
        return math.lgamma(x)
    except OverflowError:
        return _INF


def digamma(x: float) -> float:
    """Derivative of lgamma, for x > 0 by its asymptotic series (Abramowitz and Stegun 6.3.18)."""
    if not x > 0.0:
        return _NAN
    if x == _INF:
        return _INF
    total = 0.0
    while x < 16.0:
        total -= 1.0 / x
        x += 1.0
    inverse = 1.0 / (x * x)
    series = 0.0
    for coefficient in (1 / 132, 1 / 240, 1 / 252, 1 / 120, 1 / 12):
        series = inverse * (coefficient - series)
    return total + math.log(x) - 0.5 / x - series


def erfinv(x: float) -> float:
    """Inverse of erf: infinite at ±1, NaN outside; Newton's steps on erf from Winitzki's estimate."""
    if not abs(x) <= 1.0:
        return _NAN
    if abs(x) == 1.0:
        return math.copysign(_INF, x)
    logarithm = math.log1p(-x * x)
    half = 2.0 / (math.pi * 0.147) + logarithm / 2.0
    y = math.copysign(math.sqrt(math.sqrt(half * half - logarithm / 0.147) - half), x)
    for _ in range(4):
        error = math.erf(y) - x if abs(x) < 0.5 else sign(x) * ((1.0 - abs(x)) - math.erfc(abs(y)))
        y -= error / (2.0 / math.sqrt(math.pi) * math.exp(-y * y))
    return y


# ---- of two numbers


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
        if x != 0.0:
            return _NAN
        return math.copysign(_INF, x) if y % 2.0 == 1.0 else _INF


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
