"""The divisors of a program that reach 0, with what is known of the dividend and how sure the 0 is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tflint_nan.agreeing import SPREADS, Agreeing, agreeing, is_drawn, is_of_relus, measured, spreads
from tflint_nan.denominators import Denominator, denominator, laid_out
from tflint_nan.evidence import (
    BINARY,
    Trail,
    ancestors,
    at,
    guard,
    is_counted,
    is_made_up,
    is_settled,
    is_steady,
    is_trained,
    is_written_in,
    library,
    number,
    squasher,
    trails,
)
from tflint_nan.finding import Level
from tflint_nan.graph import Graph
from tflint_nan.interval import Interval
from tflint_nan.ops.indices import is_grid
from tflint_nan.ops.points import same
from tflint_nan.roots import infinite_roots
from tflint_nan.shielding import (
    goes_around,
    is_asked_about,
    is_looked_at,
    is_selected,
    monitored_only,
    outlasts,
    shielded,
)
from tflint_nan.starts import Beginning
from tflint_nan.unset import unset
from tflint_nan.value import Const, Op, Tensor, Witness

#: Ops that divide by an operand.
DIVISIONS = ("div", "reciprocal", "rsqrt")
#: Tests that each number passes when it is compared with itself.
_REFLEXIVE = frozenset({"equal", "less_equal", "greater_equal"})
#: What comes from outside.
_GIVEN = frozenset({"parameter", "placeholder", "unknown_call"})
#: One number of many.
_STATISTICS = SPREADS | {"sum", "mean", "max", "min"}
#: Producers whose 0 is certain to come: a saturated output, a weight that changes sign.
_STRONG = frozenset({"relu", "variable"})
#: Points at equal distances.
_GRIDS = frozenset({"linspace", "range"})


@dataclass(frozen=True, slots=True)
class ZeroDivisor:
    """A divisor that reaches 0.

    Attributes:
        trail: from what makes the 0 to the division.
        argument: the division's argument that it is.
        quotient: what the division gives; None where it may be infinite or NaN.
        crosses: True where an epsilon is added to what has either sign.
        told: what is known of the divisor beside its range.
        off: True where a number is added that the program sets to 0, and masks or labels make the rest 0.
        initial: True where it is 0 before the first step of training, whatever is fed.
        bounded: True where the quotient is bounded afterwards, which its gradient does not survive.
        level: DEFAULT where one element alone brings the 0 about and it is sure to come; STRICT with one
            doubt (a row has to agree, it is not sure, a test around asks for it, training does not see it or
            is nowhere in a program that predicts, it is one trained number that starts elsewhere); OPTIONAL
            with more, and where all there is has to. As sure as what is told, where something is.
    """

    trail: Trail
    argument: str
    quotient: float | None
    crosses: bool
    told: Denominator | None
    level: Level
    off: bool = False
    initial: bool = False
    bounded: bool = False


def zero_divisors(graph: Graph) -> Iterator[ZeroDivisor]:
    """The divisors that are known to reach 0 and whose quotient training may see."""
    # What is wrong with a root that is differentiated at 0 is NAN106's.
    roots = {root.trail.sink.serial for root in infinite_roots(graph) if root.shown}
    beginning = Beginning(graph)
    for sink in graph.ops(*DIVISIONS):
        name = "y" if sink.name == "div" else "x"
        setting = unset(graph, sink, name)
        if setting is not None:
            yield ZeroDivisor(setting.trail, name, setting.quotient, False, setting, setting.level)
            continue
        data = denominator(graph, sink)
        found = [] if data is None else [data.trail]
        found = found or trails(graph, sink, name, lambda v: v == 0) or _sign_changes(graph, sink, name)
        # The root of a negative number is NaN: NAN109's.
        if not found or (sink.name == "rsqrt" and sink.arg(name).reaches(lambda v: v < 0)):
            continue
        start = next((t for t in found if _is_initial(graph, beginning, t)), None)
        trail = start or next((t for t in found if _is_strong(graph, t)), found[0])
        if _has_one(trail.producer) or _is_laid_out(trail):
            continue
        # A counter starts at 0 and has been counted up; the spread of a random sample is not 0.
        if is_counted(trail) and not spreads(trail.producer):
            continue
        if is_made_up(trail.producer):
            grid = _from_grid(graph, trail)
            if grid is None:
                continue
            trail = grid
        if is_settled(graph, trail):
            continue
        # What makes a root safe makes its quotient so.
        rooted = [step for step in (trail.producer, *trail.steps) if step.serial in roots]
        strong = start is not None or _is_strong(graph, trail)
        if any(not strong or step.statement is sink.statement for step in rooted):
            continue
        # x / sum(exp(x)) is a softmax; what is wrong with it is NAN107's.
        if trail.producer.name == "exp" or shielded(graph, trail, nan=True) or monitored_only(graph, sink):
            continue
        bounded = shielded(graph, trail)
        met = bounded and outlasts(graph, trail, initial=start is not None)
        if bounded and not met and not (sink.name == "div" and goes_around(graph, sink)):
            continue
        told = data if data is not None and trail.producer is data.trail.producer else None
        level = told.level if told is not None else _level(graph, trail, initial=start is not None)
        # Who adds a number expects a 0 without it.
        off = _is_off(graph, trail)
        if off:
            level = Level.STRICT if level is Level.OPTIONAL else Level.DEFAULT
        crosses = trail.witness.value != 0
        trail = _crossing(trail) if crosses else trail
        yield ZeroDivisor(trail, name, _quotient(trail), crosses, told, level, off, start is not None, met)


def _has_one(op: Op) -> bool:
    """Whether some element of each row passes a test for sure.

    One of those that are compared with the largest or smallest of their row is equal to it, and so is each
    element to itself where all are compared with all.
    """
    if op.name not in BINARY:
        return False
    x, y = op.arg("x"), op.arg("y")
    one, other = laid_out(x), laid_out(y)
    # Parts of what is not known come from the same op, and may be different ones.
    if op.name in _REFLEXIVE and (one is other or (isinstance(one, Tensor) and one.op is other.op)):
        return True
    pairs = ((x, y), (y, x))
    return any((edge := some.made_by("max", "min")) and same(edge.arg("x"), row) for some, row in pairs)


def _is_initial(graph: Graph, beginning: Beginning, trail: Trail) -> bool:
    """Whether trained weights make the 0 where they start, whatever is fed, and training divides by it."""
    inputs = trail.witness.inputs
    if not inputs or trail.witness.value != 0 or not graph.differentiated(trail.sink):
        return False
    known = ((trail.value, 0.0), *((op.value, n) for op, n in inputs))
    return all(beginning.of(value) == Interval.point(n) for value, n in known)


def _level(graph: Graph, trail: Trail, *, initial: bool) -> Level:
    doubts = 0 if initial else max(agreeing(trail), not _is_sure(graph, trail))
    doubts += is_asked_about(graph, trail) or is_selected(trail)
    looked_at = is_looked_at(trail) and not graph.in_loss(trail.sink)
    doubts += looked_at or graph.only_predicts or _is_kept(graph, trail) or _is_centred(trail)
    return (Level.DEFAULT, Level.STRICT, Level.OPTIONAL)[min(doubts, 2)]


def _is_centred(trail: Trail) -> bool:
    """Whether all shares of a row have to be 0 whose logits are normalised, so none is far below the rest."""
    made = trail.producer
    if squasher(made) != "softmax" or made.name != "softmax" or agreeing(trail) is Agreeing.ONE:
        return False
    return made.arg("x").made_by("batch_norm", "layer_norm") is not None


def _is_laid_out(trail: Trail) -> bool:
    """Whether the 0 is the spread of points that are laid out along axes: a grid has several of each."""
    made = trail.producer
    return spreads(made) and any(map(is_grid, measured(made).producers()))


def _sign_changes(graph: Graph, sink: Op, name: str) -> list[Trail]:
    """Trained variables with an epsilon added: they pass 0 on the way from one sign to the other."""
    if sink.name == "rsqrt" or sink.arg(name).reaches(lambda v: v > 0) is None:
        return []
    found = trails(graph, sink, name, lambda v: v < 0)
    return [t for t in found if t.producer.name == "variable" and (g := guard(t)) and g.kind == "added"]


def _crossing(trail: Trail) -> Trail:
    """The trail where the epsilon is cancelled, if the variable itself is what it is added to."""
    tried = guard(trail)
    if tried is None or not all(step is tried.op or step.flow for step in trail.steps):
        return trail
    assumed = -tried.stored if tried.op.name == "add" else tried.stored
    return replace(trail, witness=Witness(0.0, ((trail.producer, assumed),)))


def _quotient(trail: Trail) -> float | None:
    """What the division gives, of an ordinary number where nothing is known of the dividend; None: either."""
    if trail.witness.value != 0:
        return None
    known = at(trail.sink, trail.witness)
    if known is not None:
        return known
    dividend = trail.sink.arg("x") if trail.sink.name == "div" else Const(1)
    if number(dividend) == 0 or is_spread(trail):
        return math.nan
    assumed = [op for op, _ in trail.witness.inputs]
    made = dividend.op
    # Of the same source: it may be 0 as well.
    return None if made is not None and any(op in assumed for op, _ in ancestors(made)) else math.inf


def _is_strong(graph: Graph, trail: Trail) -> bool:
    """Whether one element alone brings the 0 about, and its producer is sure to have one."""
    return agreeing(trail) is Agreeing.ONE and _is_sure(graph, trail)


def _is_sure(graph: Graph, trail: Trail) -> bool:
    """Whether what makes the 0 is sure to come to it."""
    made = trail.producer
    if is_steady(trail):
        return False
    # A weight gets to 0 by training, which has to be seen, or expected, as by who adds an epsilon.
    if made.name == "variable" and trail.witness.value == 0 and not graph.differentiated(trail.sink):
        return False
    if spreads(made):
        return not _measures(trail)
    named = made.name in _STRONG | _GRIDS
    return named or _is_logit(made) or _is_flat(trail) or is_of_relus(trail) or is_drawn(trail)


def _is_off(graph: Graph, trail: Trail) -> bool:
    """Whether a number is added that is 0 as the program sets it, and labels and masks make the rest 0."""
    added = [
        (op, name)
        for op in trail.steps
        for name in ("x", "y")
        if op.name == "add" and number(op.arg(name)) == 0 and not is_written_in(op, name)
    ]
    made = trail.value.op
    if not added or made is None:
        return False
    return all(_is_masked(graph.path(source, made)) for source, _ in trail.witness.inputs)


def _is_masked(path: tuple[Op, ...]) -> bool:
    """Whether a path starts at labels or a test, or what it squashes is multiplied with a test afterwards."""
    place = max((place for place, op in enumerate(path) if squasher(op) is not None), default=0)
    factors = (op.arg(name) for op in path[place:] if op.name == "mul" for name in ("x", "y"))
    masked = any(made.name in BINARY for factor in factors for made in factor.producers())
    return masked or (bool(path) and (path[0].name == "labels" or path[0].name in BINARY))


def _is_kept(graph: Graph, trail: Trail) -> bool:
    """Whether a variable keeps what was computed before, as far as is seen, and no training moves it."""
    made = trail.producer
    first = made.arg("initial_value").op if made.name == "variable" else None
    return first is not None and not is_made_up(first) and not graph.differentiated(trail.sink)


def _from_grid(graph: Graph, trail: Trail) -> Trail | None:
    """The trail from points that are laid out from 0 on, where a trained number is divided by these."""
    made = trail.value.op
    if trail.witness.inputs or library(trail.sink) != "tf" or graph.differentiated(trail.sink) is not True:
        return None
    start = next((op for op, _ in ancestors(trail.producer) if op.name in _GRIDS), None)
    if start is None or made is None:
        return None
    chain = (*graph.path(start, made), trail.sink)
    return replace(trail, chain=chain, producer=start, steps=chain[1:-1])


def _is_flat(trail: Trail) -> bool:
    """Whether weights take an elu to its lower end, which it reaches by rounding."""
    made = trail.producer
    low = min((witness.value for witness in made.value.witnesses), default=None)
    return made.name == "elu" and is_trained(made) and at(made, trail.witness) == low


def _is_logit(op: Op) -> bool:
    """Whether what `op` squashes gets as far out as it takes: weights make it, or it is given as it is.

    A schedule, a ratio of noise, whatever else the program computes, has bounds that are not seen.
    """
    if squasher(op) is None:
        return False
    given = any(made.name in _GIVEN for made in op.arg("x").producers())
    return given or op.name not in ("sigmoid", "softmax") or is_trained(op)


def _measures(trail: Trail) -> bool:
    """Whether the dividend is a statistic itself, not what the spread is of: the quotient scales no data."""
    made = trail.sink.arg("x").op if trail.sink.name == "div" else None
    while made is not None and (made.name in ("mul", "div", "neg") or made.flow == ("x",)):
        scaled = made.name == "mul" and number(made.arg("x")) is not None
        made = made.arg("y" if scaled else "x").op
    if made is None or made.name not in _STATISTICS:
        return False
    return all(op is not made for op, _ in ancestors(trail.producer))


def is_spread(trail: Trail) -> bool:
    """Whether the dividend is the deviation of the very data whose spread is the divisor."""
    deviation = trail.sink.arg("x").op if trail.sink.name == "div" else None
    if not spreads(trail.producer) or deviation is None or deviation.name != "sub":
        return False
    return same(deviation.arg("x"), measured(trail.producer))
