"""Where values are known to be exactly 0 at some time of training, by how they are computed, and why."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from tflint_nan.evidence import at, is_trained, number, squasher
from tflint_nan.graph import Graph
from tflint_nan.interval import Interval, round_to
from tflint_nan.ops.parts import takes_all
from tflint_nan.ops.points import same
from tflint_nan.starts import Beginning
from tflint_nan.training import LINEAR
from tflint_nan.value import NONE, Items, Op, Unknown, Value, Witness
from tflint_nan.vectors import apart, at_equal

#: Ops that are 0 where their `x` is, and have the sign of a square or none to lose.
_KEEPING = frozenset(
    {"abs", "neg", "sum", "mean", "max", "min", "norm", "sqrt", "tanh", "asinh", "cumsum", "div"}
    | {"softsign", "sin", "leaky_relu", "selu", "elu", "divide_no_nan"}
)
#: Ops that are 0 where the difference of their operands is, and not negative anywhere.
_SQUARED = frozenset({"squared_difference", "mean_squared_error", "mean_absolute_error"})
#: Ops that make a number non-negative, so that the 0 inside is a minimum and no change of sign.
_FOLDING = frozenset({"square", "abs", "norm"})
#: What a reader is told of why a value is 0 somewhere.
DIAGONAL = "the difference of a value from itself"
PARTS = "the difference of parts of one value, which can be equal"
SPREAD = "the spread of values that can all be the same"
DIFFERENCE = "a difference"
GRADIENT = "a gradient, which a dead unit makes 0"
_START = "a variable that starts at 0"
_STARTED = "computed from weights that start at 0"
_RELU = "a relu, 0 for every negative input"
#: Of a matrix of distances whose diagonal is masked.
ROWS = "the distance of two rows that can be equal"
#: Functions that are the same number for all inputs that are far enough out.
_SATURATING = frozenset({"tanh", "relu", "relu6", "hard_sigmoid", "hard_tanh", "softplus", "exp"})
SPREADS = frozenset({"std", "variance"})
#: How far a value is followed back.
_DEPTH = 40


@dataclass(frozen=True, slots=True)
class Zero:
    """How a value reaches 0, and `why`.

    Attributes:
        chain: the ops on the way, the first of which is assumed if nothing else is.
        inputs: the ops whose outputs are assumed, with their numbers; empty where the first is 0.
        known: the numbers of ops on the way; of the others their witnesses tell.
        is_distance: whether it is a sum of inner products.
    """

    chain: tuple[Op, ...]
    why: str
    inputs: tuple[tuple[Op, float], ...] = ()
    known: Mapping[Op, float] = field(default_factory=dict)
    is_distance: bool = False


class Zeros:
    """Where values are known to be exactly 0 at some time of training, by how they are computed."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._beginning = Beginning(graph)
        self._known: dict[tuple[int, bool], Zero | None] = {}

    def of(self, value: Value, *, folded: bool = False, spread: bool = False) -> Zero | None:
        """How `value` reaches 0, None where nothing shows it.

        Args:
            value: what may be 0.
            folded: what it goes into is a square or the like, so that a difference may pass 0.
            spread: `value` is not itself 0, but all of it the same.
        """
        if spread:
            return Zero((), SPREAD) if not value.interval.is_point else None
        return self._of(value, folded, 0)

    def _of(self, value: Value, folded: bool, depth: int) -> Zero | None:
        op = value.op
        if op is None or depth > _DEPTH or 0.0 not in value.interval:
            return None
        key = op.serial, folded
        if key not in self._known:
            self._known[key] = None
            found = self._found(op, folded, depth + 1)
            if found is not None:
                self._known[key] = replace(found, chain=(*found.chain, op), known={**found.known, op: 0.0})
        return self._known[key]

    def _found(self, op: Op, folded: bool, depth: int) -> Zero | None:
        x, y = op.arg("x"), op.arg("y")
        if op.name in SPREADS:
            return Zero((), SPREAD)
        if op.name == "gradients" or _is_gradient(op):
            return Zero((), GRADIENT)
        if op.name == "variable":
            return Zero((), _START) if self._starts_at_zero(op) else None
        if op.name in LINEAR:
            return Zero((), _STARTED) if self._starts_at_zero(op) else None
        squashed = squasher(op)
        if op.name == "relu" or squashed is not None:
            distance = self._of(x, False, depth) if op.name == "relu" else None
            if distance is not None and distance.is_distance:
                return distance
            return _far_out(op, f"a {squashed}, exactly 0 far out" if squashed else _RELU)
        vectors = apart(op) if op.name in ("add", "sub") else None
        if vectors is not None:
            return self._distance(op, vectors)
        if op.name in _SQUARED or (op.name == "sub" and folded):
            a, b = (op.arg("y_true"), op.arg("y_pred")) if "y_pred" in op.args else (x, y)
            why = _difference(a, b)
            if why is not None or op.name != "sub":
                return None if why is None else Zero((), why)
        if op.name == "log" or (op.name == "sub" and (number(x) is None) != (number(y) is None)):
            return self._met(op)
        return self._kept(op, folded, depth)

    def _starts_at_zero(self, op: Op) -> bool:
        """Whether weights make `op` 0 before the first step, whatever is fed."""
        return self._beginning.of(op.value) == Interval.point(0.0) and is_trained(op)

    def _distance(self, op: Op, vectors: tuple[Op, ...]) -> Zero | None:
        """A sum of inner products of vectors, which is 0 where they are equal: at 1 and otherwise 0, say."""
        drawn = any(vector.name.startswith("random_") for vector in vectors)
        if any(1.0 not in vector.value.interval for vector in vectors) or (drawn and len(vectors) > 1):
            return None
        path = self._graph.path(vectors[0], op)[:-1]
        known = {step: at_equal(step) for step in path}
        inputs = tuple((vector, 1.0) for vector in vectors)
        return Zero(path, DIAGONAL if len(vectors) == 1 else DIFFERENCE, inputs, known, is_distance=True)

    def _kept(self, op: Op, folded: bool, depth: int) -> Zero | None:
        """Where `op` is 0 because of an operand."""
        x, y = op.arg("x"), op.arg("y")
        if op.name == "square" or op.name in _KEEPING:
            return self._of(x, folded or op.name in _FOLDING, depth)
        if op.name == "pow":
            exponent = number(y)
            even = exponent is not None and exponent % 2 == 0
            return self._of(x, folded or even, depth) if exponent is not None and exponent > 0 else None
        if op.name == "mul":
            if same(x, y):
                return self._of(x, True, depth)
            return self._of(x, folded, depth) or self._of(y, folded, depth)
        if op.name == "add":
            for one, other in ((x, y), (y, x)):
                constant = number(other)
                if constant is not None:
                    return self._of(one, folded, depth) if round_to(constant, op.value.dtype) == 0 else None
            found = self._of(x, folded, depth)
            return found if found and self._of(y, folded, depth) else None
        if op.name in ("where", "select", "refine", "set_diag"):
            return None  # somebody thought of it
        if op.name in ("slice", "gather") and any(map(_is_put_together, x.producers())):
            return None  # it may be one of the others that is picked
        if op.name in ("maximum", "minimum"):
            # The gradient goes to the first of two that are equal.
            found = self._of(x, folded, depth)
            return found if found is not None or number(x) == 0 else self._of(y, folded, depth)
        for name in op.flow:
            given = op.args.get(name, NONE)
            for item in given.items if isinstance(given, Items) else (given,):
                found = self._of(item, folded, depth)
                if found is not None:
                    return found
        return self._of(x, folded, depth) if op.name == "clip" else None

    def _met(self, op: Op) -> Zero | None:
        """A number less what reaches it: far out, and at the ends of what data and labels are."""
        for witness in op.value.witnesses:
            if witness.value != 0:
                continue
            ways = [self._graph.path(source, op) for source, _ in witness.inputs]
            if not all(way and _is_reached(way, witness) for way in ways):
                continue
            for way in ways:
                if self._hands_back(way, witness):
                    return Zero(way[:-1], _described(op), witness.inputs)
        return None

    def _hands_back(self, way: tuple[Op, ...], witness: Witness) -> bool:
        """Whether a gradient comes back along `way` to where it starts, be it infinite times 0."""
        if not is_trained(way[0]):
            return False
        for before, step in pairwise(way):
            choosing = step.name in ("where", "select", "refine")
            if choosing or self._graph.is_state(before) or self._graph.differentiated(step) is False:
                return False
            # What is past a bound gets no gradient at all; a relu multiplies, infinity with 0.
            bounding = step.name in ("maximum", "minimum", "clip")
            if bounding and bounded(step, before, at(before, witness)) == "stops":
                return False
        return True


