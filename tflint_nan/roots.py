"""Values that reach exactly 0, and the roots whose gradient is infinite there.

The derivative of `sqrt(v)` is `1 / (2 sqrt(v))`, infinite at 0, and the derivative of what is inside (a
square, a relu, a sigmoid) is 0 there: their product is NaN, which every weight behind it becomes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from tflint_nan.evidence import BINARY, NEAR, Trail, is_epsilon, is_trained, number, onward, same, squasher
from tflint_nan.finding import Level
from tflint_nan.graph import Graph
from tflint_nan.interval import Interval, round_to
from tflint_nan.ops.configuration import start
from tflint_nan.value import NONE, Items, Op, Value, Witness

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
_DIAGONAL = "the difference of a value from itself"
_SPREAD = "the spread of values that can all be the same"
_DIFFERENCE = "a difference"
_GRADIENT = "a gradient, which a dead unit makes 0"
_START = "a variable that starts at 0"
_RELU = "a relu, 0 for every negative input"
#: How far a value is followed back.
_DEPTH = 40
_SPREADS = frozenset({"std", "variance"})
#: Ops whose gradient may be infinite where their operand is 0.
ROOTS = ("sqrt", "norm", "std", "pow")
#: Norms whose gradient at 0 is infinite; that of the others is 0 there (TensorFlow 2.21).
_EUCLIDEAN = (None, 2, 2.0, "euclidean", "fro")


@dataclass(frozen=True, slots=True)
class Zero:
    """How a value reaches 0, and `why`: `chain` leads to its op from the one whose output is `start` then."""

    chain: tuple[Op, ...]
    why: str
    start: float = 0.0


@dataclass(frozen=True, slots=True)
class Root:
    """A root whose gradient is infinite: `shown` where a gradient is shown to be taken of it."""

    trail: Trail
    why: str
    shown: bool

    @property
    def level(self) -> Level:
        """Of what nobody is seen to take a gradient, OPTIONAL: no weights either, or values that may be equal."""
        if self.shown:
            return Level.DEFAULT
        seen = self.why != _DIFFERENCE and is_trained(self.trail.sink)
        return Level.STRICT if seen else Level.OPTIONAL


@lru_cache(maxsize=1)
def infinite_roots(graph: Graph) -> tuple[Root, ...]:
    """The roots of values that reach 0, of which a gradient is, or may be, taken."""
    return tuple(_infinite_roots(graph))


def _infinite_roots(graph: Graph) -> Iterator[Root]:
    zeros = Zeros()
    for sink in graph.ops(*ROOTS):
        taken = graph.differentiated(sink)
        # Only arrays have such methods.
        if taken is False or sink.api.startswith("tensor.") or not _is_root(sink):
            continue
        found = zeros.of(sink.arg("x"), folded=sink.name == "norm", spread=sink.name == "std")
        if found is None or (
            sink.name != "pow" and not _passes(graph, sink, 0.0, found.chain, {sink.serial})
        ):
            continue
        # Norms of gradients are computed to be looked at; unknown numbers need not be near each other.
        certain = found.why == _DIAGONAL or is_trained(sink)
        if not taken and (found.why == _GRADIENT or not certain):
            continue
        if _is_divisor(graph, sink) and (found.chain[0].name if found.chain else sink.name) in _SPREADS:
            continue  # the quotient is NaN itself: NAN105's
        value = sink.arg("x")
        first = found.chain[0] if found.chain else sink
        trail = Trail(
            value, Witness(0.0, ((first, found.start),)), (*found.chain, sink), first, found.chain[1:]
        )
        yield Root(trail, found.why, bool(taken))


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


def reduction(root: Op) -> Op | None:
    """The op that reduces a vector's squares: the norm itself, or the sum inside of a root."""
    if root.name == "norm":
        return root
    inside = root.arg("x").op
    if inside is not None and inside.name in ("add", "maximum"):
        operands = (inside.arg("x"), inside.arg("y"))
        guarded = next((value for value in operands if not is_epsilon(number(value) or 0.0)), root.arg("x"))
        return guarded.made_by("sum")
    return root.arg("x").made_by("sum")


