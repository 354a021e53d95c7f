"""Where functions are defined, and expressions that leave it by rounding alone."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass

from tflint_nan.evidence import Trail, as_written, is_trained, number
from tflint_nan.interval import above
from tflint_nan.ops import functions, special_functions
from tflint_nan.ops.points import integers, same
from tflint_nan.ops.units import factors, over_lengths
from tflint_nan.value import Items, Op, Value, Witness
from tflint_nan.vectors import apart, is_unit, made, squared, terms

#: The places of the diagonal of a rotation.
_DIAGONAL = {(0, 0), (1, 1), (2, 2)}
#: Arithmetic that the cosine of an angle is computed by.
_ARITHMETIC: dict[str, Callable[..., float]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "neg": operator.neg,
    "abs": abs,
    "square": lambda x: x * x,
    "pow": functions.power,
}
#: Ops that take a number back to a bound, and the arguments that hold the upper one.
_BOUNDING = frozenset({"clip", "minimum", "maximum"})
_ENDS = ("max", "y")
#: How many ops it is looked for in.
_MANY = 16


@dataclass(frozen=True, slots=True)
class Domain:
    """From `lo` to `hi`; `poles` where the function is infinite or NaN at the ends themselves."""

    point: Callable[[float], float]
    lo: float = -math.inf
    hi: float = math.inf
    poles: bool = True

    def leaves(self, value: float) -> bool:
        """Whether the function is NaN or infinite there."""
        outside = value < self.lo or value > self.hi
        return outside or (self.poles and value in (self.lo, self.hi))


#: Functions that are defined on an interval, by canonical name.
DOMAINS = {
    "acos": Domain(functions.acos, -1.0, 1.0, poles=False),
    "asin": Domain(functions.asin, -1.0, 1.0, poles=False),
    "acosh": Domain(functions.acosh, 1.0, poles=False),
    "sqrt": Domain(functions.sqrt, 0.0, poles=False),
    "rsqrt": Domain(functions.rsqrt, 0.0, poles=False),
    "atanh": Domain(functions.atanh, -1.0, 1.0),
    "erfinv": Domain(functions.erfinv, -1.0, 1.0),
    "ndtri": Domain(special_functions.ndtri, 0.0, 1.0),
    "lgamma": Domain(functions.lgamma, 0.0),
    "digamma": Domain(functions.digamma, 0.0),
    "log1p": Domain(functions.log1p, -1.0),
}


@dataclass(frozen=True, slots=True)
class Rounded:
    """An operand that is at the edge of the domain on paper, and past it in floats.

    Attributes:
        trail: from the operand, with a number past the edge.
        what: what the operand is.
        bounded: whether it is inside of the domain on paper, so that rounding alone takes it out.
        clip: what takes it back to the edge, where the function has a value and an infinite slope.
    """

    trail: Trail
    what: str
    bounded: bool = True
    clip: Op | None = None


def by_rounding(sink: Op, domain: Domain) -> Rounded | None:
    """How the operand of `sink` gets past the edge of the domain by rounding, or nothing keeps it inside."""
    value = sink.arg("x")
    source = made(value)
    if source is None:
        return None
    bounded = True
    past = 1.0 - above(1.0, value.dtype)
    if value.interval.hi == domain.hi == 1.0 and not domain.poles:
        return _clipped(sink)
    if domain.hi == 1.0 and value.interval.hi > 1.0:
        past = above(1.0, value.dtype)
        what = _described(value, source, poles=domain.poles)
        bounded = what != _ANY
    elif domain.lo == 0.0 and value.interval.lo < 0.0:
        what = _difference(source)
    else:
        return None
    if what is None:
        return None
    return Rounded(Trail(value, Witness(past, ((source, past),)), (source, sink), source, ()), what, bounded)


def unbounded(value: Value) -> tuple[Value, tuple[Op, ...]]:
    """`value` before it is taken back to bounds, and what does it; at a bound these hand a gradient on.

    Of two that are equal, TensorFlow gives it to the first (2.21), so `maximum(1.0, x)` hands none on.
    """
    bounds: tuple[Op, ...] = ()
    while (op := value.op) is not None and op.name in _BOUNDING and number(op.arg("x")) is None:
        value, bounds = op.arg("x"), (op, *bounds)
    return value, bounds


def _clipped(sink: Op) -> Rounded | None:
    """A cosine, or an inner product of which an angle is taken, that is taken back to the edge itself."""
    value, bounds = unbounded(sink.arg("x"))
    source = made(value)
    what = None if source is None or not bounds else _described(value, source, poles=False)
    if source is None or what is None:
        return None
    # What is written as another number and rounded to 1 is NAN104's.
    if not _is_cosine(source) and not any(as_written(op.arg(name)) == 1 for op in bounds for name in _ENDS):
        return None
    trail = Trail(sink.arg("x"), Witness(1.0, ((source, 1.0),)), (source, *bounds, sink), source, bounds)
    return Rounded(trail, what, bounded=what != _ANY, clip=bounds[-1])


#: A product of vectors of unknown lengths, of which an angle is taken.
_ANY = "an inner product of vectors of any length,"


def _described(value: Value, source: Op, *, poles: bool) -> str | None:
    """What is 1 for vectors that are alike; None for what is not.

    Who takes an angle (there are no poles) means a cosine, so that one of the vectors may be data.
    """
    if _is_cosine(source):
        return "a cosine,"
    if poles:
        return None
    if _alike(value, {}) == 1.0:
        return "a cosine," if factors(source) else "the cosine of an angle,"
    return _ANY if factors(source) and is_trained(source) else None


def _difference(source: Op) -> str | None:
    """What is 0 for vectors or numbers that are alike; None for what is not."""
    if _is_sine(source):
        return "one minus the square of a cosine,"
    if _is_mean_difference(source):
        return "the mean of squares less the square of the mean,"
    is_distance = source.name in ("add", "sub") and apart(source)
    return "a squared distance by inner products," if is_distance else None


def _alike(value: Value, known: dict[int, float | None]) -> float | None:
    """What `value` is where the vectors, or the rotations, that it compares are the same.

    None where it compares none. A cosine is 1, the trace of a product of rotations, `R^T R`, 3.
    """
    op = made(value)
    if op is None or len(known) > _MANY:
        return None
    if op.serial not in known:
        known[op.serial] = None
        if _is_trace(op):
            known[op.serial] = 3.0
        elif _is_cosine(op) or any(map(is_unit, factors(op) or ())):
            known[op.serial] = 1.0
        else:
            known[op.serial] = _computed(op, known)
    return known[op.serial]


def _computed(op: Op, known: dict[int, float | None]) -> float | None:
    """What an arithmetic op makes of them and of constants."""
    operands = [op.args[name] for name in ("x", "y") if name in op.args]
    given = [number(operand) for operand in operands]
    if op.name not in _ARITHMETIC or None not in given:
        return None
    numbers = [_alike(arg, known) if n is None else n for arg, n in zip(operands, given, strict=True)]
    exact = [n for n in numbers if n is not None]
    if len(exact) < len(numbers) or (op.name == "div" and exact[1] == 0.0):
        return None
    return _ARITHMETIC[op.name](*exact)


def _is_trace(op: Op) -> bool:
    """Whether `op` adds up the diagonal of a matrix, or the products of two matrices element by element."""
    if op.name == "einsum":
        left, _, right = str(op.arg("equation").literal).replace(" ", "").replace("...", "").partition("->")
        one, _, other = left.partition(",")
        return one == other and len(one) - len(right) == 2
    if op.name == "add":
        return {_picked(term) for _, term in terms(op.value)} == _DIAGONAL
    inside = op.arg("x").op if op.name == "sum" else None
    if inside is None:
        return False
    return inside.name == "diag_part" or (inside.name == "mul" and len(integers(op.arg("axis")) or ()) == 2)


def _picked(term: Value) -> tuple[object, ...]:
    """The place in a matrix that an element is taken from."""
    index = term.op.arg("index") if term.op is not None and term.op.name == "slice" else None
    return tuple(item.literal for item in index.items[-2:]) if isinstance(index, Items) else ()


def _is_cosine(op: Op) -> bool:
    """Whether `op` is the inner product of vectors of length 1: normalised before, or divided afterwards."""
    pair = factors(op)
    if pair is not None:
        return all(map(is_unit, pair))
    return op.name == "cosine_similarity" or over_lengths(op) is not None


def _is_sine(op: Op) -> bool:
    """Whether `op` is one minus the square of a cosine."""
    if op.name != "sub" or number(op.arg("x")) != 1:
        return False
    cosine = squared(op.arg("y"))
    source = None if cosine is None else made(cosine)
    return source is not None and _is_cosine(source)


def _is_mean_difference(op: Op) -> bool:
    """Whether `op` is the mean of squares less the square of the mean, a variance on paper."""
    squares, middle = op.arg("x").made_by("mean"), squared(op.arg("y"))
    mean = None if middle is None else middle.made_by("mean")
    if op.name != "sub" or squares is None or mean is None:
        return False
    inside = squared(squares.arg("x"))
    return inside is not None and same(inside, mean.arg("x"))
