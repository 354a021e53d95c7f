"""Sigmoids and tanhs that start where they are flat, before a loss whose gradient does not make up for it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tflint_nan.architecture import is_linear_step, layer_before
from tflint_nan.evidence import onward
from tflint_nan.graph import Graph
from tflint_nan.starts import Beginning, Sums, drawn_in_a_row
from tflint_nan.value import Op

#: Steps past whose bounds no gradient comes back.
_CUTTING = ("clip", "maximum", "minimum")
#: Losses whose gradient does not shrink with the slope of the sigmoid that they are given.
_BY_LOG = ("log", "log1p", "binary_crossentropy", "binary_focal_crossentropy")


def flat(graph: Graph, limit: float) -> Iterator[tuple[Op, float, float]]:
    """Sigmoids and tanhs whose slope starts under `limit` of its largest for every input that is fed.

    Yields:
        (op, what it is given that is nearest to 0, its slope there as a share of the slope at 0).
    """
    beginning = Beginning(graph)
    for op in graph.ops("sigmoid", "tanh"):
        low = beginning.of(op.arg("x"))
        nearest = max(low.lo, -low.hi)
        slope = _slope(op.name, nearest)
        if nearest <= 0 or slope >= limit or not graph.differentiated(op):
            continue
        if op.arg("x").made_by("variable"):
            continue  # a gate or mask that starts open
        if not any(reader.name in _BY_LOG for reader in onward(graph, op, _keeps)):
            yield op, nearest if low.lo > 0 else -nearest, slope


def grown(graph: Graph, limit: float) -> Iterator[tuple[Op, list[Sums]]]:
    """Sigmoids that start further than `limit` from 0, behind layers that make sums grow."""
    for op in graph.ops("sigmoid"):
        layer, steps = layer_before(op.arg("x"))
        row = drawn_in_a_row(layer) if layer is not None and all(map(is_linear_step, steps)) else []
        if len(row) < 2 or row[-1].size <= limit or not graph.differentiated(op):
            continue
        if not any(reader.name in _BY_LOG for reader in onward(graph, op, _keeps_all)):
            yield op, row


def _slope(name: str, z: float) -> float:
    """The slope at `z` as a share of the slope at 0."""
    half = z / 2 if name == "sigmoid" else z
    return 1 - math.tanh(half) ** 2


def _keeps(step: Op) -> bool:
    return bool(step.flow) or step.name in ("add", "sub", "clip", "maximum", "minimum", "neg")


def _keeps_all(step: Op) -> bool:
    return step.name in ("add", "sub", "neg") or (bool(step.flow) and step.name not in _CUTTING)
