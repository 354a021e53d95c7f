"""Roots of values that reach exactly 0, whose gradient is infinite there.

The derivative of `sqrt(v)` is `1 / (2 sqrt(v))`, infinite at 0, and the derivative of what is inside (a
square, a relu, a sigmoid) is 0 there: their product is NaN, which every weight behind it becomes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from tflint_nan.backprop import ROOTS, passes
from tflint_nan.evidence import Trail, is_trained, number, onward
from tflint_nan.finding import Level
from tflint_nan.graph import Graph
from tflint_nan.value import Items, Op, Witness
from tflint_nan.zeros import DIAGONAL, DIFFERENCE, GRADIENT, PARTS, ROWS, SPREADS, Zero, Zeros

#: Norms whose gradient at 0 is infinite; that of the others is 0 there (TensorFlow 2.21).
_EUCLIDEAN = (None, 2, 2.0, "euclidean", "fro")


@dataclass(frozen=True, slots=True)
class Root:
    """A root whose gradient is infinite.

    Attributes:
        trail: how the 0 gets to it.
        why: why it is 0.
        known: the numbers of ops on the way.
        shown_by: the op that takes a gradient of it; None where nothing shows that one is taken.
    """

    trail: Trail
    why: str
    known: Mapping[Op, float]
    shown_by: Op | None

    @property
    def shown(self) -> bool:
        """Whether a gradient is shown to be taken of it."""
        return self.shown_by is not None

    @property
    def level(self) -> Level:
        """Where nobody is seen to take a gradient OPTIONAL for what has no weights, or may be equal.

        Of rows whose diagonal is masked never DEFAULT.
        """
        if self.shown:
            return Level.STRICT if self.why == ROWS else Level.DEFAULT
        seen = self.why not in (DIFFERENCE, ROWS) and is_trained(self.trail.sink)
        return Level.STRICT if seen else Level.OPTIONAL


@lru_cache(maxsize=1)
def infinite_roots(graph: Graph) -> tuple[Root, ...]:
    """The roots of values that reach 0, of which a gradient is, or may be, taken."""
    return tuple(_infinite_roots(graph))


def _infinite_roots(graph: Graph) -> Iterator[Root]:
    zeros = Zeros(graph)
    for sink in graph.ops(*ROOTS):
        taken = graph.differentiated(sink)
        # Only arrays have such methods.
        if taken is False or sink.api.startswith("tensor.") or not _is_root(sink):
            continue
        value = sink.arg("x")
        found = zeros.of(value, folded=sink.name == "norm", spread=sink.name == "std")
        if found is not None:
            found = _coming_back(graph, sink, found)
        if found is None:
            continue
        # Norms of gradients are computed to be looked at; unknown numbers need not be near each other.
        certain = found.why in (DIAGONAL, PARTS) or is_trained(sink)
        if not taken and (found.why == GRADIENT or not certain):
            continue
        first = found.chain[0] if found.chain else sink
        if first.name in SPREADS and _is_divisor(graph, sink):
            continue  # the quotient is NaN itself: NAN105's
        if found.is_distance and sink.name == "sqrt" and value.interval.lo < 0:
            continue  # a distance that rounding makes negative: NAN109's
        witness = Witness(0.0, found.inputs or ((first, 0.0),))
        trail = Trail(value, witness, (*found.chain, sink), first, found.chain[1:])
        yield Root(trail, found.why, found.known, graph.differentiating(sink) if taken else None)


def _coming_back(graph: Graph, sink: Op, found: Zero) -> Zero | None:
    """`found`, if another gradient than 0 may come back to the root there; for the rows of a matrix of
    distances whose diagonal is masked, that two of them can be equal.
    """
    if sink.name == "pow":  # gives NaN for 0, too; in a where that is NAN108's
        return None if _is_chosen(graph, sink) else found
    paired = found.why == DIAGONAL
    if passes(graph, sink, found.chain, paired=paired):
        return found
    return replace(found, why=ROWS) if paired and passes(graph, sink, found.chain) else None


def _is_chosen(graph: Graph, root: Op) -> bool:
    """Whether nothing but a choice takes the root."""
    takers = list(graph.consumers(root))
    return bool(takers) and all(taker.name in ("where", "select") for taker in takers)


def _is_divisor(graph: Graph, root: Op) -> bool:
    """Whether something is divided by the root as it is."""
    takers = onward(graph, root, lambda op: bool(op.flow))
    return any(taker.name == "div" and root in taker.arg("y").producers() for taker in takers)


def _is_root(op: Op) -> bool:
    if op.name == "pow":
        exponent = number(op.arg("y"))
        return exponent is not None and 0 < exponent < 1
    if op.name != "norm":
        return True
    order, axis = op.arg("ord").literal, op.arg("axis")
    if order == 2 and isinstance(axis, Items) and len(axis.items) > 1:
        return False  # the largest singular value of matrices, whose gradient at 0 is finite
    return order in _EUCLIDEAN
