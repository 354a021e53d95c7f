"""The logs of a program that reach their edge, and which rule says so: exactly one does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from tflint_nan.evidence import (
    Guard,
    Trail,
    at,
    guard,
    is_counted,
    is_epsilon,
    is_settled,
    library,
    number,
    onward,
    squasher,
    trails,
)
from tflint_nan.finding import Level
from tflint_nan.graph import Graph
from tflint_nan.interval import round_to
from tflint_nan.merging import lost_epsilon
from tflint_nan.ops.repeats import alike
from tflint_nan.shielding import is_looked_at, monitored_only, shielded
from tflint_nan.targets import swapped_logs
from tflint_nan.value import Op, Value, Witness

#: The logs whose operand is judged here.
LOGS = ("log", "log1p")


@dataclass(frozen=True, slots=True)
class BadLog:
    """A log that reaches its edge.

    `cause` is "softmax", "sigmoid", "other", or "guard" where one was tried: `guard` itself, `outside`, an
    epsilon that is added after the log, or `lost`, a clip whose result is thrown away; "product" where it is
    multiplied with what it is the log of, in `product`.
    """

    cause: str
    trail: Trail
    result: str
    guard: Guard | None = None
    outside: Op | None = None
    lost: Op | None = None
    product: Op | None = None

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
            yield from _merged(graph, sink)
            yield from _expected(graph, sink)
            continue
        trail = next((trail for trail in found if squasher(trail.producer)), found[0])
        # A counter starts at 0 and has been counted up.
        if is_counted(trail) or _is_share(trail) or shielded(graph, trail) or monitored_only(graph, sink):
            continue
        if is_settled(graph, trail):
            continue
        result = "-inf" if trail.witness.value == edge else "nan"
        takers = graph.consumers(sink)
        if takers and result == "-inf" and all(taker.name == "categorical" for taker in takers):
            continue  # what has the log -inf is never drawn
        tried = guard(trail), _outside(graph, sink), _thrown_away(graph, trail, "clip", "maximum")
        if any(tried):
            yield BadLog("guard", trail, result, *tried)
            continue
        product = _own_product(graph, trail)
        cause = "product" if product else squasher(trail.producer) or "other"
        yield BadLog(cause, trail, result, product=product)


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


def _merged(graph: Graph, sink: Op) -> Iterator[BadLog]:
    """A log whose epsilon counts as it is written, and is lost where constants are added first."""
    tried = lost_epsilon(graph, sink)
    if tried is None:
        return
    edge = tried.stored if tried.op.name == "add" else -tried.stored
    found = trails(graph, sink, "x", lambda v: v == edge)
    if found and not shielded(graph, found[0]) and not monitored_only(graph, sink):
        yield BadLog("guard", found[0], "-inf", tried)


@dataclass(frozen=True, slots=True)
class _Expected:
    """A guard that is rounded away, what it guards, and the number at which that goes wrong."""

    guard: Guard
    guarded: Value
    edge: float


def _expected(graph: Graph, sink: Op) -> Iterator[BadLog]:
    """A log of something that nothing is known of, whose guard the format rounds away.

    That it gets there is what the guard says: nobody writes `clip(p, 1e-10, 1 - 1e-10)` otherwise.
    """
    value = sink.arg("x")
    found = None if value.witnesses or sink.name != "log" else _rounded(graph, sink)
    start = None if found is None else found.guarded.op
    if found is None or start is None or value.op is None:
        return
    chain = (*graph.path(start, value.op), sink)
    if len(chain) < 2 or start.value.witnesses or found.edge not in found.guarded.interval:
        return
    assumed = Witness(found.edge, ((start, found.edge),))
    operand = at(value.op, assumed)
    if operand is None:
        return
    trail = Trail(value, replace(assumed, value=operand), chain, start, chain[1:-1])
    if not shielded(graph, trail) and not monitored_only(graph, sink):
        yield BadLog("guard", trail, "-inf", found.guard)


def _rounded(graph: Graph, sink: Op) -> _Expected | None:
    value = sink.arg("x")
    op, dtype = value.op, value.dtype
    if dtype is None and library(sink) == "np":
        return None  # float64 as likely as float32
    merged = lost_epsilon(graph, sink)
    if merged is not None:
        inner = merged.op.arg("x" if merged.name == "y" else "y").op
        if inner is None or inner.name != "sub" or (whole := number(inner.arg("x"))) is None:
            return None
        return _Expected(merged, inner.arg("y"), whole)
    if op is not None and op.name == "clip":
        low = number(op.arg("min"))
        if low is not None and low > 0 and round_to(low, dtype) == 0:
            return _Expected(Guard(op, "lower", "min", low, 0.0), op.arg("x"), 0.0)
    whole = number(op.arg("x")) if op is not None and op.name == "sub" else None
    if op is None or not whole:
        return None
    nearest = float(round(whole))
    if whole != nearest == round_to(whole, dtype):
        return _Expected(Guard(op, "swallowed", "x", whole - nearest, 0.0), op.arg("y"), nearest)
    bound = op.arg("y").made_by("clip")
    given = None if bound is None else number(bound.arg("max"))
    if bound is not None and given is not None and given != round_to(given, dtype) == whole:
        return _Expected(Guard(bound, "upper", "max", given, whole), bound.arg("x"), whole)
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
