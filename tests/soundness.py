"""What the tests of transfer functions share: drawn ranges and numbers, ops without a program, cases."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import libcst as cst
import numpy as np
import tensorflow as tf
from hypothesis import settings
from hypothesis import strategies as st

import tflint_nan.ops  # noqa: F401  (fills the tables)
from tflint_nan.interval import EVERYTHING, UNIT, Interval, epsilon, largest, round_to, smallest
from tflint_nan.ops.table import OPERATORS, Facts
from tflint_nan.source import Source
from tflint_nan.value import Op, Scope, Tensor, Value, Witness

FLOATS = ("float32", "float16", "bfloat16", "float64")
SIDE = 8
COUNT = SIDE * SIDE
SOURCE = Source("case.py", "")
SCOPE = Scope(cst.Module([]), SOURCE, None)
OUTSIDE = 0  # serials below 100 are operands
#: A subnormal of these formats may be flushed to zero, or not.
NORMAL = {"float32": 2.0**-126, "bfloat16": 2.0**-126, "float64": 2.0**-1022, "float16": 0.0}
EXAMPLES = settings(max_examples=12, deadline=None, derandomize=True, database=None)

np.seterr(all="ignore")


def op_of(name: str, args: Mapping[str, Value], serial: int = 100, api: str = "tf.case") -> Op:
    """An op that stands nowhere."""
    flow = OPERATORS[name].flow if name in OPERATORS else ()
    return Op(name, dict(args), serial, api, SOURCE, SCOPE, cst.Pass(), None, {}, flow)


def run(name: str, args: Mapping[str, Value], serial: int = 100) -> Tensor:
    """The value of an op with these arguments."""
    op = op_of(name, args, serial)
    facts: Facts = OPERATORS[name].transfer(op)
    made = Tensor(op, facts.interval, facts.witnesses, facts.dtype, facts.shape)
    op.value = made
    return made


def operand(
    serial: int, interval: Interval, dtype: str, shape: Any = None, numbers: Sequence[float] = ()
) -> Tensor:
    """A tensor from outside, which reaches `numbers`."""
    op = op_of("outside", {}, serial)
    op.value = Tensor(op, interval, tuple(Witness(n, ((op, n),)) for n in numbers), dtype, shape)
    return op.value


def tensor(numbers: Any, dtype: str) -> tf.Tensor:
    """float64 numbers as a tensor of the format."""
    return tf.constant(np.asarray(numbers, np.float64).astype(tf.as_dtype(dtype).as_numpy_dtype))


def numbers_of(result: Any) -> np.ndarray:
    """A tensor's numbers as float64."""
    return np.asarray(tf.cast(result, tf.float64), np.float64)


# ---- what is drawn

_EDGES = (
    0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 6.0, 1e-7, -1e-7, 1e-10, 1e-3, 10.0, -10.0, 17.0, 88.5, -88.5,
    104.0, -104.0, 255.0, 710.0, -750.0, 1e4, -1e4, 1e10, 3e38, -3e38, 1e-38, -1e-38, 1e-40, 1e300, -1e-310,
    math.inf, -math.inf,
)  # fmt: skip
ENDS = st.one_of(st.sampled_from(_EDGES), st.floats(-20.0, 20.0), st.floats(allow_nan=False))
RANGES = st.tuples(ENDS, ENDS)
SEEDS = st.integers(0, 2**32 - 1)


def interval_of(ends: tuple[float, float], dtype: str, within: Interval = EVERYTHING) -> Interval:
    """The drawn range in the format, moved into `within`."""
    a, b = (round_to(min(max(end, within.lo), within.hi), dtype) for end in ends)
    return Interval(min(a, b), max(a, b))


def sample(interval: Interval, dtype: str, random: np.random.Generator) -> np.ndarray:
    """`COUNT` numbers of the format inside the interval, its ends among them.

    The sign of a zero is not tracked by intervals: a zero is the positive one here.
    """
    lo, hi = interval.lo, interval.hi
    low, high = max(lo, -largest(dtype)), min(hi, largest(dtype))
    tiny = max(smallest(dtype), NORMAL[dtype])
    chosen = [low, high, 0.0, tiny, -tiny, 1.0, -1.0]
    for edge in (low, high):
        step = abs(edge) * epsilon(dtype)
        chosen += [edge + step, edge - step, edge + tiny, edge - tiny]
    if dtype != "float16":
        chosen += [tiny / 8, -tiny / 8]
    part = random.uniform(0.0, 1.0, COUNT)
    chosen += list(low * (1.0 - part) + high * part)
    magnitudes = np.exp(random.uniform(math.log(tiny), math.log(largest(dtype)), COUNT))
    chosen += list(magnitudes * random.choice([-1.0, 1.0], COUNT))
    chosen += list(random.uniform(-30.0, 30.0, COUNT))
    stored = np.asarray(chosen).astype(tf.as_dtype(dtype).as_numpy_dtype).astype(np.float64)
    stored = np.concatenate([[lo, hi], stored[(stored >= lo) & (stored <= hi)]])
    result = np.concatenate([stored[: SIDE * 2], random.choice(stored, COUNT)])[:COUNT]
    return random.permutation(result) + 0.0


