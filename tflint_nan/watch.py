"""Questions about what looks for NaN while a program trains: its own tests, and callbacks of `fit`."""

from __future__ import annotations

import libcst as cst

from tflint_nan.descent import is_trained
from tflint_nan.graph import Graph, is_lost
from tflint_nan.training import ancestors
from tflint_nan.value import NONE, Const, Items, Object, Op, Value

_TESTS = ("is_nan", "is_finite", "is_inf", "check_numerics")
#: Functions that look at their operand for NaN, and are no tests of tensors.
_CHECKS = frozenset({"tf.check_numerics", "tf.debugging.check_numerics", "tf.verify_tensor_all_finite"})
_CHECKS |= {"math.isnan", "math.isfinite", "math.isinf", "tf.add_check_numerics_ops"}
#: Callbacks that end a training at a NaN, or run functions of the program.
_STOPPING = ("keras.callbacks.TerminateOnNaN", "keras.callbacks.LambdaCallback")


def looks_for_nan(graph: Graph) -> bool:
    """Whether the program tests, anywhere, numbers that it trains, or everything."""
    if any(op.api == "tf.train.NanTensorHook" for op in graph.ops("hook")):
        return True
    tests = [
        *graph.ops(*_TESTS),
        *(op for op in graph.ops("equal", "not_equal") if op.arg("x").op is op.arg("y").op is not None),
        *(op for op in graph.ops("identity", "unknown_call") if op.api in _CHECKS),
    ]
    tested = [op.arg("0" if op.name == "unknown_call" else "x") for op in tests]
    # Without an operand it is all tensors.
    return any(x is NONE or is_lost(x) or is_trained(x) or _is_given(x) for x in tested)


def _is_given(x: Value) -> bool:
    """Whether a value is made of what a function gets from callers that are not seen."""
    return any(op.name == "parameter" for op in ancestors(x).values())


def callbacks(fit: Op) -> list[Value] | None:
    """The callbacks of a `fit`, None where they are not all known."""
    given = fit.arg("callbacks")
    if not isinstance(fit.node, cst.Call) or any(arg.star == "**" for arg in fit.node.args):
        return None
    if isinstance(given, Items):
        return list(given.items) if given.complete else None
    return [] if isinstance(given, Const) else [given]


def may_stop(callback: Value) -> bool:
    """Whether a callback ends the training at a NaN, or may: one that is not of Keras does what it wants."""
    if not isinstance(callback, Object) or callback.kind != "callback" or callback.cls is not None:
        return True
    return callback.api in _STOPPING
