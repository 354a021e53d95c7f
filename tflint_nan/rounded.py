"""Guards that hold as they are written and are rounded away, those that are the edge itself, and what both
let through.

Who clips to `1 - 1e-8` says which number he expects to be reached. Nothing else has to be known of what is
clipped: the bound is computed in the tensor's own format, and so is what the function makes of it. Who clips
to 1 says so, too, and it is exactly 1 that the function then gets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tflint_nan.domains import DOMAINS, by_rounding
from tflint_nan.evidence import (
    LIBRARIES,
    Guard,
    Trail,
    ancestors,
    as_written,
    at,
    number,
    trails,
)
from tflint_nan.finding import Level
from tflint_nan.graph import Graph
from tflint_nan.interval import round_to
from tflint_nan.merging import lost_epsilon
from tflint_nan.ops import functions
from tflint_nan.shielding import monitored_only, shielded
from tflint_nan.targets import swapped_logs
from tflint_nan.value import Op, Value, Witness

#: The arguments of an op that may be a guard's number, each with the kind of the guard.
_BOUNDS = {
    "clip": (("min", "lower"), ("max", "upper")),
    "maximum": (("x", "lower"), ("y", "lower")),
    "minimum": (("x", "upper"), ("y", "upper")),
}
_NUMBERS = {**_BOUNDS, "add": (("x", "added"), ("y", "added")), "sub": (("x", "added"), ("y", "added"))}
#: Steps between a guard and the function that it is for.
_FEW = 8


@dataclass(frozen=True, slots=True)
class Edged:
    """A function of `argument` that is infinite, or has an infinite slope, at its `edges`."""

    argument: str
    point: Callable[[float], float]
    edges: tuple[float, ...]


#: By canonical name.
EDGED = {
    **{
        name: Edged("x", domain.point, tuple(filter(math.isfinite, (domain.lo, domain.hi))))
        for name, domain in DOMAINS.items()
    },
    "log": Edged("x", functions.log, (0.0,)),
    "reciprocal": Edged("x", functions.reciprocal, (0.0,)),
    "div": Edged("y", functions.reciprocal, (0.0,)),
}


@dataclass(frozen=True, slots=True)
class LostGuard:
    """A function that reaches an edge, since the format of its operand rounds away the guard before it.

    Attributes:
        guards: those that are rounded away, the nearest first.
        trail: from what the first guards, at the number that it should keep off, to the function.
        result: what the function gives; finite where its slope is infinite, None of an unknown dividend.
        level: STRICT where the bound is the edge itself, the slope is infinite there, and nothing shows that
            a gradient is taken.
    """

    guards: tuple[Guard, ...]
    trail: Trail
    result: float | None
    level: Level = Level.DEFAULT


def lost_guards(graph: Graph) -> Iterator[LostGuard]:
    """The functions that a guard should keep off an edge, where nothing else says that they reach it."""
    swapped = {found.log.serial for found in swapped_logs(graph)}
    for sink in graph.ops(*EDGED):
        edged = EDGED[sink.name]
        value = sink.arg(edged.argument)
        reached = (w.value in edged.edges or math.isnan(edged.point(w.value)) for w in value.witnesses)
        if value.op is None or sink.serial in swapped or any(reached):
            continue
        found = _merged(graph, sink, edged) if 0.0 in edged.edges else None
        if found is None and not value.witnesses:
            found = _assumed(graph, sink, edged)
        if found is not None and not shielded(graph, found.trail) and not monitored_only(graph, sink):
            yield found


def _merged(graph: Graph, sink: Op, edged: Edged) -> LostGuard | None:
    """The epsilon that counts as it is written, and is lost where constants are added first."""
    value = sink.arg(edged.argument)
    guard = lost_epsilon(graph, value)
    # `1 - decay ** step + 1e-8`, which no loss is made of, is not 0 after the first step.
    if guard is None or not (sink.name == "log" or graph.differentiated(sink)):
        return None
    left = guard.stored if guard.op.name == "add" else -guard.stored
    trail = next(iter(trails(graph, sink, edged.argument, lambda v: v == left)), None)
    inner = guard.op.arg("x" if guard.name == "y" else "y").op
    whole = None if inner is None or inner.name != "sub" else number(inner.arg("x"))
    if trail is None and inner is not None and whole is not None and not value.witnesses:
        trail = _trail(graph, sink, value, inner.arg("y"), whole)
    return None if trail is None else LostGuard((guard,), trail, _result(sink, edged, 0.0, trail))


def _assumed(graph: Graph, sink: Op, edged: Edged) -> LostGuard | None:
    """The guards that are rounded to what they should keep off, of something that nothing is known of."""
    value, lost = sink.arg(edged.argument), list[tuple[Guard, Trail]]()
    for guard, guarded, off in _rounded(sink, edged):
        trail = _trail(graph, sink, value, guarded, off)
        if trail is not None and trail.witness.value in edged.edges and _is_taken(trail):
            lost.append((guard, trail))
    if not lost:
        return None
    trail = lost[0][1]
    result = _result(sink, edged, trail.witness.value, trail)
    slope, taken = result is not None and math.isfinite(result), graph.differentiated(sink)
    if slope and taken is False:
        return None
    meant = all(guard.given == guard.stored for guard, _ in lost)
    level = Level.STRICT if slope and meant and not taken else Level.DEFAULT
    return LostGuard(tuple(guard for guard, _ in lost), trail, result, level)


def _trail(graph: Graph, sink: Op, value: Value, guarded: Value, off: float) -> Trail | None:
    """The trail from what is guarded to the sink, if nothing is known of it but that it is guarded."""
    while (
        guarded.op is not None and guarded.op.name in _BOUNDS and (rest := _guarded(guarded.op)) is not None
    ):
        guarded = guarded.op.arg(rest)
    start = guarded.op
    if start is None or value.op is None or start.value.witnesses or off not in guarded.interval:
        return None
    chain = (*graph.path(start, value.op), sink)
    assumed = Witness(off, ((start, off),))
    reached = at(value.op, assumed) if len(chain) > 1 else None
    if reached is None:
        return None
    return Trail(value, replace(assumed, value=reached), chain, start, chain[1:-1])


def _result(sink: Op, edged: Edged, edge: float, trail: Trail) -> float | None:
    """What the sink gives at an edge; of a division, of what its dividend is then."""
    return at(sink, trail.witness) if sink.name == "div" else edged.point(edge)


def _is_taken(trail: Trail) -> bool:
    """Whether the operand has the format that unknown ones are taken for: NumPy and Python have another."""
    if trail.value.dtype is not None:
        return True
    named = (op.api for op, _ in ancestors(trail.sink))
    first = next((name for api in named for name, prefix in LIBRARIES if api.startswith(prefix)), "np")
    return first not in ("np", "pd") and not trail.sink.api.startswith("math.")


def _rounded(sink: Op, edged: Edged) -> Iterator[tuple[Guard, Value, float]]:
    """The guards before a function that its format rounds away, each with what it guards and should keep off.

    Bounds that are rounded outwards, or are the edge itself, epsilons that are 0, and those that a literal
    swallowed. A bound of 0 says more often that nothing is negative, as of a variance.
    """
    value = sink.arg(edged.argument)
    dtype = value.dtype
    for _ in range(_FEW):
        op = value.op
        rest = None if op is None else _guarded(op)
        if op is None or rest is None:
            return
        value = op.arg(rest)
        for name, kind in _NUMBERS.get(op.name, ()):
            given = None if name == rest else as_written(op.arg(name))
            if given is None:
                continue
            stored = round_to(given, dtype)
            if stored != round(stored) or not math.isfinite(given):
                continue
            if given == stored:
                if kind != "added" and given != 0 and given in edged.edges and _keeps(sink, edged, op, rest):
                    yield Guard(op, kind, name, given, stored), value, stored
            elif kind == ("upper" if stored > given else "lower") or (kind == "added" and stored == 0):
                yield Guard(op, kind, name, given, stored), value, stored
            elif kind == "added":
                yield Guard(op, "swallowed", name, given - stored, 0.0), value, stored


def _keeps(sink: Op, edged: Edged, bound: Op, rest: str) -> bool:
    """Whether what is exactly at a bound meets the function there; a cosine is NAN109's.

    Of two that are equal, `maximum` and `minimum` give the gradient to the first (TensorFlow 2.21): no
    infinite slope gets past `maximum(1.0, x)`.
    """
    if sink.name in DOMAINS and by_rounding(sink, DOMAINS[sink.name]) is not None:
        return False
    return bound.name == "clip" or rest == "x" or any(map(math.isinf, map(edged.point, edged.edges)))


def _guarded(op: Op) -> str | None:
    """The argument that `op` hands on, changed by numbers alone."""
    if op.name in _NUMBERS or op.name in ("mul", "neg"):
        free = [name for name in ("x", "y") if name in op.args and number(op.arg(name)) is None]
        return free[0] if len(free) == 1 else None
    return op.flow[0] if len(op.flow) == 1 else None