def _is_reached(way: tuple[Op, ...], witness: Witness) -> bool:
    """Whether the end of `way` is exactly that number for many inputs, and not by coincidence.

    Data and labels are at the ends of their range; of what is trained a function is, all the way out.
    """
    if way[0].name == "labels":
        return True  # classes and masks, whatever else Keras may be given
    data = () if is_trained(way[0]) else way[:1]
    saturating = (step for step in way if step.name in _SATURATING or squasher(step) is not None)
    return any(_is_at_an_end(step, at(step, witness)) for step in (*data, *saturating))


def _is_at_an_end(op: Op, number: float | None) -> bool:
    bounds = op.value.interval
    return number is not None and math.isfinite(number) and number in (bounds.lo, bounds.hi)


def _described(op: Op) -> str:
    if op.name == "log":
        return "the log of what reaches 1"
    x, y = op.arg("x"), op.arg("y")
    squashed = next((kind for part in y.producers() if (kind := squasher(part)) is not None), None)
    if number(x) == 1:
        return f"one minus {'what' if squashed is None else f'a {squashed} that'} reaches 1"
    constant = number(x) if number(x) is not None else number(y)
    return f"the difference of {constant:g} and what reaches it"


def _far_out(op: Op, why: str) -> Zero | None:
    """How `op` is 0: from its operand, if that is what is assumed."""
    witness = op.value.reaches(lambda v: v == 0)
    if witness is None:
        return None
    operand = op.arg("x").op
    given = next((pair for pair in witness.inputs if pair[0] is operand and pair[0] is not op), None)
    return Zero((), why) if given is None else Zero((given[0],), why, (given,))


