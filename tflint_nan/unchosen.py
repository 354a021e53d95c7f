"""Functions that a `where` computes at their edge and does not choose: their gradient goes on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from tflint_nan.evidence import Trail, number
from tflint_nan.graph import Graph
from tflint_nan.interval import largest
from tflint_nan.ops.choices import MIRRORED, OPPOSITE, TESTS
from tflint_nan.ops.points import same
from tflint_nan.value import Op, Value, Witness, sources

#: Ops that are 0 where their `x` is.
_KEEPING = frozenset({"square", "abs", "sqrt", "sum", "neg", "norm", "div", "mul"})
#: How many ops a side of a `where` is searched.
_MANY = 64
#: function -> the argument with an edge, and where TensorFlow's gradient of it is NaN although 0 comes back
#: (2.21 on a CPU; sqrt, rsqrt, norm and reciprocal give 0 there).
_EDGES: dict[str, tuple[str, tuple[float, ...]]] = {
    "log": ("x", (0.0,)),
    "log1p": ("x", (-1.0,)),
    "div": ("y", (0.0,)),
    "acos": ("x", (2.0, -2.0, 1.0, -1.0)),
    "asin": ("x", (2.0, -2.0, 1.0, -1.0)),
    "acosh": ("x", (0.0, 1.0)),
    "erfinv": ("x", (1.0, -1.0)),
    "lgamma": ("x", (0.0,)),
    "digamma": ("x", (0.0,)),
}

#: Every function with an edge, those included whose edge depends on a format or an exponent.
EDGED = frozenset({*_EDGES, "exp", "pow"})


@dataclass(frozen=True, slots=True)
class Test:
    """`value test bound`, true on the side of a `where` that is looked at."""

    value: Value
    test: str
    bound: float

    def excludes(self, edge: float) -> bool:
        """Whether the side is not chosen where the value is `edge`."""
        return not TESTS[self.test](edge, self.bound)


@dataclass(frozen=True, slots=True)
class Unchosen:
    """A function at its edge: `trail` leads to it from what the condition tests, which is `edge` there.

    `name` is the function's argument, `choice` the `where`, which takes the function's side if its condition
    comes out as `outcome`.
    """

    trail: Trail
    name: str
    choice: Op
    outcome: bool
    edge: float

    @property
    def other(self) -> Value:
        """What is chosen instead."""
        return self.choice.arg("y" if self.outcome else "x")


def unchosen(graph: Graph) -> Iterator[Unchosen]:
    """Every function whose gradient is shown to be taken at an edge that a `where` keeps from its value."""
    told: set[int] = set()
    for choice in graph.ops("where"):
        if not graph.differentiated(choice):
            continue
        for name, outcome in (("x", True), ("y", False)):
            tests = list(_tests(choice.arg("condition"), outcome))
            for sink in _inside(choice.arg(name)) if tests else ():
                if sink.serial not in told and graph.differentiated(sink):
                    for found in _at_edge(graph, sink, tests):
                        told.add(sink.serial)
                        yield Unchosen(found[0], found[1], choice, outcome, found[2])
                        break


def _tests(condition: Value, outcome: bool) -> Iterator[Test]:
    """What is known to hold where `condition` comes out as `outcome`."""
    todo = [(condition, outcome)]
    while todo:
        value, holds = todo.pop()
        op = next((op for op in value.producers() if not op.flow), None)
        if op is None:
            continue
        if op.name == "logical_not":
            todo.append((op.arg("x"), not holds))
        elif op.name == ("logical_and" if holds else "logical_or"):
            todo += [(op.arg("y"), holds), (op.arg("x"), holds)]
        elif op.name in MIRRORED:
            for one, other, test in (("x", "y", op.name), ("y", "x", MIRRORED[op.name])):
                bound = number(op.arg(other))
                if bound is not None:
                    yield Test(op.arg(one), test if holds else OPPOSITE[test], bound)


def _inside(side: Value) -> Iterator[Op]:
    """The ops that compute a side, the nearest first, up to other choices."""
    todo = list(sources(side))
    seen = {op.serial for op in todo}
    for op in todo:
        if op.name in ("where", "select", "join", "variable"):
            continue
        yield op
        for source in op.operands:
            if source.serial not in seen and len(seen) < _MANY:
                seen.add(source.serial)
                todo.append(source)


def _at_edge(graph: Graph, sink: Op, tests: list[Test]) -> Iterator[tuple[Trail, str, float]]:
    name, edges = _edges(sink)
    value = sink.arg(name)
    for test in tests:
        made, tested = value.op, test.value.op
        if made is None or tested is None:
            continue
        for edge in edges:
            at = _tested_at(value, test.value, edge)
            if (
                at is None
                or edge not in value.interval
                or at not in test.value.interval
                or not test.excludes(at)
            ):
                continue
            if sink.name == "exp" and test.value.reaches(lambda v, at=at: v >= at) is None:  # type: ignore[misc]
                continue  # nothing shows that it gets so far
            chain = (*graph.path(tested, made), sink)
            trail = Trail(value, Witness(edge, ((tested, at),)), chain, tested, chain[1:-1])
            yield trail, name, at


def _edges(sink: Op) -> tuple[str, tuple[float, ...]]:
    """The argument of `sink` with an edge, and where that is."""
    if sink.name == "exp":
        return "x", (math.ceil(math.log(largest(sink.value.dtype))) + 0.0,)
    if sink.name == "pow":
        exponent = number(sink.arg("y"))
        if exponent is None or exponent == 1:
            return "x", ()
        broken = (-1.0,) if exponent != math.floor(exponent) else ()
        return "x", broken + ((0.0,) if exponent < 1 and exponent != 0 else ())
    return _EDGES.get(sink.name, ("x", ()))


def _tested_at(value: Value, tested: Value, edge: float) -> float | None:
    """What the tested number is where `value`, computed from it, is `edge`; None where that is not known."""
    for _ in range(_MANY):
        if same(value, tested):
            return edge
        op = value.op
        if op is None:
            return None
        x, y = op.arg("x"), op.arg("y")
        constant = number(y)
        if op.name in ("add", "sub") and constant is not None:
            value, edge = x, edge - constant if op.name == "add" else edge + constant
        elif op.name == "mul" and constant:
            value, edge = x, edge / constant
        elif (edge == 0 and op.name in _KEEPING) or (op.flow == ("x",) and op.name not in ("clip", "refine")):
            value = x
        else:
            return None
    return None