def unit_vector(root: Op) -> Value | None:
    """The vector whose Euclidean norm `root` is."""
    over = reduction(root)
    if over is None or over is root:
        return None if over is None else over.arg("x")
    return squared(over.arg("x"))


def squared(value: Value) -> Value | None:
    """What `value` is the square of, however it is written."""
    op = value.op
    if op is None:
        return None
    twice = op.name == "mul" and same(op.arg("x"), op.arg("y"))
    even = op.name == "pow" and number(op.arg("y")) == 2
    return op.arg("x") if twice or even or op.name == "square" else None


class Zeros:
    """Where values are known to be exactly 0 at some time of training, by how they are computed."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, bool], Zero | None] = {}

    def of(self, value: Value, *, folded: bool = False, spread: bool = False) -> Zero | None:
        """How `value` reaches 0, None where nothing shows it.

        Args:
            value: what may be 0.
            folded: what it goes into is a square or the like, so that a difference may pass 0.
            spread: `value` is not itself 0, but all of it the same.
        """
        if spread:
            return Zero((), _SPREAD) if not value.interval.is_point else None
        return self._of(value, folded, 0)

    def _of(self, value: Value, folded: bool, depth: int) -> Zero | None:
        op = value.op
        if op is None or depth > _DEPTH or 0.0 not in value.interval:
            return None
        key = op.serial, folded
        if key not in self._known:
            self._known[key] = None
            found = self._found(op, folded, depth + 1)
            self._known[key] = None if found is None else replace(found, chain=(*found.chain, op))
        return self._known[key]

    def _found(self, op: Op, folded: bool, depth: int) -> Zero | None:
        x, y = op.arg("x"), op.arg("y")
        if op.name in _SPREADS:
            return Zero((), _SPREAD)
        if op.name == "gradients" or _is_gradient(op):
            return Zero((), _GRADIENT)
        if op.name == "variable":
            return Zero((), _START) if _starts_at_zero(op) else None
        squashed = squasher(op)
        if op.name == "relu" or squashed is not None:
            return _reached(op, f"a {squashed}, exactly 0 far out" if squashed else _RELU, op)
        if op.name in _SQUARED or (op.name == "sub" and folded):
            a, b = (op.arg("y_true"), op.arg("y_pred")) if "y_pred" in op.args else (x, y)
            apart = _difference(a, b)
            return None if apart is None else Zero((), apart)
        if op.name == "sub":
            return self._complement(op)
        return self._kept(op, folded, depth)

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
        if op.name in ("where", "select", "refine"):
            return None  # somebody thought of it
        for name in op.flow:
            given = op.args.get(name, NONE)
            for item in given.items if isinstance(given, Items) else (given,):
                found = self._of(item, folded, depth)
                if found is not None:
                    return found
        if op.name in ("maximum", "minimum", "clip"):
            return self._of(x, folded, depth) or self._of(y, folded, depth)
        return None

    def _complement(self, op: Op) -> Zero | None:
        """One minus a probability that reaches 1."""
        part = next((part for part in op.arg("y").producers() if squasher(part) is not None), None)
        if number(op.arg("x")) != 1 or part is None:
            return None
        why = f"one minus a {squasher(part)} that reaches 1"
        return _reached(op, why, part)


def _reached(op: Op, why: str, squashed: Op) -> Zero | None:
    """How `op`, computed from `squashed`, is 0: from the operand of that, if it is what is assumed."""
    witness = op.value.reaches(lambda v: v == 0)
    if witness is None:
        return None
    before = () if squashed is op else (squashed,)
    for source, assumed in witness.inputs:
        if source is squashed:
            return Zero(before, why, assumed)
        if source is squashed.arg("x").op:
            return Zero((source, *before), why, assumed)
    return Zero(before, why, 0.0 if squashed is op else 1.0)


def _is_gradient(op: Op) -> bool:
    """Whether `op` takes one of the list of gradients that one call computes."""
    made = op.arg("0").op if op.name == "unknown_call" else None
    return made is not None and made.name == "gradients" and made.node is op.node


def _starts_at_zero(variable: Op) -> bool:
    return start(variable.arg("initial_value")) == Interval(0.0, 0.0)


def _is_deviation(op: Op) -> bool:
    """Whether `op` is the distance of values from their middle, 0 where they all are the same."""
    return op.name == "sub" and _difference(op.arg("x"), op.arg("y")) == _SPREAD


def _difference(a: Value, b: Value) -> str | None:
    """Why the difference of two values is 0 somewhere, None where it need not be."""
    makers = [{op.serial: op for op in value.producers() if not op.flow} for value in (a, b)]
    if any(op.name.startswith("random_") for made in makers for op in made.values()):
        return None  # samples of a continuous distribution
    if makers[0].keys() & makers[1].keys():
        return _DIAGONAL
    for one, other in ((a, b), (b, a)):
        middle = one.made_by("mean", "max", "min")
        if middle is not None and middle.arg("x").op is not None and middle.arg("x").op is other.op:
            return _SPREAD
    if number(a) is not None or number(b) is not None:
        return None
    return _DIFFERENCE


def _passes(graph: Graph, op: Op, value: float | None, zero: tuple[Op, ...], seen: set[int]) -> bool:
    """Whether a gradient other than 0 may come back to `op` where its output is `value` (None: not known).

    Where exactly 0 comes back, TensorFlow gives 0 for the gradient of a root, whatever its operand is (2.21
    on a CPU; XLA does not). `zero` are the ops that are 0 as well.
    """
    consumers = graph.consumers(op)
    takers = [taker for taker in consumers if graph.differentiated(taker) is not False]
    for taker in takers:
        if taker.serial in seen or len(seen) > NEAR:
            continue
        seen.add(taker.serial)
        after = _after(taker, op, value, zero)
        if after == "passes" or (not isinstance(after, str) and _passes(graph, taker, after, zero, seen)):
            return True
    compared = consumers and all(taker.name in BINARY for taker in consumers)
    return not takers and (not compared or graph.escapes(op))


def _after(taker: Op, op: Op, value: float | None, zero: tuple[Op, ...]) -> float | str | None:
    """What `taker` makes of `value`, where it hands the gradient on as it is; else "stops" or "passes"."""
    x, y = taker.arg("x"), taker.arg("y")
    other = y if x.op is op else x
    constant = number(other)
    if taker.name in ("where", "select", "multiply_no_nan", "divide_no_nan"):
        return "stops"  # somebody thought of it
    if (
        taker.name == "square"
        or (taker.name == "pow" and (number(y) or 0) > 1)
        or (taker.name == "mul" and same(x, y))
    ):
        return "stops" if value == 0 else "passes"
    if taker.name == "relu" or (taker.name in ("maximum", "minimum", "clip")):
        return _bounded(taker, op, value)
    if taker.name == "div" and y.op is op:
        # x / (norm(x) + epsilon), (x - mean) / (std + epsilon): the gradient by the divisor has the dividend
        # as a factor.
        vanishes = any(maker in zero or _is_deviation(maker) for maker in x.producers())
        guarded = 0.0 not in y.interval and vanishes
        return "stops" if guarded else "passes"
    if taker.name in ("mul", "div"):
        return value if constant and value == 0 else None if constant else "passes"
    if taker.name == "neg":
        return None if value is None else -value
    if taker.name in ("add", "sub"):
        if constant is None or value is None:
            return None
        return (
            value + constant
            if taker.name == "add"
            else (value - constant if x.op is op else constant - value)
        )
    if taker.name in ("sum", "mean") or taker.flow:
        return value if value == 0 or taker.flow else None
    return "passes"


def _bounded(taker: Op, op: Op, value: float | None) -> float | str | None:
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