def _is_put_together(op: Op) -> bool:
    """Whether `op` arranges several values as one."""
    return any(isinstance(op.args.get(name), Items) for name in op.flow)


def _is_gradient(op: Op) -> bool:
    """Whether `op` takes one of the list of gradients that one call computes."""
    made = op.arg("0").op if op.name == "unknown_call" else None
    return made is not None and made.name == "gradients" and made.node is op.node


def is_deviation(op: Op) -> bool:
    """Whether `op` is the distance of values from their middle, 0 where they all are the same."""
    return op.name == "sub" and _difference(op.arg("x"), op.arg("y")) == SPREAD


def _difference(a: Value, b: Value) -> str | None:
    """Why the difference of two values is 0 somewhere, None where it need not be."""
    makers = [{op.serial: op for op in value.producers() if not op.flow} for value in (a, b)]
    if any(op.name.startswith("random_") for made in makers for op in made.values()):
        return None  # samples of a continuous distribution
    if makers[0].keys() & makers[1].keys():
        # Subscripts of what is not known are other values of its op.
        apart = a is not b and isinstance(a, Unknown) and isinstance(b, Unknown)
        return PARTS if apart or _are_parts(a, b) else DIAGONAL
    for one, other in ((a, b), (b, a)):
        middle = one.made_by("mean", "max", "min")
        if middle is not None and middle.arg("x").op is not None and middle.arg("x").op is other.op:
            return SPREAD
    if number(a) is not None or number(b) is not None:
        return None
    return DIFFERENCE


def _are_parts(a: Value, b: Value) -> bool:
    """Whether places are picked out of what made both values: neighbours, channels.

    Where both are of the same places, these are the value: what they were picked out of does not count.
    """
    ways = [list(_picked(value)) for value in (a, b)]
    common = {op.serial for op in ways[0]} & {op.serial for op in ways[1]}
    return all(any(_picks(op) for op in way if op.serial not in common) for way in ways)


def _picked(value: Value) -> Iterator[Op]:
    """The ops that hand on what they are given, or places of it, from `value` back."""
    op = value.op
    while op is not None and op.flow:
        yield op
        op = op.arg("x").op


def _picks(op: Op) -> bool:
    return op.name in ("slice", "column", "gather", "unstack") and not takes_all(op)


def bounded(taker: Op, op: Op, value: float | None) -> float | str | None:
    """A bound that is in force has no gradient for what it replaces."""
    if value is None:
        return None
    low, high = taker.arg("min"), taker.arg("max")
    if taker.name == "relu":
        return "stops" if value <= 0 else value
    if taker.name != "clip":
        bound = taker.arg("y") if taker.arg("x").op is op else taker.arg("x")
        low, high = (bound, NONE) if taker.name == "maximum" else (NONE, bound)
    below, above = number(low), number(high)
    out = (below is not None and value < below) or (above is not None and value > above)
    return "stops" if out else value
