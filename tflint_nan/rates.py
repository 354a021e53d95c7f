"""Questions about learning rates: which number reaches an optimizer, and whether something tames it."""

from __future__ import annotations

import math

from tflint_nan.graph import Graph
from tflint_nan.training import flat, made_only_by
from tflint_nan.value import NONE, Object, Op, Value, sources


def rate(value: Value) -> float | None:
    """The learning rate that `value` is, or the least that it can be; of a schedule its peak.

    None where it is not known.
    """
    if made_only_by(value, "schedule"):
        return max((witness.value for witness in value.witnesses), default=None)
    lo = value.interval.lo
    return lo if math.isfinite(lo) else None


def replaced_rate(graph: Graph, optimizer: Op) -> bool:
    """True where the rate that the optimizer is made with is not the one it is used with.

    It is assigned later, or a callback of `fit` sets it.
    """
    made = optimizer.value
    if isinstance(made, Object) and made.attrs.keys() & {"learning_rate", "lr"}:
        return True
    models = [
        op.arg("model")
        for op in graph.ops("compile")
        if any(s is optimizer for s in sources(op.arg("optimizer")))
    ]
    callbacks = [
        callback
        for fit in graph.ops("fit")
        if any(fit.arg("model") is model for model in models)
        for callback in flat(fit.arg("callbacks"))
    ]
    return any(isinstance(c, Object) and c.api.endswith("LearningRateScheduler") for c in callbacks)


def clipped_by_norm(graph: Graph, optimizer: Op) -> bool:
    """True where the gradients that the optimizer applies have a bounded norm."""
    if any(optimizer.arg(name) is not NONE for name in ("clipnorm", "global_clipnorm", "clipvalue")):
        return True
    for step in graph.ops("apply_gradients"):
        if any(source is optimizer for source in sources(step.arg("optimizer"))):
            given = [op for source in sources(step.arg("gradients")) for op in source.value.producers()]
            if any(op.name in ("clip", "clip_by_norm") for op in given):
                return True
    return False
