"""The logs of a program that reach their edge, and which rule says so: exactly one does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tflint_nan.evidence import (
    Guard,
    Trail,
    at,
    guard,
    is_counted,
    is_epsilon,
    is_settled,
    number,
    onward,
    squasher,
    trails,
)
from tflint_nan.finding import Level
from tflint_nan.graph import Graph
from tflint_nan.ops.repeats import alike
from tflint_nan.shielding import is_looked_at, monitored_only, outlasts, shielded
from tflint_nan.targets import swapped_logs
from tflint_nan.value import Op

#: The logs whose operand is judged here.
LOGS = ("log", "log1p")


@dataclass(frozen=True, slots=True)
class BadLog:
    """A log that reaches its edge.

    `cause` is "softmax", "sigmoid", "other", or "guard" where one was tried: `guard` itself, `outside`, an
    epsilon that is added after the log, or `lost`, a clip whose result is thrown away, or where it is
    `bounded` after the log; "product" where it is multiplied with what it is the log of, in `product`.
    """

    cause: str
    trail: Trail
    result: str
    guard: Guard | None = None
    outside: Op | None = None
    lost: Op | None = None
    product: Op | None = None
    bounded: bool = False

    @property
    def level(self) -> Level:
        """By default, unless the log is of a prediction that Python looks at."""
        return Level.STRICT if is_looked_at(self.trail) else Level.DEFAULT


@lru_cache(maxsize=1)
def bad_logs(graph: Graph) -> tuple[BadLog, ...]:
    """The logs of the program that are known to reach -inf or NaN and whose result training may see."""
    return tuple(_bad_logs(graph))


def _bad_logs(graph: Graph) -> Iterator[BadLog]:
    for sink in graph.ops(*LOGS):
        edge = -1.0 if sink.name == "log1p" else 0.0
        if any(swapped.log is sink for swapped in swapped_logs(graph)):
            continue
        found = trails(graph, sink, "x", lambda v, edge=edge: v <= edge)  # type: ignore[misc]
        if not found:
            continue
        trail = _telling(found)
        # A counter starts at 0 and has been counted up.
        if is_counted(trail) or _is_share(trail) or monitored_only(graph, sink):
            continue
        bounded = shielded(graph, trail)
        if bounded and (shielded(graph, trail, nan=True) or not outlasts(graph, trail)):
            continue
        if is_settled(graph, trail):
            continue
        result = "-inf" if trail.witness.value == edge else "nan"
        takers = graph.consumers(sink)
        if takers and result == "-inf" and all(taker.name == "categorical" for taker in takers):
            continue  # what has the log -inf is never drawn
        tried = guard(trail), _outside(graph, sink), _thrown_away(graph, trail, "clip", "maximum")
        if bounded or any(tried):
            yield BadLog("guard", trail, result, *tried, bounded=bounded)
            continue
        product = _own_product(graph, trail)
        cause = "product" if product else squasher(trail.producer) or "other"
        yield BadLog(cause, trail, result, product=product)


def _telling(found: Sequence[Trail]) -> Trail:
    """The trail of a saturated output, or of what is 0 all the way, whatever it is multiplied with."""
    saturated = next((trail for trail in found if squasher(trail.producer)), None)
    if saturated is not None and at(saturated.producer, saturated.witness) in (0.0, 1.0):
        return saturated
    first = saturated or found[0]
    zero = next(filter(_is_zero, found), first)
    # A negative number of the same producer tells more.
    return first if zero.producer is first.producer and first.witness.value < 0 else zero


def _is_zero(trail: Trail) -> bool:
    return all(at(op, trail.witness) == 0.0 for op in (trail.producer, *trail.steps))


def _own_product(graph: Graph, trail: Trail) -> Op | None:
    """The product of a 0 with the log that is taken of it: `p log p`, `p log (p / q)`."""
    sink, operand = trail.sink, trail.value
    if sink.name != "log" or trail.witness.value != 0:
        return None
    made = operand.op
    zeros = [operand]
    if made is not None and made.name == "div" and number(made.arg("x")) is None:
        zeros.append(made.arg("x"))
    for taker in onward(graph, sink, lambda op: op.name == "neg" or bool(op.flow)):
        if taker.name == "mul" and any(alike(value, zero) for value in taker.args.values() for zero in zeros):
            return taker
    return None


def _is_share(trail: Trail) -> bool:
    """Whether this is the largest share of a softmax, or their sum, along an axis that is likely its own."""
    first = trail.steps[0] if trail.steps else None
    whole = first is not None and first.name in ("max", "sum") and first.arg("x").op is trail.producer
    return whole and trail.producer.name == "softmax" and trail.producer.value.shape is None


def _outside(graph: Graph, sink: Op) -> Op | None:
    """The sum that adds an epsilon to what the sink computes."""
    for consumer in graph.consumers(sink):
        if consumer.name == "add" and any(is_epsilon(number(v) or 0.0) for v in consumer.args.values()):
            return consumer
    return None


def _thrown_away(graph: Graph, trail: Trail, *names: str) -> Op | None:
    """A call of one of these ops on a value of the trail, before the sink, whose result nobody takes."""
    values = (trail.producer, *trail.steps)
    for op in graph.ops(*names):
        if op.arg("x").op in values and op.serial < trail.sink.serial and op.scope is trail.sink.scope:
            alone = op.statement is not None and not graph.consumers(op)
            if alone and op.source.code(op.statement).strip() == op.source.code(op.node):  # type: ignore[arg-type]
                return op
    return None
