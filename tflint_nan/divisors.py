"""The divisors of a program that reach 0, with what is known of the dividend and how sure the 0 is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tflint_nan.evidence import (
    BINARY,
    Trail,
    ancestors,
    at,
    guard,
    is_asked_about,
    is_counted,
    is_epsilon,
    is_looked_at,
    is_made_up,
    is_trained,
    monitored_only,
    number,
    same,
    shielded,
    squasher,
    trails,
)
from tflint_nan.finding import Level
from tflint_nan.graph import Graph
from tflint_nan.roots import infinite_roots
from tflint_nan.value import NONE, Const, Op, Witness

#: Ops that divide by an operand.
DIVISIONS = ("div", "reciprocal", "rsqrt")
#: 0 where a feature is constant.
SPREADS = frozenset({"std", "variance"})
_COUNTS = frozenset({"count", "count_nonzero"})
#: What is 0 or 1, steps of sequences that are padded included.
_TICKS = BINARY | {"mask"}
#: What hands on every number, and adds none.
_KEEPING = frozenset({"cast", "identity", "stop_gradient", "reshape", "squeeze", "expand_dims", "transpose"})
#: What is taken for 0 somewhere by the place that it has among the arguments of a loss.
_ROLES = frozenset({"prediction", "labels"})
#: What comes from outside.
_GIVEN = frozenset({"parameter", "placeholder", "unknown_call"})
#: One number of many.
_STATISTICS = SPREADS | {"sum", "mean", "max", "min"}
#: Producers whose 0 is certain to come: a constant feature, a saturated output, a weight that changes sign.
_STRONG = SPREADS | {"relu", "variable"}
#: Steps after which the 0 needs several elements to agree.
_WEAKENING = frozenset({"sum", "mean", "max", "prod", "mul", "add"})


@dataclass(frozen=True, slots=True)
class ZeroDivisor:
    """A divisor that reaches 0.

    Attributes:
        trail: from what makes the 0 to the division.
        argument: the division's argument that it is.
        quotient: what the division gives; None where it may be infinite or NaN.
        crosses: True where an epsilon is added to what has either sign.
        level: DEFAULT where one element alone brings the 0 about and it is sure to come; STRICT with one
            doubt (it is not, a test around asks for it, training does not see it); OPTIONAL with more, where
            a test of elements is not counted in each row, and where all arguments of a loss have to agree.
    """

    trail: Trail
    argument: str
    quotient: float | None
    crosses: bool
    level: Level


def zero_divisors(graph: Graph) -> Iterator[ZeroDivisor]:
    """The divisors that are known to reach 0 and whose quotient training may see."""
    # What is wrong with a root that is differentiated at 0 is NAN106's.
    roots = {root.trail.sink.serial for root in infinite_roots(graph) if root.shown}
    for sink in graph.ops(*DIVISIONS):
        name = "y" if sink.name == "div" else "x"
        found = trails(graph, sink, name, lambda v: v == 0) or _sign_changes(graph, sink, name)
        # The root of a negative number is NaN: NAN109's.
        if not found or (sink.name == "rsqrt" and sink.arg(name).reaches(lambda v: v < 0)):
            continue
        trail = next((t for t in found if _is_strong(graph, t)), found[0])
        if _has_its_largest(trail.producer):
            continue
        # A counter starts at 0 and has been counted up; the spread of a random sample is not 0.
        spread = trail.producer.name in SPREADS
        if is_made_up(trail.producer) or (is_counted(trail) and not spread):
            continue
        strong = _is_strong(graph, trail)
        if not strong and any(step.serial in roots for step in (trail.producer, *trail.steps)):
            continue
        # x / sum(exp(x)) is a softmax; what is wrong with it is NAN107's.
        if trail.producer.name == "exp" or shielded(graph, trail) or monitored_only(graph, sink):
            continue
        level = _level(graph, trail, strong=strong)
        crosses = trail.witness.value != 0
        trail = _crossing(trail) if crosses else trail
        yield ZeroDivisor(trail, name, _quotient(trail), crosses, level)


def _has_its_largest(op: Op) -> bool:
    """Whether elements are compared with the largest or smallest of their row: one of them is equal to it."""
    if op.name not in BINARY:
        return False
    pairs = ((op.arg("x"), op.arg("y")), (op.arg("y"), op.arg("x")))
    return any((edge := one.made_by("max", "min")) and same(edge.arg("x"), other) for one, other in pairs)


def _level(graph: Graph, trail: Trail, *, strong: bool) -> Level:
    doubts = (not strong) + is_asked_about(graph, trail) + is_looked_at(trail)
    if doubts == 0:
        return Level.DEFAULT
    made = trail.producer.name
    agreed = made in _ROLES and any(step.name in _WEAKENING for step in trail.steps)
    return Level.STRICT if doubts == 1 and not (agreed or _is_mixed(trail)) else Level.OPTIONAL


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
    weight = trail.producer.name == "variable"
    # A weight gets to 0 by training, which has to be seen, or expected, as by who adds an epsilon.
    if weight and trail.witness.value == 0 and not graph.differentiated(trail.sink):
        return False
    for step in trail.steps:
        given = [n for value in step.args.values() if (n := number(value)) is not None]
        constant = bool(given) and (step.name != "add" or not weight or all(map(is_epsilon, given)))
        # A unit that is off is off for all examples.
        unit = step.name == "mean" and squasher(trail.producer) == "sigmoid"
        if step.name in _WEAKENING and not unit and not (constant and step.name in ("add", "mul")):
            return False
        if step.name == "sub" and number(step.arg("x")) != 1:
            return False
    if trail.producer.name in SPREADS and _measures(trail):
        return False
    return trail.producer.name in _STRONG or _is_logit(trail.producer)


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
    if trail.producer.name not in SPREADS or deviation is None or deviation.name != "sub":
        return False
    return same(deviation.arg("x"), trail.producer.arg("x"))


def is_count(trail: Trail) -> bool:
    """Whether the divisor says how many elements pass a test: what is not 0 is 1 or more."""
    names = [step.name for step in trail.steps if step.name not in _KEEPING]
    if trail.producer.name in _COUNTS:
        return not set(names) - {"sum", "max"}
    return trail.producer.name in BINARY and names == ["sum"]


def _is_mixed(trail: Trail) -> bool:
    """Whether the 0 of a test of elements, or of a count, is one among numbers of which nothing is known.

    One element is enough where it divides itself, one row without any where these are counted. A count over
    all there is is 0 for empty data only, a row of a mask of lengths for a length of 0; what is picked out of
    counts, or mixed with other numbers on the way, depends on those.
    """
    made = trail.producer.name
    if made not in _TICKS | _COUNTS:
        return False
    counting = [op for op in (trail.producer, *trail.steps) if op.name in ("sum", "count_nonzero")]
    others = {step.name for step in trail.steps} - _KEEPING - ({"sum", "slice"} if counting else set())
    rows = all(op.arg("axis") not in (NONE, Const(None)) for op in counting)
    return bool(others) or not rows or (made == "mask" and bool(counting))