def assert_inside(results: np.ndarray, value: Tensor, dtype: str, may_be_nan: np.ndarray) -> None:
    """Every number lies in the interval, where a subnormal may have been flushed; NaN only where it may."""
    interval = value.interval
    nan = np.isnan(results)
    assert not np.any(nan & ~may_be_nan), "NaN inside of the domain"
    flushed = np.where(np.abs(results) < NORMAL.get(value.dtype or "float32", 0.0), 0.0, results)
    good = nan | ((interval.lo <= results) & (results <= interval.hi))
    good |= (interval.lo <= flushed) & (flushed <= interval.hi)
    bad = np.flatnonzero(~good)
    found = results.ravel()[bad[:4]]
    assert not bad.size, f"{found!r} at {bad[:4]} outside of [{interval.lo!r}, {interval.hi!r}]"


def close(predicted: float, computed: float, dtype: str | None, case: Case) -> bool:
    """Equal up to rounding and flushing."""
    if math.isnan(predicted) or math.isnan(computed):
        return math.isnan(predicted) and math.isnan(computed)
    if math.isinf(predicted) or math.isinf(computed):
        return predicted == computed
    name = dtype if dtype in FLOATS else "float32"
    units = case.ulps * (2**29 if case.single and name == "float64" else 1)
    slack = units * epsilon(name) * max(abs(predicted), abs(computed), case.floor)
    return abs(predicted - computed) <= slack + 2.0 * max(smallest(name), NORMAL[name])


# ---- cases

Mask = Callable[..., Any]


def not_finite(dtype: str, *x: np.ndarray) -> Any:
    """NaN is right where an operand is infinite."""
    return ~np.all([np.isfinite(v) for v in x], axis=0)


def outside(lo: float, hi: float) -> Mask:
    """NaN is right outside of [lo, hi], and for infinities."""
    return lambda dtype, x: ~(np.isfinite(x) & (x >= lo) & (x <= hi))


def huge(power: float) -> Mask:
    """NaN is right where a row's numbers, raised to `power` and summed, overflow on the way."""

    def mask(dtype: str, *x: np.ndarray) -> Any:
        limit = (largest(dtype) / 1024.0) ** (1.0 / power)
        return ~np.all([np.abs(v) < limit for v in x])

    return mask


@dataclass(frozen=True)
class Case:
    """One operator: the real operation, the ranges of its operands, and where NaN is right.

    `unsupported` are formats that TensorFlow has no kernel for. `reaches` are operands whose real results
    show the numbers that the operator claims to reach on its own. `rows` gives operands of shape (8, 8).
    A witness may be off by `ulps`, of `floor` at least; with `single` float64 is no better than float32.
    With `reshapes` the real operation is shown in another shape than the operands have.
    """

    compute: Callable[..., Any]
    nan: Mask = not_finite
    within: tuple[Interval, ...] = (EVERYTHING,)
    unsupported: tuple[str, ...] = ()
    args: Mapping[str, Value] = field(default_factory=dict)
    names: tuple[str, ...] = ("x",)
    reaches: tuple[Any, ...] = ()
    rows: bool = False
    kinds: tuple[str, ...] = FLOATS
    ulps: int = 16
    floor: float = 0.0
    single: bool = False
    reshapes: bool = False


XY = ("x", "y")
EVERY = (EVERYTHING, EVERYTHING)
BIT = (UNIT, UNIT)
PIXELS = Interval(0.0, 255.0)
#: What training reaches, as the logits of eight equal ones, and as a product with the unit matrix.
TRAINED = (-750.0, -104.0, -1.0, 0.0, 1.0, 104.0, 750.0)
LEVELS = tuple(np.full(COUNT, v - math.log(SIDE)) for v in TRAINED)
PRODUCTS = tuple((v * np.eye(SIDE), np.eye(SIDE)) for v in TRAINED)
HALVES = ("float16", "bfloat16")
ONES = (np.ones(COUNT),)
BITS = (np.zeros(COUNT), np.ones(COUNT))
ODD = (np.array([0.0, math.inf, math.nan]),)


def tiny_both(dtype: str, x: Any, y: Any) -> Any:
    """0 / 0, where subnormals count as 0."""
    return not_finite(dtype, x, y) | ((np.abs(x) < 2.0**-126) & (np.abs(y) < 2.0**-126))


def grid_of(x: np.ndarray) -> np.ndarray:
    """64 numbers as 8 by 8."""
    return x.reshape(SIDE, SIDE)


def grid(x: Any) -> Any:
    """64 numbers as 8 by 8."""
    return tf.reshape(x, [SIDE, SIDE])
