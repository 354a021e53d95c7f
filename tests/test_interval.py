"""Ranges and the rounding of the floating formats, against NumPy's own formats."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given
from hypothesis import strategies as st

from tflint_nan.interval import (
    EVERYTHING,
    FORMATS,
    INTEGERS,
    Interval,
    above,
    below,
    epsilon,
    largest,
    round_to,
    smallest,
)

KINDS = sorted(FORMATS)
NUMBERS = st.floats(allow_nan=False)
INTERVALS = st.tuples(NUMBERS, NUMBERS).map(lambda ends: Interval(min(ends), max(ends)))


def numpy_of(kind: str) -> type:
    """NumPy's scalar type (ml_dtypes' for bfloat16)."""
    return tf.as_dtype(kind).as_numpy_dtype


@given(NUMBERS)
@pytest.mark.parametrize("kind", KINDS)
def test_rounding_is_numpys(kind: str, number: float) -> None:
    """To nearest even, overflow to infinity; only float16 keeps subnormals."""
    with np.errstate(all="ignore"):
        # bfloat16 is reached through float32, as every conversion of TensorFlow's does.
        stored = np.float64(np.float32(number) if kind == "bfloat16" else number)
        stored = float(numpy_of(kind)(stored))
    if kind != "float16" and abs(stored) < np.finfo(numpy_of(kind) if kind != "bfloat16" else "f4").tiny:
        assert round_to(number, kind) == 0.0
    else:
        assert round_to(number, kind) == stored


@pytest.mark.parametrize("kind", KINDS)
def test_nan_and_infinities_stay(kind: str) -> None:
    assert math.isnan(round_to(math.nan, kind))
    assert round_to(math.inf, kind) == math.inf
    assert round_to(-math.inf, kind) == -math.inf


def test_an_unknown_format_is_float32() -> None:
    assert round_to(0.1, None) == float(np.float32(0.1))
    assert round_to(0.3, "int32") == 0.3


@pytest.mark.parametrize("kind", KINDS)
def test_limits(kind: str) -> None:
    """The constants against TensorFlow's, and the smallest number that a kernel keeps."""
    assert largest(kind) == float(tf.as_dtype(kind).max)
    one = tf.constant(1.0, kind)
    assert float(one + tf.constant(epsilon(kind), kind)) == 1.0 + epsilon(kind)
    assert float(one + tf.constant(epsilon(kind) / 2, kind)) == 1.0
    kept = tf.constant([smallest(kind)] * 16, kind) * one
    assert np.all(np.asarray(tf.cast(kept, "float64")) == smallest(kind))
    lost = tf.constant([smallest(kind)] * 16, kind) * tf.constant(0.5, kind)
    assert np.all(np.asarray(tf.cast(lost, "float64")) == 0.0)


@given(st.floats(allow_nan=False, allow_infinity=False))
@pytest.mark.parametrize("kind", KINDS)
def test_neighbours(kind: str, number: float) -> None:
    """`above` is NumPy's next number of the format, past the subnormals that are flushed."""
    start = round_to(number, kind)
    if not math.isfinite(start):
        return
    following = above(start, kind)
    assert following > start
    assert below(following, kind) == start
    least = smallest(kind)
    if start == 0.0:
        assert following == least
    elif start == -least:
        assert following == 0.0
    else:
        with np.errstate(all="ignore"):
            stored = numpy_of(kind)(start)
            assert following == float(np.nextafter(stored, numpy_of(kind)(math.inf)))


def test_neighbours_of_integers_and_infinities() -> None:
    assert above(3.0, "int32") == 4.0
    assert below(3.0, "int32") == 2.0
    assert above(math.inf, "float32") == math.inf
    assert above(-math.inf, "float16") == -65504.0
    assert above(65504.0, "float16") == math.inf


@given(INTERVALS, INTERVALS)
def test_hull_and_meet(a: Interval, b: Interval) -> None:
    hull, common = a.hull(b), a.meet(b)
    for end in (a.lo, a.hi, b.lo, b.hi):
        assert end in hull
        assert (end in a and end in b) == (common is not None and end in common)
    assert {hull.lo, hull.hi} <= {a.lo, a.hi, b.lo, b.hi}
    assert (common is None) == (a.hi < b.lo or b.hi < a.lo)


@given(INTERVALS, INTERVALS)
def test_widening_ends(a: Interval, b: Interval) -> None:
    """Two widenings in a row change nothing any more, and both operands are inside."""
    once = a.widen(a.hull(b))
    assert a.lo in once
    assert b.hi in once
    assert once.widen(once.hull(b)) == once


@given(INTERVALS, st.integers(1, 16))
@example(Interval(0.0, 2.213952447769125e-07), 1)  # a subnormal of float16
@pytest.mark.parametrize("kind", KINDS)
def test_stored_goes_outward(kind: str, interval: Interval, ulps: int) -> None:
    """An inexact result lies inside; what is reached exactly is not moved."""
    exact, wide = interval.stored(kind), interval.stored(kind, ulps, exact=(1.0,))
    assert exact == Interval(round_to(interval.lo, kind), round_to(interval.hi, kind))
    assert wide.lo <= exact.lo
    assert exact.hi <= wide.hi
    for end, moved in ((interval.lo, wide.lo), (interval.hi, wide.hi)):
        if end in (0.0, 1.0) or math.isinf(end):
            assert moved == end
    by_one = above(exact.hi, kind)
    if exact.hi != 0.0 and math.isfinite(exact.hi) and abs(exact.hi) > 2.0 * smallest(kind):
        assert by_one <= interval.stored(kind, 2 * ulps).hi


@given(st.tuples(st.integers(-(2**70), 2**70), st.integers(-(2**70), 2**70)))
@pytest.mark.parametrize("kind", sorted(INTEGERS))
def test_integers_that_overflow_are_anything(kind: str, ends: tuple[int, int]) -> None:
    interval = Interval(float(min(ends)), float(max(ends)))
    low, high = INTEGERS[kind]
    stored = interval.stored(kind)
    if kind == "bool":
        assert stored.hi == float(ends != (0, 0))
    elif low <= interval.lo and interval.hi <= high:
        assert stored == interval
    else:
        assert stored == Interval(float(low), float(high))


def test_an_interval_is_ordered() -> None:
    for lo, hi in ((1.0, 0.0), (math.nan, 1.0), (0.0, math.nan)):
        with pytest.raises(ValueError, match="not an interval"):
            Interval(lo, hi)


def test_points() -> None:
    assert Interval.point(1e-10, "float16") == Interval(0.0, 0.0)
    assert Interval.point(math.nan) == EVERYTHING
    assert Interval.point(0.1).is_point
    assert not EVERYTHING.is_point
    assert str(Interval(0.0, 1e-07)) == "[0, 1e-07]"
