"""Where functions are defined, and expressions that leave it by rounding alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tflint_nan.evidence import Trail, is_epsilon, number, same
from tflint_nan.interval import above
from tflint_nan.ops import functions, special_functions
from tflint_nan.value import Op, Value, Witness
from tflint_nan.vectors import apart, is_unit, length, same_numbers, squared, unit_vector

#: Sums of products: what rounds the cosine of two unit vectors past 1.
_PRODUCTS = frozenset({"sum", "matmul", "einsum", "tensordot", "mean"})


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


def by_rounding(sink: Op, domain: Domain) -> tuple[Trail, str] | None:
    """The operand where it is inside of the domain on paper and past its edge in floats, and what it is."""
    value = sink.arg("x")
    made = next((op for op in value.producers() if not op.flow), None)
    if made is None:
        return None
    dtype = value.dtype
    if domain.hi == 1.0 and _is_cosine(made) and value.interval.hi > 1.0:
        past, why = above(1.0, dtype), "a cosine,"
    elif domain.lo == 0.0 and _is_sine(made) and value.interval.lo < 0.0:
        past, why = 1.0 - above(1.0, dtype), "one minus the square of a cosine,"
    elif domain.lo == 0.0 and _is_mean_difference(made) and value.interval.lo < 0.0:
        past, why = 1.0 - above(1.0, dtype), "the mean of squares less the square of the mean,"
    elif domain.lo == 0.0 and made.name in ("add", "sub") and value.interval.lo < 0.0 and apart(made):
        past, why = 1.0 - above(1.0, dtype), "a squared distance by inner products,"
    else:
        return None
    return Trail(value, Witness(past, ((made, past),)), (made, sink), made, ()), why


def _is_cosine(op: Op) -> bool:
    """Whether `op` is the inner product of vectors of length 1: normalised before, or divided afterwards."""
    if op.name == "cosine_similarity":
        return True
    if op.name in _PRODUCTS:
        return all(is_unit(value) for value in _factors(op))
    if op.name != "div":
        return False
    product, lengths = op.arg("x").op, op.arg("y").op
    if product is not None and product.name == "div":  # one norm after the other
        parts = [product.arg("y"), op.arg("y")]
        product = product.arg("x").op
    elif lengths is not None and lengths.name == "add" and any(map(_is_small, lengths.args.values())):
        inner = next((v.op for v in lengths.args.values() if v.op is not None), None)
        parts = [inner.arg("x"), inner.arg("y")] if inner is not None and inner.name == "mul" else []
    else:
        parts = [lengths.arg("x"), lengths.arg("y")] if lengths is not None and lengths.name == "mul" else []
    if product is None or product.name not in _PRODUCTS or len(parts) != 2:
        return False
    roots = [length(part) for part in parts]
    vectors = [unit_vector(root) for root in roots if root is not None]
    factors = list(_factors(product))
    return len(factors) == len(vectors) == 2 and all(
        any(vector is not None and same_numbers(factor, vector) for vector in vectors) for factor in factors
    )


def _is_small(value: Value) -> bool:
    return is_epsilon(number(value) or 0.0)


def _factors(op: Op) -> Iterator[Value]:
    """What an inner product multiplies; something that is no unit vector where it is none."""
    product = op.arg("x").op if op.name in ("sum", "mean") else op
    if product is None or (op.name == "mean") or (product is not op and product.name != "mul"):
        yield op.arg("x")
        return
    yield from (value for name, value in product.args.items() if name in ("x", "y", "kernel"))


def _is_sine(op: Op) -> bool:
    """Whether `op` is one minus the square of a cosine."""
    if op.name != "sub" or number(op.arg("x")) != 1:
        return False
    cosine = squared(op.arg("y"))
    made = None if cosine is None else next((op for op in cosine.producers() if not op.flow), None)
    return made is not None and _is_cosine(made)


def _is_mean_difference(op: Op) -> bool:
    """Whether `op` is the mean of squares less the square of the mean, a variance on paper."""
    squares, middle = op.arg("x").made_by("mean"), squared(op.arg("y"))
    mean = None if middle is None else middle.made_by("mean")
    if op.name != "sub" or squares is None or mean is None:
        return False
    inside = squared(squares.arg("x"))
    return inside is not None and same(inside, mean.arg("x"))
