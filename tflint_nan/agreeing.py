"""How many elements have to agree for a number to be 0: one, a row of them, or everything there is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from enum import IntEnum

from tflint_nan.evidence import (
    BINARY,
    PASSING,
    Trail,
    ancestors,
    is_epsilon,
    is_made_up,
    is_trained,
    number,
    squasher,
)
from tflint_nan.interval import Interval
from tflint_nan.ops.arithmetic import is_span
from tflint_nan.ops.parts import takes_columns
from tflint_nan.ops.points import bare
from tflint_nan.ops.reductions import axes
from tflint_nan.value import Op, Value

#: 0 where a feature is constant.
SPREADS = frozenset({"std", "variance"})
_COUNTS = frozenset({"count", "count_nonzero"})
#: What is 0 or 1, steps of sequences that are padded included.
_TICKS = BINARY | {"mask"}
_COMPARISONS = frozenset({"less", "less_equal", "greater", "greater_equal"})
#: What hands on every number, and adds none.
_KEEPING = frozenset({"cast", "identity", "stop_gradient", "reshape", "squeeze", "expand_dims", "transpose"})
#: What is taken for 0 somewhere by the place that it has among the arguments of a loss.
ROLES = frozenset({"prediction", "labels"})
#: Ops that are 0 where all of what they reduce is.
_REDUCING = frozenset({"sum", "mean", "max", "norm", "count_nonzero"})
#: Ops that are 0 where their operand is, besides those that pass any number on.
_FOLDING = frozenset({"square", "pow", "abs", "norm"})
#: Ops of several operands, of which one alone is not what the 0 depends on.
_MIXING = frozenset({"mul", "add", "sub", "prod"})
#: A unit starts off for half of the examples; 8 of them are all off for one example in 256.
_FEW = 8


class Agreeing(IntEnum):
    """How many elements have to agree for a 0; each step is a doubt."""

    ONE = 0
    ROW = 1
    ALL = 2


def agreeing(trail: Trail) -> Agreeing:
    """How many elements have to be 0, or equal, for the number at the end of a trail to be 0.

    One, or one row of them, where they are reduced; everything, where all axes are, or the examples with
    others. So it is for spreads of everything there is, one step below where that is what is divided, since
    it need only be equal. What is taken for 0 by its place in a loss may have to be so in a row, and a part
    of it may be of another kind.
    """
    made = trail.producer
    if is_drawn(trail):
        return Agreeing.ONE
    found, reduced = Agreeing.ONE, list[Op]()
    for op in _handing(trail):
        if op.name in _REDUCING or spreads(op):
            reduced.append(op)
            found = max(found, _reduced(op, trail))
        elif op.name in _MIXING and _mixes(op, trail):
            found = max(found, Agreeing.ROW)
    if len(reduced) > 1 and any(_takes_examples(op) for op in reduced):
        return Agreeing.ALL
    if made.name in ROLES:
        apart = any(step.name == "split" or takes_columns(step) for step in trail.steps)
        return Agreeing.ALL if found or apart else Agreeing.ONE
    return Agreeing.ALL if made.name in _TICKS | _COUNTS and _is_mixed(trail) else found


def is_drawn(trail: Trail) -> bool:
    """Whether one row of a mask is counted that keeps, by chance, some of the elements that data allows.

    Where data allows few of a row, chance keeps none.
    """
    counting = [step for step in trail.steps if step.name not in _KEEPING | BINARY | {"mul"}]
    if len(counting) != 1 or counting[0].name != "sum" or is_made_up(trail.producer):
        return False
    x, over = counting[0].arg("x"), _over(counting[0])
    if over is None or len(over) != 1 or over[0] == 0 or (x.shape is not None and len(x.shape) < 2):
        return False
    parts = list(_conjuncts(x))
    tests = all(part.name in _TICKS for part in parts)
    return tests and any(map(_is_chance, parts)) and not all(map(is_made_up, parts))


def _conjuncts(value: Value) -> Iterator[Op]:
    """The tests that all have to pass for an element of `value` to be 1."""
    todo, seen = [value], set[int]()
    while todo:
        op = bare(todo.pop()).op
        if op is None or op.serial in seen:
            continue
        seen.add(op.serial)
        if op.name in ("logical_and", "mul"):
            todo += [op.arg("x"), op.arg("y")]
        else:
            yield op


def _is_chance(op: Op) -> bool:
    """Whether a test compares samples with a number."""
    pair = [op.arg("x"), op.arg("y")] if op.name in _COMPARISONS else []
    drawn = any(made.name == "random_uniform" for value in pair for made in value.producers())
    return drawn and any(number(value) is not None for value in pair)


def _handing(trail: Trail) -> Iterator[Op]:
    """The ops that hand the 0 on, the nearest to the divisor first, and the one that makes it."""
    chain = list(trail.chain[:-1])
    while chain:
        op = chain.pop()
        yield op
        passing = op.name in PASSING or op.name in _FOLDING or op.flow
        if not passing or (squasher(op) is not None and op is not trail.chain[0]):
            return
        # A 0 that nothing is assumed for has no source, and its chain is the divisor alone.
        if not chain and not trail.witness.inputs:
            zeros = (value.op for value in op.args.values() if value.reaches(lambda v: v == 0))
            chain += [made for made in zeros if made is not None][:1]


def _reduced(op: Op, trail: Trail) -> Agreeing:
    x, over = measured(op), _over(op)
    vector = x.shape is not None and len(x.shape) == 1 and not _is_flattened(x)
    whole = over is None or (x.shape is not None and len(over) == len(x.shape))
    if spreads(op):
        # A vector is one feature; the least and the largest are usual of each image or map as well.
        rows = op.name not in SPREADS and not _takes_examples(op) and over != (-2,)
        if whole and not vector and not _is_divided(op, trail.sink):
            return Agreeing.ALL
        return Agreeing.ROW if rows or (whole and not vector) else Agreeing.ONE
    if vector and x.shape != (None,):
        return Agreeing.ROW  # as long as it is, it holds no examples
    if whole or (_takes_examples(op) and len(over or ()) > 1):
        return Agreeing.ALL
    # A unit that is off is off for all examples.
    unit = op.name == "mean" and squasher(trail.producer) == "sigmoid"
    return Agreeing.ONE if unit or (_is_short(x, over or ()) and is_of_relus(trail)) else Agreeing.ROW


def _is_flattened(x: Value) -> bool:
    """Whether a vector is all that an array of several axes holds; who calls `flatten` has such an array."""
    made = x.op
    while made is not None and made.name in ("cast", "identity", "stop_gradient"):
        made = made.arg("x").op
    if made is None or made.name != "reshape":
        return False
    before = made.arg("x").shape
    return made.api.endswith(("flatten", "ravel")) if before is None else len(before) > 1


def _is_divided(op: Op, sink: Op) -> bool:
    """Whether what is measured is divided by it there: an example, say, not a part of all data."""
    dividend = sink.arg("x").op if sink.name == "div" else None
    made = bare(measured(op)).op
    if dividend is None or made is None:
        return True
    return op.scope is sink.scope and any(source is made for source, _ in ancestors(dividend))


def is_of_relus(trail: Trail) -> bool:
    """Whether units of a layer make the 0 that are off for every negative input."""
    return any(op.name == "relu" and is_trained(op) for op in _handing(trail))


def _is_short(x: Value, over: Sequence[int | None]) -> bool:
    """Whether so few elements are reduced that as many relus are all off for some example."""
    if x.shape is None or None in over:
        return False
    lengths = [x.shape[axis] for axis in over if axis is not None and -len(x.shape) <= axis < len(x.shape)]
    known = [length for length in lengths if length is not None]
    return len(known) == len(over) and math.prod(known) <= _FEW


def _takes_examples(op: Op) -> bool:
    """Whether an op reduces the axis that examples, or the rows of a table, lie along."""
    over = _over(op)
    return over is None or 0 in over


def _over(op: Op) -> tuple[int | None, ...] | None:
    """The axes that an op reduces, as `axes` has them."""
    edge = _edge(op)
    return axes(edge, edge.arg("x"))


def measured(op: Op) -> Value:
    """What an op reduces, or measures the spread of."""
    return _edge(op).arg("x")


def _edge(op: Op) -> Op:
    """The reduction itself; of the largest less the smallest the first of the two."""
    return (op.arg("x").made_by("max") if is_span(op) else None) or op


def spreads(op: Op) -> bool:
    """Whether `op` is 0 where all that it is computed from is equal."""
    return op.name in SPREADS or op.name == "peak_to_peak" or is_span(op)


def _mixes(op: Op, trail: Trail) -> bool:
    """Whether something else than a constant takes part in a step."""
    if op.name == "sub":
        return number(op.arg("x")) != 1
    # A factor that is never 0 has no part in a 0.
    if op.name == "mul" and any(0 not in op.arg(factor).interval for factor in ("x", "y")):
        return False
    given = [n for value in op.args.values() if (n := number(value)) is not None]
    weight = trail.producer.name == "variable"
    constant = bool(given) and (op.name != "add" or not weight or all(map(is_epsilon, given)))
    return not constant or op.name == "prod"


def _is_mixed(trail: Trail) -> bool:
    """Whether the 0 of a test of elements, or of a count, is one among numbers of which nothing is known.

    One element is enough where it divides itself, one row without any where these are counted. A row of a
    mask of lengths is 0 for a length of 0, an element of a histogram where nothing of the kind is there; what
    is picked out of counts, or mixed with other numbers on the way, depends on those.
    """
    made = trail.producer.name
    counting = [op for op in (trail.producer, *trail.steps) if op.name in ("sum", "count_nonzero")]
    others = {step.name for step in trail.steps} - _KEEPING - ({"sum", "slice"} if counting else set())
    return bool(others) or made == "count" or (made == "mask" and bool(counting))


def is_count(trail: Trail) -> bool:
    """Whether the divisor says how many elements pass a test: what is not 0 is 1 or more."""
    names = [step.name for step in trail.steps if step.name not in _KEEPING]
    made = trail.producer
    if made.name in _COUNTS or (made.name == "segment_sum" and made.arg("x").interval == Interval.point(1)):
        return not set(names) - {"sum", "max", "slice"}
    return trail.producer.name in BINARY and names == ["sum"]
