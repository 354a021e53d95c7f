"""Angles of vectors that are 0: the gradient of atan2 is 0 / 0 there, whatever comes back to it.

A number near 0 is an angle like any other, so both operands have to be exactly 0, and together: where one
mask has multiplied them, where they are parts of the difference of a vector from itself, and where weights
start at 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tflint_nan.evidence import BINARY, Trail, ancestors, is_trained
from tflint_nan.finding import Level
from tflint_nan.graph import Graph
from tflint_nan.interval import Interval
from tflint_nan.ops.points import integers
from tflint_nan.starts import Beginning
from tflint_nan.value import Items, Op, Value, Witness
from tflint_nan.zeros import DIAGONAL, Zeros

#: Functions of two operands whose gradient is NaN where both are 0.
ANGLES = ("atan2",)
#: Tests of elements; one of the classes in a row is never 0.
_MASKS = BINARY - {"one_hot"}
#: Ops that are 0 where their `x` is.
_KEEPING = frozenset({"neg", "abs", "square", "div", "divide_no_nan", "l2_normalize", "sum", "mean"})
_REDUCING = frozenset({"sum", "mean"})
_CHOOSING = frozenset({"where", "select"})
#: How many ops one angle is followed back through.
_MANY = 400


@dataclass(frozen=True, slots=True)
class Angle:
    """An atan2 of two that are 0 together: how the 0 gets to it, why, and how sure that is."""

    trail: Trail
    why: str
    zero: frozenset[Op]
    level: Level


def undefined_angles(graph: Graph) -> Iterator[Angle]:
    """The angles of vectors that are 0 somewhere, of which a gradient is shown to be taken."""
    zeros, beginning = Zeros(graph), Beginning(graph)
    for sink in graph.ops(*ANGLES):
        if graph.differentiated(sink):
            found = _at_start(beginning, sink) or _where_masked(graph, zeros, sink)
            if found is not None:
                yield found


def _at_start(beginning: Beginning, sink: Op) -> Angle | None:
    """An angle of weights that all are 0 before the first step, whatever is fed."""
    pair = (sink.arg("y"), sink.arg("x"))
    made = {op.serial: op for value in pair if (op := value.op) is not None and is_trained(op)}
    if len(made) < len(pair) or any(beginning.of(value) != Interval.point(0.0) for value in pair):
        return None
    first = sink.arg("y").op
    assert first is not None, "it is trained"
    witness = Witness(0.0, tuple((made[serial], 0.0) for serial in sorted(made)))
    trail = Trail(sink.arg("y"), witness, (first, sink), first, ())
    return Angle(trail, "weights start at 0", frozenset(made.values()), Level.DEFAULT)


def _where_masked(graph: Graph, zeros: Zeros, sink: Op) -> Angle | None:
    """An angle of what one op makes 0, on every way to both operands."""
    y, x = sink.arg("y"), sink.arg("x")
    makers = _Makers(zeros)
    common = [op for op in makers.of(y) & makers.of(x) if not _is_thought_of(sink, op)]
    zero = min(common, key=lambda op: op.serial, default=None)
    if zero is None or y.op is None:
        return None
    mask, vanishing = zero.name in _MASKS, makers.vanishing(zero)
    inputs: tuple[tuple[Op, float], ...] = ((zero, 0.0),)
    if mask:
        # What it is multiplied with gets the gradient.
        trained = next((op for op, _ in ancestors(sink) if op not in vanishing and _is_free(graph, op)), None)
        if trained is None:
            return None
        inputs = tuple(sorted((*inputs, (trained, 1.0)), key=lambda pair: pair[0].serial))
    chain = (*graph.path(zero, y.op), sink)
    trail = Trail(y, Witness(0.0, inputs), chain, zero, chain[1:-1])
    level = Level.STRICT if mask and zero in makers.doubtful else Level.DEFAULT
    why = "one mask leaves both out" if mask else DIAGONAL
    return Angle(trail, why, vanishing, level)


def _is_free(graph: Graph, op: Op) -> bool:
    """Whether training makes `op` any number, 1 for one, with a gradient."""
    return graph.differentiated(op) is True and op.name not in ANGLES and 1.0 in op.value.interval


class _Makers:
    """The ops each of which, being 0, makes a value 0: masks, and differences of a value from itself."""

    def __init__(self, zeros: Zeros) -> None:
        self._zeros = zeros
        self._known: dict[Op, frozenset[Op]] = {}
        self.doubtful: set[Op] = set()

    def of(self, value: Value) -> frozenset[Op]:
        """The ops that do so for `value`."""
        op = value.op
        if op is None or (op not in self._known and len(self._known) > _MANY):
            return frozenset()
        if op not in self._known:
            self._known[op] = frozenset()
            self._known[op] = self._found(op)
        return self._known[op]

    def vanishing(self, zero: Op) -> frozenset[Op]:
        """The ops that were looked at and are 0 where `zero` is."""
        return frozenset(op for op, makers in self._known.items() if zero in makers)

    def _found(self, op: Op) -> frozenset[Op]:
        x, y = op.arg("x"), op.arg("y")
        if op.name in _MASKS:
            return frozenset((op,) if 0.0 in op.value.interval else ())
        if op.name == "mul":
            return self.of(x) | self.of(y)
        if op.name in ("add", "sub"):
            both = self.of(x) & self.of(y)
            found = self._zeros.of(op.value, folded=True) if op.name == "sub" else None
            own = found is not None and found.why == DIAGONAL and found.chain[0] is op
            return both | {op} if own else both
        if op.name in _KEEPING:
            makers = self.of(x)
            if op.name in _REDUCING:
                self.doubtful |= {mask for mask in makers if not _is_one(mask, op.arg("axis"))}
            return makers
        if op.name in _CHOOSING or not op.flow:
            return frozenset()
        handed = [op.arg(name) for name in op.flow]
        parts = [part for value in handed for part in (value.items if isinstance(value, Items) else (value,))]
        alike = [self.of(part) for part in parts]
        return frozenset.intersection(*alike) if alike else frozenset()


def _is_one(mask: Op, axis: Value) -> bool:
    """Whether a mask has one element along the axes, counted from the end, that are reduced."""
    shape, over = mask.value.shape, integers(axis)
    if shape is None or not over:
        return False
    return all(n is not None and -len(shape) <= n < 0 and shape[n] == 1 for n in over)


def _is_thought_of(sink: Op, zero: Op) -> bool:
    """Whether a choice before the angle asks about what makes the 0."""
    asking = (op.arg("condition").op for op, _ in ancestors(sink) if op.name in _CHOOSING)
    return any(zero is made for asked in asking if asked is not None for made, _ in ancestors(asked))
