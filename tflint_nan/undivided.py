"""Arrays that a program divides by 255 in one place and trains on as they are in another: what nobody can see
of a file that is loaded, the division says of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from tflint_nan.evidence import number
from tflint_nan.graph import Graph
from tflint_nan.inputs import SUMS, is_normalised, trained_on
from tflint_nan.source import Source
from tflint_nan.value import Items, Op, Value

#: The largest byte, and half of it: what brings bytes into [0, 1] and, less 1, into [-1, 1].
_FULL = (255.0, 127.5)
#: Ops that give a part of what they are given, or one of several: their division says nothing of the rest.
_PARTS = frozenset({"slice", "gather", "join", "where", "refine"})
#: Through how many steps an array is followed.
_LONGEST = 50
#: What stands for data that callers and sessions give, another one each time, and what no data is.
_NO_DATA = frozenset({"parameter", "placeholder", "variable", "labels", "prediction"})


@dataclass(frozen=True, slots=True)
class Undivided:
    """Training on an array as it is.

    Attributes:
        sink: the op that trains on it.
        node: where it is given the array.
        division: where the same array is divided.
        by: 255 or 127.5.
        normalised_later: the first layer is followed by a batch normalisation.
    """

    sink: Op
    node: cst.CSTNode
    division: Op
    by: float
    normalised_later: bool


def undivided(graph: Graph) -> Iterator[Undivided]:
    """What is trained on as it is, and divided by 255 elsewhere in a run that does both."""
    # By identity: two values that one unknown call gives (of two keys of a file) are not the same array.
    divisions: dict[int, tuple[Op, float]] = {}
    for op in graph.ops("div", "mul"):
        if (by := _divisor(op)) is not None:
            divisions.update((id(value), (op, by)) for value in _whole(op.arg("x")))
    for op in graph.ops("div", "mul"):
        if isinstance(op.node, cst.AugAssign):
            divisions.pop(id(op.arg("x")), None)  # the array itself is scaled, perhaps
    for sink, node, value, first in trained_on(graph) if divisions else ():
        known = _divided(value, divisions)
        if known is None or not first or any(op.name not in SUMS for op in first):
            continue
        if _arms(known[0]) <= _arms(sink):
            yield Undivided(sink, node, *known, all(is_normalised(graph, op) for op in first))


def _divisor(op: Op) -> float | None:
    """By which of `_FULL` an op divides its operand, so that it is a new array; None for any other op."""
    factor = number(op.arg("y"))
    if factor is None or factor <= 0.0 or isinstance(op.node, cst.AugAssign):
        return None
    divisor = factor if op.name == "div" else 1.0 / factor
    return next((full for full in _FULL if math.isclose(divisor, full, rel_tol=1e-6)), None)


def _whole(value: Value) -> list[Value]:
    """The arrays whose numbers are all in `value`, as far back as nothing is known of their size."""
    found: list[Value] = []
    for _ in range(_LONGEST):
        op = value.op
        if op is None or math.isfinite(value.interval.hi):
            break
        if op.name in _NO_DATA:
            return []
        found.append(value)
        if len(op.flow) != 1 or op.name in _PARTS or isinstance(given := op.arg(op.flow[0]), Items):
            break
        value = given
    return found


def _divided(value: Value, divisions: dict[int, tuple[Op, float]]) -> tuple[Op, float] | None:
    """The division of the array that `value` is, or is a part of; None where it is another array."""
    for _ in range(_LONGEST):
        op = value.op
        if id(value) in divisions:
            return divisions[id(value)]
        if op is None or len(op.flow) != 1 or op.name in ("join", "where"):
            break
        value = op.arg(op.flow[0])
    return None


def _arms(op: Op) -> set[tuple[int, int]]:
    """The branches that have to be taken to get to an op: each test with what stands in it."""
    found: set[tuple[int, int]] = set()
    places: list[tuple[Source, cst.CSTNode]] = [(op.source, op.node), *op.calls]
    for source, place in places:
        node, parent = place, source.parent(place)
        while parent is not None and not isinstance(parent, (cst.FunctionDef, cst.ClassDef)):
            if isinstance(parent, (cst.If, cst.IfExp)) and node is not parent.test:
                found.add((id(parent), id(node)))
            node, parent = parent, source.parent(parent)
    return found
