"""Ranges of IEEE numbers, in the format a tensor is stored in.

An `Interval` is a sound bound: every finite value that the program can compute lies inside. Its ends
are floats of the tensor's own format, so `1e-10 + 1` is the point 1 in float32 and `1e-8` is the
point 0 in float16. Infinities are ends like any other; NaN never is.

Units: none (the numbers are those of the program). The constants of the formats are IEEE 754-2008's.
"""

from __future__ import annotations

import math
import struct
from functools import lru_cache

from tflint_nan.record import record

#: format -> (largest finite value, smallest positive value that a kernel keeps). TensorFlow's kernels
#: flush subnormals to zero, except in float16, whose conversions keep them on the CPU and the GPU.
FORMATS: dict[str, tuple[float, float]] = {
    "float16": (65504.0, 2.0**-24),
    "bfloat16": (3.3895313892515355e38, 2.0**-126),
    "float32": (3.4028234663852886e38, 2.0**-126),
    "float64": (1.7976931348623157e308, 2.0**-1022),
}
DEFAULT_FORMAT = "float32"
#: format -> digits of its significand, the hidden one included.
_DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
#: format -> (lowest, highest) value of the integer formats; a truth value counts as 0 or 1.
INTEGERS: dict[str, tuple[int, int]] = {
    "bool": (0, 1),
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}


def largest(dtype: str | None) -> float:
    """The largest finite number of the format (float32 where it is not known)."""
    name = dtype or DEFAULT_FORMAT
    return float(INTEGERS[name][1]) if name in INTEGERS else FORMATS.get(name, FORMATS["float64"])[0]


def smallest(dtype: str | None) -> float:
    """The smallest positive number that is not flushed to zero; 1 for integers."""
    name = dtype or DEFAULT_FORMAT
    return 1.0 if name in INTEGERS else FORMATS.get(name, FORMATS["float64"])[1]


def epsilon(dtype: str | None) -> float:
    """The distance from 1 to the next number of the format; 0 for integers."""
    name = dtype or DEFAULT_FORMAT
    return 0.0 if name in INTEGERS else 2.0 ** (1 - _DIGITS.get(name, 53))


def above(value: float, dtype: str | None) -> float:
    """The next number of the format over `value`, which is one of its numbers."""
    name = dtype or DEFAULT_FORMAT
    if name in INTEGERS:
        return value + 1.0
    if value == math.inf:
        return value
    if value == -math.inf:
        return -largest(dtype)
    tiny = smallest(dtype)
    if -tiny <= value < tiny:
        return 0.0 if value < 0.0 else tiny
    fraction, exponent = math.frexp(value)
    if fraction == -0.5:
        exponent -= 1  # towards zero the numbers below a power of two lie twice as close
    step = max(math.ldexp(1.0, exponent - _DIGITS.get(name, 53)), tiny if name == "float16" else 0.0)
    return round_to(value + step, dtype)


def below(value: float, dtype: str | None) -> float:
    """The next number of the format under `value`, which is one of its numbers."""
    return -above(-value, dtype)


def round_to(value: float, dtype: str | None) -> float:
    """`value` as the format stores it: rounded to nearest even, overflow to infinity, subnormals to 0.

    Integers and other formats are returned as they are.
    """
    name = dtype or DEFAULT_FORMAT
    if name not in FORMATS or value == 0.0 or not math.isfinite(value):
        return value
    return _rounded(value, name)


# Most numbers of a program are a few: literals, and the witnesses of what is trained.
@lru_cache(maxsize=4096)
def _rounded(value: float, name: str) -> float:
    """`value`, finite and not 0, as the float format `name` stores it."""
    most, least = FORMATS[name]
    if name == "float64":
        rounded = value
    elif name == "bfloat16":
        rounded = _bfloat16(value)
    else:
        code = "<f" if name == "float32" else "<e"
        try:
            (rounded,) = struct.unpack(code, struct.pack(code, value))
        except OverflowError:
            return math.copysign(math.inf, value)
    if abs(rounded) > most:
        return math.copysign(math.inf, value)
    return 0.0 if abs(rounded) < least else rounded


