"""Constants that TensorFlow adds to each other first: which epsilon is lost in that, and in which programs.

In a graph (`tf.function`, `fit`, a session, XLA) TensorFlow 2 computes `(1 - p) + c` as `(1 + c) - p`:
`ConstantPushDown` in `grappler/optimizers/constant_folding.cc` pushes the constants together.
"""

from __future__ import annotations

from tflint_nan.evidence import Guard, is_epsilon, library, number
from tflint_nan.graph import Graph
from tflint_nan.interval import round_to
from tflint_nan.value import Op, Value


def lost_epsilon(graph: Graph, value: Value) -> Guard | None:
    """The epsilon in a value that another constant swallows when the two are added first."""
    op, dtype = value.op, value.dtype
    if op is None or op.name not in ("add", "sub"):
        return None
    for name, other in (("y", "x"), ("x", "y")):
        given, inner = number(op.arg(name)), op.arg(other).op
        if given is None or not is_epsilon(given) or inner is None:
            continue
        # What else takes the inner sum keeps the two apart.
        if _constant(inner) is not None and len(graph.consumers(inner)) == 1:
            if not loses(op.arg(other), given, dtype) or library(op) == "np":
                return None
            return Guard(op, "merged", name, given, round_to(given, dtype))
    return None


def loses(value: Value, given: float, dtype: str | None) -> bool:
    """Whether `value` is a sum with a constant in which `given` is lost when the two are added first."""
    whole = None if value.op is None else _constant(value.op)
    return whole is not None and (
        round_to(whole + given, dtype) == round_to(whole, dtype) == round_to(whole - given, dtype)
    )


def _constant(op: Op) -> float | None:
    """The number that a sum or a difference is made with."""
    if op.name not in ("add", "sub"):
        return None
    return next((n for n in (number(v) for v in op.args.values()) if n), None)


def may_run_as_written(graph: Graph, op: Op) -> bool:
    """Whether constants may stay apart: in old releases of TensorFlow 1, and where no graph is made.

    None is made where a tape records the training and nothing is seen that compiles it.
    """
    taped = any(made.arg("taped").literal for made in graph.ops("gradients"))
    op_by_op = taped and not any(graph.ops("traced", "compile", "feed"))
    return graph.is_for_v1(op.source) or op_by_op
