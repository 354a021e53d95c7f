"""Functions of one tensor, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable

from tflint_nan.interval import EVERYTHING, INTEGERS, NON_NEGATIVE, UNIT, Interval, epsilon, largest, round_to
from tflint_nan.ops.bounds import real_part
from tflint_nan.ops.functions import (
    SELU_ALPHA,
    SELU_SCALE,
    acos,
    acosh,
    asin,
    atanh,
    ceil,
    cos,
    cosh,
    digamma,
    erfinv,
    exp,
    expm1,
    floor,
    gelu,
    hard_sigmoid,
    lgamma,
    log,
    log1p,
    log2,
    log10,
    log_sigmoid,
    mish,
    nearest,
    reciprocal,
    relu6,
    rsqrt,
    selu,
    sigmoid,
    sign,
    sin,
    sinh,
    softplus,
    softsign,
    sqrt,
    square,
    swish,
    tan,
)
from tflint_nan.ops.points import (
    Real,
    dtype_of,
    elementwise,
    facts,
    far,
    fresh,
    is_given,
    mapped,
    real_dtype,
)
from tflint_nan.ops.table import Facts, operator
from tflint_nan.value import Const, Op, Value, Witness

_INF = math.inf
_SIGNED_UNIT = Interval(-1.0, 1.0)


# How far kernels are off was measured: tests/test_ops_soundness.py compares every one with TensorFlow.
_FUNCTIONS: dict[str, Real] = {
    "exp": Real(exp, NON_NEGATIVE, ulps=4, exact=(1.0,)),
    "expm1": Real(expm1, Interval(-1.0, _INF), ulps=4),
    "log": Real(log, domain=NON_NEGATIVE, ulps=4),
    "log1p": Real(log1p, domain=Interval(-1.0, _INF), ulps=4),
    "log2": Real(log2, domain=NON_NEGATIVE, ulps=4),
    "log10": Real(log10, domain=NON_NEGATIVE, ulps=4),
    "sqrt": Real(sqrt, NON_NEGATIVE, NON_NEGATIVE, ulps=2, exact=(1.0,)),
    "tanh": Real(math.tanh, _SIGNED_UNIT, ulps=8),
    "log_sigmoid": Real(log_sigmoid, Interval(-_INF, 0.0), ulps=8),
    "softplus": Real(softplus, NON_NEGATIVE, ulps=8),
    "relu6": Real(relu6, Interval(0.0, 6.0)),
    "selu": Real(selu, Interval(-SELU_SCALE * SELU_ALPHA * 1.01, _INF), ulps=8, floor=1.0, odd=True),
    "softsign": Real(softsign, _SIGNED_UNIT, ulps=2),
    "gelu": Real(gelu, Interval(-0.18, _INF), turns=(-0.7517915824,), ulps=16, floor=1.0, single=True),
    "swish": Real(swish, Interval(-0.28, _INF), turns=(-1.2784645428,), ulps=16, floor=0.01, odd=True),
    "mish": Real(mish, Interval(-0.32, _INF), turns=(-1.1924312145,), ulps=16, floor=0.01, odd=True),
    "hard_sigmoid": Real(hard_sigmoid, UNIT, ulps=4),
    "erf": Real(math.erf, _SIGNED_UNIT, ulps=8),
    "erfc": Real(math.erfc, Interval(0.0, 2.0), ulps=16),
    "asin": Real(asin, domain=_SIGNED_UNIT, ulps=8),
    "acos": Real(acos, Interval(0.0, 3.15), domain=_SIGNED_UNIT, ulps=8),
    "atan": Real(math.atan, ulps=8),
    "sinh": Real(sinh, ulps=8),
    "cosh": Real(cosh, Interval(1.0, _INF), turns=(0.0,), ulps=8),
    "asinh": Real(math.asinh, ulps=8),
    "acosh": Real(acosh, NON_NEGATIVE, Interval(1.0, _INF), ulps=8),
    "atanh": Real(atanh, domain=_SIGNED_UNIT, ulps=8),
    "erfinv": Real(erfinv, domain=_SIGNED_UNIT, ulps=16, floor=1.0, odd=True),
}
for _name, _function in _FUNCTIONS.items():
    elementwise(_name, _function)

_INTEGRAL: dict[str, Real] = {
    "square": Real(square, NON_NEGATIVE, turns=(0.0,)),
    "neg": Real(lambda x: -x),
}
for _name, _function in _INTEGRAL.items():
    elementwise(_name, _function, keeps_integers=True)

_ABS = Real(abs, NON_NEGATIVE, turns=(0.0,))


@operator("abs")
def _abs(op: Op) -> Facts:
    """The size of a number: of a complex one a real number, 0 where that is."""
    x = op.arg("x")
    dtype = dtype_of(op, x)
    part = real_part(dtype)
    if part != dtype:
        zeros = tuple(w for w in x.witnesses if w.value == 0.0)
        return Facts(NON_NEGATIVE, zeros, part, x.shape)
    return facts(_ABS.over(x.interval.stored(dtype), dtype), mapped(abs, x, dtype), dtype, x.shape)


_STEPS: dict[str, Real] = {
    "sign": Real(sign, _SIGNED_UNIT),
    "floor": Real(floor),
    "ceil": Real(ceil),
}
for _name, _function in _STEPS.items():
    elementwise(_name, _function, keeps_integers=True, differentiable=False)


@operator("round", differentiable=False)
def _round(op: Op) -> Facts:
    """To integers, or to as many `decimals` as NumPy is asked for."""
    x, decimals = op.arg("x"), op.arg("decimals")
    dtype = dtype_of(op, x)
    digits = decimals.literal if is_given(decimals) else 0
    if not isinstance(digits, int):
        return Facts(dtype=dtype, shape=x.shape)
    point = nearest if digits == 0 else lambda v: round(v, digits) if math.isfinite(v) else v
    function = Real(point, ulps=0 if digits == 0 else 2)
    return facts(function.over(x.interval.stored(dtype), dtype), mapped(point, x, dtype), dtype, x.shape)


@operator("nan_to_num")
def _nan_to_num(op: Op) -> Facts:
    """NaN becomes 0 and infinities the largest numbers, unless the call says otherwise."""
    x = op.arg("x")
    dtype = dtype_of(op, x)
    top = largest(dtype)
    given = {name: op.arg(name) for name in ("nan", "posinf", "neginf")}
    if any(is_given(value) and not is_number(value) for value in given.values()):
        return Facts(dtype=dtype, shape=x.shape)
    zero, high, low = (
        value.interval.lo if is_given(value) else default
        for value, default in zip(given.values(), (0.0, top, -top), strict=True)
    )

    def point(value: float) -> float:
        return zero if value != value else high if value == _INF else low if value == -_INF else value

    bounds = x.interval.stored(dtype)
    ends = [zero, max(bounds.lo, -top), min(bounds.hi, top)]
    ends += [high] * (bounds.hi == _INF) + [low] * (bounds.lo == -_INF)
    return facts(Interval(min(ends), max(ends)).stored(dtype), mapped(point, x, dtype), dtype, x.shape)


@operator("reciprocal")
def _reciprocal(op: Op) -> Facts:
    x = op.arg("x")
    dtype = real_dtype(op, x)
    bounds = x.interval.stored(dtype)
    if bounds.lo < 0.0 <= bounds.hi:
        interval = EVERYTHING
    else:
        # Vectorised kernels are off even at 1, so no end is exact but 0 and the infinities.
        slack = 1.0 + 4.0 * epsilon(dtype)
        ends = reciprocal(bounds.hi), reciprocal(bounds.lo)
        widths = (1.0 / slack, slack) if ends[0] >= 0.0 else (slack, 1.0 / slack)
        interval = Interval(ends[0] * widths[0], ends[1] * widths[1]).stored(dtype)
    return facts(interval, mapped(reciprocal, x, dtype), dtype, x.shape)


@operator("rsqrt")
def _rsqrt(op: Op) -> Facts:
    """1 / sqrt(x). A negative number that is flushed to zero gives -inf."""
    x = op.arg("x")
    dtype = real_dtype(op, x)
    bounds = x.interval.stored(dtype)
    interval = Real(rsqrt, NON_NEGATIVE, NON_NEGATIVE, ulps=4).over(bounds, dtype)
    if bounds.lo < 0.0 <= bounds.hi:
        interval = EVERYTHING
    return facts(interval, mapped(rsqrt, x, dtype), dtype, x.shape)


def _assumed(x: Value, op: Op, number: float) -> Witness | None:
    """`x` at a number that nothing excludes, where no witness of `x` is known."""
    if x.witnesses or number not in x.interval or x.dtype in INTEGERS:
        return None
    return Witness(number, ((x.op or op, number),))


@operator("sigmoid")
def _sigmoid(op: Op) -> Facts:
    # Whatever is not bounded saturates: 0 and 1 are reached, one assumption about the input each.
    x = op.arg("x")
    dtype = real_dtype(op, x)
    interval = _SIGMOID.over(x.interval.stored(dtype), dtype)
    witnesses = list(mapped(sigmoid, x, dtype))
    for number, saturated in ((-far(dtype), 0.0), (far(dtype), 1.0)):
        assumed = _assumed(x, op, number)
        if assumed is not None:
            witnesses.append(Witness(saturated, assumed.inputs))
    return facts(interval, witnesses, dtype, x.shape)


_SIGMOID = Real(sigmoid, UNIT, ulps=16)


@operator("relu")
def _relu(op: Op) -> Facts:
    x = op.arg("x")
    dtype = real_dtype(op, x)
    slope, top = _parameter(op, "alpha", 0.0), _parameter(op, "max_value", _INF)
    if slope is None or top is None or slope < 0.0 or is_given(op.arg("threshold")):
        return Facts(dtype=dtype, shape=x.shape)
    steep, ceiling = slope, top

    def point(value: float) -> float:
        if value <= 0.0:
            return value * steep if steep else 0.0
        return value if value != value else min(value, ceiling)

    function = Real(point, ulps=2 if slope else 0)
    interval = function.over(x.interval.stored(dtype), dtype)
    witnesses = list(mapped(point, x, dtype))
    assumed = _assumed(x, op, -1.0)
    if assumed is not None and not slope:
        witnesses.append(Witness(0.0, assumed.inputs))
    return facts(interval, witnesses, dtype, x.shape)


def is_number(value: Value) -> bool:
    """True for a literal number."""
    return isinstance(value, Const) and value.number is not None


def _parameter(op: Op, name: str, default: float) -> float | None:
    """A literal parameter of an activation, its default where not given, None where not known."""
    value = op.arg(name)
    if value.literal is None:
        return default
    return value.number if isinstance(value, Const) else None


@operator("leaky_relu")
def _leaky_relu(op: Op) -> Facts:
    x = op.arg("x")
    dtype = real_dtype(op, x)
    slope = _parameter(op, "alpha", 0.2 if op.api.startswith("tf.") else 0.3)
    if slope is None or slope < 0.0:
        return Facts(dtype=dtype, shape=x.shape)
    # The kernel's attribute is a float32, whatever the tensor is.
    steep = round_to(slope, "float32")
    function = Real(lambda v: v if v >= 0.0 or v != v else steep * v, ulps=2)
    return facts(
        function.over(x.interval.stored(dtype), dtype), mapped(function.point, x, dtype), dtype, x.shape
    )


@operator("elu")
def _elu(op: Op) -> Facts:
    x = op.arg("x")
    dtype = real_dtype(op, x)
    scale = _parameter(op, "alpha", 1.0)
    if scale is None or not 0.0 <= scale < _INF:
        return Facts(dtype=dtype, shape=x.shape)
    function = Real(
        lambda v: v if v >= 0.0 or v != v else scale * expm1(v),
        Interval(-scale, _INF).stored(dtype),
        ulps=8,
        floor=1.0,
        odd=True,
    )
    return facts(
        function.over(x.interval.stored(dtype), dtype), mapped(function.point, x, dtype), dtype, x.shape
    )


def _wave(name: str, point: Callable[[float], float], phase: float) -> None:
    """sine and cosine: the turning points inside the range, none looked for over a whole period."""

    @operator(name)
    def transfer(op: Op) -> Facts:
        x = op.arg("x")
        dtype = real_dtype(op, x)
        bounds = x.interval.stored(dtype)
        if bounds.hi - bounds.lo < 2.0 * math.pi and abs(bounds.lo) < 1e4:
            first = math.ceil((bounds.lo - phase) / math.pi)
            turns = tuple(phase + math.pi * k for k in range(first, first + 3))
            function = Real(point, _SIGNED_UNIT, turns=turns, ulps=16, floor=1.0)
            interval = function.over(bounds, dtype)
        else:
            interval = _SIGNED_UNIT
        return facts(interval, mapped(point, x, dtype), dtype, x.shape)


_wave("sin", sin, math.pi / 2.0)
_wave("cos", cos, 0.0)


@operator("tan")
def _tan(op: Op) -> Facts:
    x = op.arg("x")
    dtype = real_dtype(op, x)
    inner = Interval(-1.5, 1.5)
    bounds = x.interval.stored(dtype)
    interval = EVERYTHING
    if bounds.lo in inner and bounds.hi in inner:
        interval = Real(tan, ulps=16).over(bounds, dtype)
    return facts(interval, mapped(tan, x, dtype), dtype, x.shape)


#: Where lgamma is smallest over the positive numbers.
_LGAMMA_TURN = 1.4616321449683623


def _gamma_family(name: str, function: Real) -> None:
    """lgamma and digamma: known over the positive numbers only, with poles at 0 and below."""

    @operator(name)
    def transfer(op: Op) -> Facts:
        x = op.arg("x")
        dtype = real_dtype(op, x)
        bounds = x.interval.stored(dtype)
        interval = function.over(bounds, dtype) if bounds.lo >= 0.0 else EVERYTHING
        inside = [w for w in mapped(function.point, x, dtype) if w.value == w.value]
        return facts(interval, inside, dtype, x.shape)


_gamma_family("lgamma", Real(lgamma, turns=(_LGAMMA_TURN,), ulps=64, floor=1.0))
_gamma_family("digamma", Real(digamma, ulps=64, floor=1.0))


@operator("logical_not", differentiable=False)
def _logical_not(op: Op) -> Facts:
    x = op.arg("x")
    known = x.interval.meet(UNIT) if x.dtype == "bool" else None
    interval = Interval(1.0 - known.hi, 1.0 - known.lo) if known else UNIT
    witnesses = mapped(lambda v: float(not v), x, x.dtype)
    return facts(interval, witnesses or fresh(op, 0.0, 1.0), "bool", x.shape)


def _test(name: str, point: Callable[[float], bool]) -> None:
    """is_finite and is_nan: decided by what the operand reaches, open otherwise."""

    @operator(name, differentiable=False)
    def transfer(op: Op) -> Facts:
        x = op.arg("x")
        witnesses = mapped(lambda v: float(point(v)), x, x.dtype)
        return facts(UNIT, witnesses or fresh(op, 0.0, 1.0), "bool", x.shape)


_test("is_finite", math.isfinite)
_test("is_nan", math.isnan)
_test("is_inf", math.isinf)