def _bfloat16(value: float) -> float:
    """Round to the upper half of a float32, to nearest even."""
    try:
        (bits,) = struct.unpack("<I", struct.pack("<f", value))
    except OverflowError:
        return math.copysign(math.inf, value)
    bits += 0x7FFF + ((bits >> 16) & 1)
    (rounded,) = struct.unpack("<f", struct.pack("<I", bits & 0xFFFF0000))
    return float(rounded)


@record()
class Interval:
    """All numbers from `lo` to `hi`, both included.

    Raises:
        ValueError: an end is NaN, or `lo > hi`.
    """

    lo: float
    hi: float

    def __post_init__(self) -> None:
        if not self.lo <= self.hi:
            raise ValueError(f"not an interval: [{self.lo}, {self.hi}]")

    @staticmethod
    def point(value: float, dtype: str | None = None) -> Interval:
        """The one value `value`, as `dtype` stores it; everything for NaN."""
        if math.isnan(value):
            return EVERYTHING
        stored = round_to(value, dtype)
        return Interval(stored, stored)

    @property
    def is_point(self) -> bool:
        """True where only one value is possible."""
        return self.lo == self.hi

    def __contains__(self, value: float) -> bool:
        return self.lo <= value <= self.hi

    def hull(self, other: Interval) -> Interval:
        """The smallest interval around both (the join)."""
        return Interval(min(self.lo, other.lo), max(self.hi, other.hi))

    def meet(self, other: Interval) -> Interval | None:
        """What both hold, None where that is nothing."""
        lo, hi = max(self.lo, other.lo), min(self.hi, other.hi)
        return Interval(lo, hi) if lo <= hi else None

    def clamped(self, bounds: Interval) -> Interval:
        """This interval with both ends moved into `bounds`."""
        return Interval(
            min(max(self.lo, bounds.lo), bounds.hi),
            min(max(self.hi, bounds.lo), bounds.hi),
        )

    def stored(
        self, dtype: str | None, ulps: int = 0, floor: float = 0.0, exact: tuple[float, ...] = ()
    ) -> Interval:
        """This interval as computed in `dtype`, when the computation is off by at most `ulps`.

        With `ulps` 0 the ends are rounded to nearest, as the operations that IEEE 754 defines are.
        Otherwise ends move outward by `ulps` units in the last place of the larger of the end and
        `floor`, save the numbers that the computation reaches exactly. An end of zero has no sign. An
        integer that leaves its format wraps around, so nothing but the format is known of it.
        """
        name = dtype or DEFAULT_FORMAT
        if name in INTEGERS:
            lowest, highest = INTEGERS[name]
            if name == "bool":
                return Interval(float(self.lo > 0 or self.hi < 0), float(self.lo != 0 or self.hi != 0))
            if self.lo < lowest or self.hi > highest:
                return Interval(float(lowest), float(highest))
            return self
        slack = ulps * epsilon(dtype)
        # Where a format keeps subnormals (float16), their distance is the same down to zero.
        least = ulps * smallest(dtype) if name == "float16" else 0.0
        lo, hi = self.lo, self.hi
        if slack and math.isfinite(lo) and lo not in exact:
            lo -= max(slack * max(abs(lo), floor), min(least, lo) if lo >= 0.0 else least)
        if slack and math.isfinite(hi) and hi not in exact:
            hi += max(slack * max(abs(hi), floor), min(least, -hi) if hi <= 0.0 else least)
        return Interval(round_to(lo, dtype) + 0.0, round_to(hi, dtype) + 0.0)

    def widen(self, newer: Interval) -> Interval:
        """Ends that moved between two passes over a loop go to infinity, so that a third changes nothing."""
        return Interval(
            -math.inf if newer.lo < self.lo else self.lo,
            math.inf if newer.hi > self.hi else self.hi,
        )

    def __str__(self) -> str:
        return f"[{self.lo:.6g}, {self.hi:.6g}]"


EVERYTHING = Interval(-math.inf, math.inf)
UNIT = Interval(0.0, 1.0)
NON_NEGATIVE = Interval(0.0, math.inf)
