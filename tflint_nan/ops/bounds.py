"""Operators of which no more is known than what their results lie in, and where they are moved freely."""

from __future__ import annotations

from collections.abc import Callable

from tflint_nan.interval import EVERYTHING, FORMATS, INTEGERS, Interval
from tflint_nan.ops.points import (
    broadcast,
    dtype_named,
    dtype_of,
    facts,
    is_unbounded,
    real_dtype,
    unbounded,
)
from tflint_nan.ops.table import Facts, operator
from tflint_nan.value import Op, Shape, Value

#: What the results of an operation lie in: always, or by its arguments.
Image = Interval | Callable[[Op], Interval]
#: The shape of a result, from the shapes of the operands.
Shaping = Callable[..., Shape]

_COMPLEX = {"complex64": "float32", "complex128": "float64"}


def unshaped(*shapes: Shape) -> Shape:
    """A shape that is not followed."""
    return None


def real_part(dtype: str | None) -> str | None:
    """The format of a complex number's parts; any other format as it is."""
    return _COMPLEX.get(dtype or "", dtype)


def complex_of(dtype: str | None) -> str | None:
    """The complex format whose parts are `dtype`, None where that is not known."""
    if dtype in _COMPLEX:
        return dtype
    return {"float32": "complex64", "float64": "complex128"}.get(dtype or "")


def bounded(
    names: str,
    image: Image,
    *operands: str,
    shape: Shaping = broadcast,
    dtype: str | None = None,
    differentiable: bool = True,
) -> None:
    """Register operations whose results lie in `image`, whatever else they depend on.

    Args:
        names: canonical names separated by white space.
        image: all numbers that the results can be, in every floating format.
        operands: the arguments that give the format, and the shape through `shape`.
        dtype: the format where no `dtype` argument names one; that of the operands by default.
    """

    def transfer(op: Op) -> Facts:
        values = [op.arg(name) for name in operands]
        known = dtype_named(op.arg("dtype"), op.api) or dtype or real_part(real_dtype(op, *values))
        interval = image(op) if callable(image) else image
        if known in FORMATS or known is None:
            interval = interval.stored(known)
        return Facts(interval, (), known, shape(*(value.shape for value in values)))

    for name in names.split():
        operator(name, differentiable=differentiable)(transfer)


def moved_freely(names: str, *operands: str, shape: Shaping = unshaped) -> None:
    """Register linear maps: moved freely where an operand is, 0 where it is all zeros."""

    def transfer(op: Op) -> Facts:
        values = [op.arg(name) for name in operands]
        dtype = real_part(dtype_of(op, *values))
        dtype = None if dtype in INTEGERS else dtype
        shaped = shape(*(value.shape for value in values))
        if any(is_unbounded(value) for value in values):
            return Facts(EVERYTHING, unbounded(op, dtype), dtype, shaped)
        kept = [w for value in values for w in value.witnesses if w.value == 0.0 and value.interval.is_point]
        return facts(EVERYTHING, kept, dtype, shaped)

    for name in names.split():
        operator(name)(transfer)


def sign_of(x: Value) -> Interval:
    """Everything on the side of 0 on which `x` lies."""
    if x.interval.lo >= 0.0:
        return Interval(0.0, float("inf"))
    return Interval(float("-inf"), 0.0) if x.interval.hi <= 0.0 else EVERYTHING
