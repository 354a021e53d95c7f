"""Library calls that choose: conditionals, and global settings."""

from __future__ import annotations

from tflint_nan.ops import policies
from tflint_nan.ops.table import Call, Machine
from tflint_nan.value import NONE, UNKNOWN, Const, Function, Method, Object, Symbol, Tensor, Unknown, Value

#: Keras' fuzz factor where no program changes it.
EPSILON = 1e-7


def branch(machine: Machine, side: Value) -> Value:
    """A branch's value: called where it is a function."""
    if isinstance(side, (Function, Symbol, Method)) or (isinstance(side, Object) and side.cls):
        return machine.call(side, [], {})
    return side


def joined(machine: Machine, call: Call, x: Value, y: Value) -> Value:
    """Either of two values: as an op where both are numeric, unknown where they differ in kind."""
    if x is y or y is NONE:
        return x
    if x is NONE:
        return y
    if all(isinstance(value, (Tensor, Unknown, Const)) for value in (x, y)):
        return machine.emit("join", {"0": x, "1": y}, call=call)
    return UNKNOWN


def cond(machine: Machine, call: Call) -> Value:
    """`cond(pred, true_fn, false_fn)`, which computes one side, and `switch(condition, x, y)`."""
    x, y = (branch(machine, call.arg(name)) for name in ("x", "y"))
    literal = call.arg("condition").literal
    if isinstance(literal, bool):
        return x if literal else y
    if isinstance(x, (Tensor, Const)) and isinstance(y, (Tensor, Const)):
        args = {"condition": call.arg("condition"), "x": x, "y": y}
        both = x is call.arg("x") and y is call.arg("y")
        return machine.emit("where" if both else "select", args, call=call)
    return joined(machine, call, x, y)


def phase(machine: Machine, call: Call) -> Value:
    """`in_train_phase(x, alt)`: one or the other."""
    return joined(machine, call, *(branch(machine, call.arg(name)) for name in ("x", "y")))


def epsilon(machine: Machine, call: Call) -> Value:
    """Keras' fuzz factor."""
    return Const(EPSILON)


def floatx(machine: Machine, call: Call) -> Value:
    """Keras' default format."""
    return policies.floatx(machine)


def learning_phase(machine: Machine, call: Call) -> Value:
    """Whether the model is being trained: either."""
    return Unknown()
