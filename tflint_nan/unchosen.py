"""Functions that a `where` computes at their edge and does not choose: their gradient goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from tflint_nan.evidence import Trail, number
from tflint_nan.graph import Graph
from tflint_nan.interval import largest
from tflint_nan.ops.choices import MIRRORED, OPPOSITE, TESTS, implied
from tflint_nan.ops.points import bare, same
from tflint_nan.ops.table import OPERATORS
from tflint_nan.value import Op, Value, Witness, sources
from tflint_nan.vectors import on_diagonal
from tflint_nan.zeros import DIAGONAL, Zeros

#: Ops that are 0 where their `x` is.
_KEEPING = frozenset({"square", "abs", "sqrt", "sum", "neg", "norm", "div", "mul"})
#: Functions of one number, of each element.
_POINTS: dict[str, Callable[[float], float]] = {
    "sqrt": math.sqrt,
    "square": lambda x: x * x,
    "abs": abs,
    "neg": lambda x: -x,
}
#: Ops on a way, in its order, each with its number.
_Numbers = Mapping[Op, float]
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

#: Functions whose gradient is NaN at the edge itself and nowhere else: of a log, it is 0 below 0 as well.
_POINTED = frozenset({"log", "log1p", "div", "lgamma", "digamma"})
#: How far from the number that a program tests another one may lie that nothing shows to occur.
_REACHED = 2.0

#: Functions whose gradient at NaN is NaN although 0 comes back (2.21; of add, maximum, clip, relu it is 0).
_TOUCHED = frozenset(
    {"square", "abs", "exp", "log", "log1p", "sigmoid", "tanh", "softplus", "sin", "cos", "erf", "pow"}
)
#: Functions whose gradient with respect to one operand is NaN where the other is.
_FACTORED = {
    "mul": (("x", "y"), ("y", "x")),
    "div": (("y", "x"), ("x", "y"), ("y", "y")),
    "squared_difference": (("x", "y"), ("y", "x")),
    "sigmoid_cross_entropy_with_logits": (("labels", "logits"),),
}
#: Of these, what goes for an infinite operand as well: 0 comes back and is multiplied by it.
_TOUCHED_FAR = frozenset({"square"})
_FACTORED_FAR = {name: _FACTORED[name] for name in ("mul", "squared_difference")} | {"div": (("x", "y"),)}
#: Functions that are infinite at their edge, and what they are there (a quotient: of a dividend above 0).
_POLES = {"log": -math.inf, "log1p": -math.inf, "div": math.inf}
#: Functions that are NaN wherever an operand is.
_SPREADING = frozenset(
    {"add", "sub", "mul", "div", "neg", "square", "abs", "exp", "log", "pow", "tanh", "sigmoid", "softplus"}
    | {"identity", "cast", "stop_gradient", "reshape", "expand_dims", "squeeze"}
)

#: Every function with an edge, those included whose edge depends on a format or an exponent, or is NaN.
EDGED = frozenset({*_EDGES, *_TOUCHED, *_FACTORED})


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
    """A function at its edge: `trail` leads to it from what is `edge` there.

    That is what the condition tests, or what this is computed from.

    `name` is the function's argument, `choice` the `where`, which takes the function's side if its condition
    comes out as `outcome`. `shown` is False where nothing trains the loss: it takes what Keras gives to one.
    `known` are the numbers of ops on the way, where their witnesses do not tell them.
    """

    trail: Trail
    name: str
    choice: Op
    outcome: bool
    edge: float
    shown: bool
    known: Mapping[Op, float] = field(default_factory=dict)

    @property
    def other(self) -> Value:
        """What is chosen instead."""
        return self.choice.arg("y" if self.outcome else "x")


def unchosen(graph: Graph) -> Iterator[Unchosen]:
    """Every function whose gradient is shown to be taken at an edge that a `where` keeps from its value."""
    told: set[int] = set()
    zeros = Zeros(graph)
    for choice in graph.ops("where"):
        shown = graph.differentiated(choice) is True
        if not _is_trained(graph, choice):
            continue
        for name, outcome in (("x", True), ("y", False)):
            condition = choice.arg("condition")
            tests = list(_tests(condition, outcome)) if shown else []
            missing = [{op: math.nan} for op in _missing(graph, condition, outcome)]
            # What the mask of pairs is for each one with itself.
            masked = shown and on_diagonal(condition) == float(not outcome)
            inside = list(_inside(choice.arg(name))) if tests or missing or masked else []
            broken = [*missing, *_infinite(graph, inside, tests)]
            for sink in inside:
                if sink.serial in told or not _is_trained(graph, sink):
                    continue
                ways = (*_at_edge(graph, sink, tests), *_by_factor(graph, sink, broken))
                for found in ways or (_of_itself(zeros, sink) if masked else ()):
                    told.add(sink.serial)
                    yield Unchosen(found.trail, found.name, choice, outcome, found.edge, shown, found.known)
                    break


@dataclass(frozen=True, slots=True)
class _Way:
    """How a function gets to its edge; see `Unchosen`."""

    trail: Trail
    name: str
    edge: float
    known: Mapping[Op, float] = field(default_factory=dict)


def _is_trained(graph: Graph, op: Op) -> bool:
    """Whether a gradient goes through `op`; Keras takes it of a loss, with respect to the prediction."""
    if graph.differentiated(op):
        return True
    todo, seen = [op], {op.serial}
    for one in todo:
        if one.name == "prediction":
            return True
        operator = OPERATORS.get(one.name)
        for source in one.operands if operator is not None and operator.differentiable else ():
            if source.serial not in seen and len(seen) < _MANY:
                seen.add(source.serial)
                todo.append(source)
    return False


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


def _at_edge(graph: Graph, sink: Op, tests: list[Test]) -> Iterator[_Way]:
    name, edges = _edges(sink)
    value = sink.arg(name)
    for test in tests:
        for edge in edges:
            found = _tested_at(value, test.value, edge)
            made, start = value.op, None if found is None else found.start.op
            if found is None or start is None or made is None:
                continue
            at, exponent = found.tested, _fraction(sink)
            if edge not in value.interval or at not in test.value.interval or not test.excludes(at):
                continue
            if not _occurs(sink, edge, at, test):
                continue
            if sink.name == "exp" and test.value.reaches(lambda v, at=at: v >= at) is None:  # type: ignore[misc]
                continue  # nothing shows that it gets so far
            chain = (*graph.path(start, made), sink)
            beside = () if exponent is None else exponent.inputs
            if any(source is start or graph.path(source, start) for source, _ in beside):
                continue  # what the exponent assumes may not go with what the base does
            witness = Witness(edge, ((start, found.number), *beside))
            yield _Way(Trail(value, witness, chain, start, chain[1:-1]), name, found.number, found.known)


def _occurs(sink: Op, edge: float, at: float, test: Test) -> bool:
    """Whether what is tested gets so far that the function is at its edge: where that is near, or shown.

    One point is hit where it is 0, which much is exactly, the tested number, or one that is saturated.
    """
    if sink.name in _POINTED or (sink.name == "pow" and edge == 0):
        ends = test.value.interval.lo, test.value.interval.hi
        return at in (0.0, test.bound) or (at in ends and test.value.reaches(lambda v: v == at) is not None)
    below = at < test.bound
    shown = test.value.reaches(lambda v: v <= at if below else v >= at)
    # A test of 0.04 does not tell that there are numbers of another sign, one of 0 does.
    near = at * test.bound >= 0 and abs(at - test.bound) <= _REACHED
    return sink.name == "exp" or near or shown is not None


def _fraction(sink: Op) -> Witness | None:
    """How the exponent of a power gets to a number that is no integer, where it is no constant."""
    exponent = sink.arg("y")
    if sink.name != "pow" or number(exponent) is not None:
        return None
    return exponent.reaches(lambda v: math.isfinite(v) and v != math.floor(v))


def _of_itself(zeros: Zeros, sink: Op) -> Iterator[_Way]:
    """A function of the distance of each one from itself, which is 0: on the diagonal of all pairs."""
    name, edges = _edges(sink)
    found = zeros.of(sink.arg(name), folded=True) if 0.0 in edges else None
    if found is not None and found.why == DIAGONAL:
        first = found.chain[0]
        witness = Witness(0.0, found.inputs or ((first, 0.0),))
        trail = Trail(sink.arg(name), witness, (*found.chain, sink), first, found.chain[1:])
        yield _Way(trail, name, 0.0, found.known)


def _missing(graph: Graph, condition: Value, outcome: bool) -> Iterator[Op]:
    """What is no NaN where `condition` comes out as `outcome`: the program knows that it may be, elsewhere.

    Data alone: where what is trained is NaN, it is too late.
    """
    for value, test, _ in implied(condition, outcome):
        op = bare(value).op
        if test in ("is_finite", "is_number") and op is not None and not _is_trained(graph, op):
            yield op


def _infinite(graph: Graph, inside: list[Op], tests: list[Test]) -> Iterator[_Numbers]:
    """What is infinite of data where a side is not chosen, `log(y)` of a `y` that is 0; each from the `y` on.

    Data that a program compares with other numbers than 0 and 1 need not be 0.
    """
    near = [test for test in tests if abs(test.bound) <= 1]
    for op in inside if near else ():
        if op.name not in _POLES or _is_trained(graph, op):
            continue
        for way in _at_edge(graph, op, near):
            if way.edge == way.trail.witness.value:  # so are the ops between
                pole = _POLES[op.name]
                if op.name == "div" and (number(op.arg("x")) or 1.0) < 0:
                    pole = -pole
                yield {**dict.fromkeys(way.trail.chain[:-1], way.edge), op: pole}


def _by_factor(graph: Graph, sink: Op, broken: list[_Numbers]) -> Iterator[_Way]:
    """A function of what is trained, whose gradient an operand multiplies that is not finite where data are.

    The first one on the way: where its operand is made safe, all behind it are.
    """
    for factor, way in _factors(graph, sink, broken):
        if not any(True for step in way for _ in _factors(graph, step, broken)):
            ops = tuple(way)
            start, last = ops[0], ops[-1]
            witness = Witness(way[last], ((start, way[start]),))
            trail = Trail(sink.arg(factor), witness, (*ops, sink), start, ops[1:])
            yield _Way(trail, factor, way[start], way)


def _factors(graph: Graph, sink: Op, broken: list[_Numbers]) -> Iterator[tuple[str, _Numbers]]:
    """The arguments that are not finite and multiply a gradient that is wanted, with the ways to them."""
    for way in broken:
        *_, last = way
        missing = math.isnan(way[last])
        touched, factored = (_TOUCHED, _FACTORED) if missing else (_TOUCHED_FAR, _FACTORED_FAR)
        for factor, other in (("x", "x"),) if sink.name in touched else factored.get(sink.name, ()):
            trained = sink.arg(other).op
            if trained is not None and _is_trained(graph, trained):
                onward = _from(last, way[last], sink.arg(factor))
                if onward:
                    yield factor, {**way, **onward}


def _from(start: Op, number: float, value: Value) -> _Numbers:
    """The ops through which `value` is not finite where `start` is, both included; none where it may be."""
    todo: list[tuple[Op, ...]] = [] if value.op is None else [(value.op,)]
    seen: set[int] = set()
    for way in todo:
        op = way[0]
        if op is start:
            return _carried(way, number)
        if op.name in _SPREADING and op.serial not in seen and len(seen) < _MANY:
            seen.add(op.serial)
            todo += [(operand, *way) for operand in op.operands if operand.serial >= start.serial]
    return {}


def _carried(way: tuple[Op, ...], bad: float) -> _Numbers:
    """The ops with what each makes of a number that is not finite; none where one of them makes another."""
    numbers = {way[0]: bad}
    for before, op in pairwise(way):
        x, y = op.arg("x"), op.arg("y")
        if math.isnan(bad) or op.name == "add" or op.flow:
            pass
        elif op.name == "neg" or (op.name == "sub" and y.op is before):
            bad = -bad
        elif op.name == "square":
            bad = math.inf
        elif op.name in ("mul", "div") and y.op is not before and number(y):
            bad *= number(y) or 1.0
        elif op.name == "mul" and x.op is not before and number(x):
            bad *= number(x) or 1.0
        elif op.name != "sub":
            return {}
        numbers[op] = bad
    return numbers


def _edges(sink: Op) -> tuple[str, tuple[float, ...]]:
    """The argument of `sink` with an edge, and where that is."""
    if sink.name == "exp":
        return "x", (math.ceil(math.log(largest(sink.value.dtype))) + 0.0,)
    if sink.name == "pow":
        exponent = number(sink.arg("y"))
        if exponent is None and _fraction(sink) is not None:
            return "x", (-1.0,)
        if exponent is None or exponent == 1:
            return "x", ()
        broken = (-1.0,) if exponent != math.floor(exponent) else ()
        return "x", broken + ((0.0,) if exponent < 1 and exponent != 0 else ())
    return _EDGES.get(sink.name, ("x", ()))


@dataclass(frozen=True, slots=True)
class _Shared:
    """What a function's argument and a tested number are both computed from: at its edge it is `number`.

    `tested` is what the tested number is then, `known` are the numbers of the ops between.
    """

    start: Value
    number: float
    tested: float
    known: Mapping[Op, float]


def _tested_at(value: Value, tested: Value, edge: float) -> _Shared | None:
    """What is tested where `value` is `edge`; None where that is not known."""
    behind, known = list(_unary(tested)), dict[Op, float]()
    for _ in range(_MANY):
        for place, (start, _) in enumerate(behind):
            if same(value, start):
                at = _along([op for _, op in behind[:place]], edge)
                return None if at is None else _Shared(start, edge, at, known)
        op = value.op
        if op is None:
            return None
        x, known[op] = op.arg("x"), edge
        before = _undone(op, edge)
        if before is not None:
            value, edge = before
        elif (edge == 0 and op.name in _KEEPING) or (op.flow == ("x",) and op.name not in ("clip", "refine")):
            value = x
        else:
            return None
    return None


def _undone(op: Op, result: float) -> tuple[Value, float] | None:
    """What `op` takes beside a number, and what that is where it gives `result`."""
    x, y = op.arg("x"), op.arg("y")
    one, other = number(x), number(y)
    if op.name == "neg":
        return x, 0.0 - result
    if op.name == "add" and (one is None) != (other is None):
        return (x, result - other) if other is not None else (y, result - (one or 0.0))
    if op.name == "sub" and (one is None) != (other is None):
        return (x, result + other) if other is not None else (y, (one or 0.0) - result)
    if op.name == "mul" and (one or other):
        return (x, result / other) if other else (y, result / (one or 1.0))
    return (x, result * other) if op.name == "div" and other else None


def _unary(value: Value) -> Iterator[tuple[Value, Op]]:
    """`value` and what it is computed from, each element from one, with the op that takes it there."""
    for _ in range(_MANY):
        op = value.op
        if op is None:
            return
        yield value, op
        if op.name not in _POINTS and (op.flow != ("x",) or op.name in ("clip", "refine")):
            return
        value = op.arg("x")


def _along(ops: list[Op], number: float) -> float | None:
    """What the ops, the last one first, make of a number."""
    for op in reversed(ops):
        if op.name in _POINTS:
            try:
                number = _POINTS[op.name](number)
            except ValueError:
                return None
    return number
