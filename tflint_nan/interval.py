"""Ranges of IEEE numbers, in the format a tensor is stored in.

An `Interval` is a sound bound: every finite value that the program can compute lies inside. Its ends
are floats of the tensor's own format, so `1e-10 + 1` is the point 1 in float32 and `1e-8` is the
point 0 in float16. Infinities are ends like any other; NaN never is.

Units: none (the numbers are those of the program). The constants of the formats are IEEE 754-2008's.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

#: format -> (largest finite value, smallest normal value). Below the second, TensorFlow's CPU and GPU
#: kernels flush to zero.
FORMATS: dict[str, tuple[float, float]] = {
    "float16": (65504.0, 2.0**-14),
    "bfloat16": (3.3895313892515355e38, 2.0**-126),
    "float32": (3.4028234663852886e38, 2.0**-126),
    "float64": (1.7976931348623157e308, 2.0**-1022),
}
DEFAULT_FORMAT = "float32"


def is_float(dtype: str | None) -> bool:
    """True where `dtype` is a floating format or not known (then float32 is assumed)."""
    return dtype is None or dtype in FORMATS


def round_to(value: float, dtype: str | None) -> float:
    """`value` as the format stores it: rounded to nearest even, overflow to infinity, subnormals to 0.

    Integers and other formats are returned as they are.
    """
    name = dtype or DEFAULT_FORMAT
    if name not in FORMATS or value == 0.0 or not math.isfinite(value):
        return value
    largest, smallest = FORMATS[name]
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
    if abs(rounded) > largest:
        return math.copysign(math.inf, value)
    return 0.0 if abs(rounded) < smallest else rounded


def _bfloat16(value: float) -> float:
    """Round to the upper half of a float32, to nearest even."""
    try:
        (bits,) = struct.unpack("<I", struct.pack("<f", value))
    except OverflowError:
        return math.copysign(math.inf, value)
    bits += 0x7FFF + ((bits >> 16) & 1)
    (rounded,) = struct.unpack("<f", struct.pack("<I", bits & 0xFFFF0000))
    return float(rounded)


@dataclass(frozen=True, slots=True)
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
