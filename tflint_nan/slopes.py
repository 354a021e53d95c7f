"""Sigmoids and tanhs that start where they are flat, before a loss whose gradient does not make up for it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tflint_nan.architecture import biases, is_bias, is_linear_step, is_trained, kernel, layer_before
from tflint_nan.evidence import onward
from tflint_nan.graph import Graph
from tflint_nan.starts import Beginning, Sums, bias_start, drawn_in_a_row, sums_start
from tflint_nan.value import Op
from tflint_nan.weights import belongs, loaded

#: Steps past whose bounds no gradient comes back.
_CUTTING = ("clip", "maximum", "minimum")
#: So far from 0 the slope is no number any more.
_FAR = 350.0
#: What is left of a slope is less than what float32 rounds away, this many spreads nearer to 0 as well.
_NOTHING, _MARGIN = 2.0**-24, 4.0
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


def shut(graph: Graph) -> Iterator[tuple[Op, float, float]]:
    """Sigmoids and tanhs, behind one layer each, whose bias alone starts them where no gradient is left.

    What the layer sums up is taken to be spread as its kernel is for inputs near 1, and allowed four times
    that. A gate that starts closed (by a bias of -1 to -5), or the log odds of a rare class, has a gradient.

    Yields:
        as `flat`.
    """
    set_first = loaded(graph)
    for op in graph.ops("sigmoid", "tanh"):
        layer, steps = layer_before(op.arg("x"))
        if layer is None or not all(map(is_linear_step, steps)) or not is_trained(layer):
            continue
        if [step.name for step in steps if is_bias(step)] != ["add"][: len(biases(graph, layer))]:
            continue  # something else is added
        bias, sums = bias_start(graph, layer), sums_start(layer)
        if bias is None or sums is None or belongs(kernel(layer) or layer, set_first):
            continue
        nearest = abs(bias) - _MARGIN * sums
        if nearest <= 0 or _slope(op.name, nearest) >= _NOTHING or graph.differentiated(op) is not True:
            continue
        if not any(reader.name in _BY_LOG for reader in onward(graph, op, _keeps_all)):
            yield op, bias, _slope(op.name, bias)


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
    return 1 / math.cosh(min(abs(half), _FAR)) ** 2


def _keeps(step: Op) -> bool:
    return bool(step.flow) or step.name in ("add", "sub", "clip", "maximum", "minimum", "neg")


def _keeps_all(step: Op) -> bool:
    return step.name in ("add", "sub", "neg") or (bool(step.flow) and step.name not in _CUTTING)
