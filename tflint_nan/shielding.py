"""What becomes of a bad number: whether the program replaces it, asks before, or never trains on it."""

from __future__ import annotations

import math

import libcst as cst

from tflint_nan.evidence import PASSING, Trail, ancestors, at, library, number, onward
from tflint_nan.graph import Graph
from tflint_nan.ops.points import bare
from tflint_nan.value import NONE, Op

#: Reductions that leave NaN out.
_LEAVING_OUT = ("np.nan", "keras.ops.nan", "tensor.fillna", "tensor.dropna")
#: Functions whose gradient at 0 is NaN although 0 comes back (TensorFlow 2.21; of a root and a reciprocal it
#: is 0 then).
_STEEP = frozenset({"div", "log"})
#: Ops that take some of the rows, and those that count or add what these hold.
_TAKING = frozenset({"slice", "gather"})
_COUNTING = frozenset({"sum", "mean", "max", "any", "count_nonzero", "norm"})
_TESTS_OF_NAN = frozenset({"is_nan", "is_finite", "is_inf"})
#: Ops that hand numbers of a model to Python.
_READ_OUT = frozenset({"predict", "stop_gradient"})


def shielded(graph: Graph, trail: Trail, *, nan: bool = False) -> bool:
    """Whether what the sink computes is replaced afterwards where it is not finite.

    By a `where` that asks about the sink's operand or result, or chooses something else then, what ignores or
    replaces NaN, a bound, or, where no gradient is, a test of each element for NaN. What is known to be `nan`
    passes a bound.
    """
    # What nobody knows may well be a cast.
    through = PASSING | {"floor", "ceil", "round", "unknown_call"}
    for consumer in onward(graph, trail.sink, lambda op: op.name in through or bool(op.flow)):
        if consumer.name in ("multiply_no_nan", "nan_to_num") or consumer.api.startswith(_LEAVING_OUT):
            return True
        if consumer.name in _TESTS_OF_NAN and library(trail.sink) == "np" and _sorts_out(graph, consumer):
            return True
        if not nan and _bounds(consumer):
            return True
        asked = consumer.arg("condition").op if consumer.name == "where" else None
        if asked is not None:
            computed = {op.serial for op, leaf in ancestors(trail.sink) if not leaf}
            if any(op.serial in computed for op, _ in ancestors(asked)):
                return True
            chosen = at(consumer, trail.witness)
            if chosen is not None and math.isfinite(chosen):
                return True
    return False


def outlasts(graph: Graph, trail: Trail, *, initial: bool = False) -> bool:
    """Whether the gradient of the sink is NaN whatever bounds its result.

    Past a bound 0 comes back, and 0 times an infinite slope is NaN (see `_STEEP`). Numbers of either sign
    pass the place and are hardly ever exactly there, unless they are so at the start (`initial`); a bound
    holds of what is near.
    """
    if trail.sink.name not in _STEEP or not graph.differentiated(trail.sink):
        return False
    return initial or not _is_passed(trail)


def _is_passed(trail: Trail) -> bool:
    """Whether what breaks is between numbers of either sign, not at an end of what is assumed or far out."""
    if trail.witness.value != 0:
        return True
    return any(n == 0 and op.value.interval.lo < 0 < op.value.interval.hi for op, n in trail.witness.inputs)


def goes_around(graph: Graph, op: Op) -> bool:
    """Whether the output of `op` gets to a loss, differentiated, on a way where no number bounds it."""

    def is_open(taker: Op) -> bool:
        return graph.differentiated(taker) is True and not _bounds(taker)

    def is_end(taker: Op) -> bool:
        return not any(graph.differentiated(further) for further in graph.consumers(taker))

    return any(is_open(taker) and is_end(taker) for taker in onward(graph, op, is_open))


def _bounds(op: Op) -> bool:
    """Whether a number bounds what comes through `op`."""
    if op.name not in ("maximum", "minimum", "clip"):
        return False
    return any(number(value) is not None for value in op.args.values())


def _sorts_out(graph: Graph, test: Op) -> bool:
    """Whether a test of elements chooses some of them: one answer for all (an assertion, a stop) does not."""
    takers = graph.consumers(test)
    return any(taker.name not in ("all", "any") or taker.arg("axis") is not NONE for taker in takers)


def is_asked_about(graph: Graph, trail: Trail) -> bool:
    """Whether a test around the sink is computed from what makes its operand: a guard, whatever it asks."""
    source, tests = trail.sink.source, set[int]()
    node, parent = trail.sink.node, trail.sink.source.parent(trail.sink.node)
    while parent is not None and not isinstance(parent, (cst.FunctionDef, cst.ClassDef)):
        if isinstance(parent, (cst.If, cst.IfExp)) and node is not parent.test:
            tests.add(id(parent.test))
        node, parent = parent, source.parent(parent)
    made = (trail.producer, *trail.steps) if tests else ()
    # Of a difference, what it is between is asked about.
    made += trail.producer.operands if tests and trail.producer.name == "sub" else ()
    return any(_stands_in(asking, tests) for op in made for asking in onward(graph, op, lambda _: True))


def is_selected(trail: Trail) -> bool:
    """Whether the rows that are counted passed a test of such a count, as of `x[(x > 0).sum(1) > 1]`."""
    reducing = {step.name for step in trail.steps if step.name in _COUNTING}
    for op, _ in ancestors(trail.producer) if reducing else ():
        asked = op.arg("index" if op.name == "slice" else "indices").op if op.name in _TAKING else None
        rows = bare(op.arg("x")).op if asked is not None else None
        if asked is None or rows is None:
            continue
        made = [source for source, _ in ancestors(asked)]
        if rows in made and any(step.name in reducing for step in made):
            return True
    return False


def _stands_in(op: Op, expressions: set[int]) -> bool:
    node: cst.CSTNode | None = op.node
    while isinstance(node, (cst.BaseExpression, cst.Arg)):
        if id(node) in expressions:
            return True
        node = op.source.parent(node)
    return False


def monitored_only(graph: Graph, op: Op) -> bool:
    """Whether the graph shows that training does not see `op`.

    Arrays that nothing takes count as unknown: data takes ways into training that are not all followed.
    """
    taken = bool(graph.consumers(op)) or library(op) not in ("np", "pd")
    return taken and graph.monitored_only(op)


def is_looked_at(trail: Trail) -> bool:
    """Whether Python computes with what a model gave: scores, plots, beam search, and no training sees it."""
    if library(trail.sink) != "np":
        return False
    made = (op for op, _ in ancestors(trail.chain[0]))
    return any(op.name in _READ_OUT for op in (*trail.chain, *made))
