"""Small questions that the handlers of this package put to values and calls."""

from __future__ import annotations

import dataclasses

from tflint_nan.interval import FORMATS
from tflint_nan.ops.points import dtype_named
from tflint_nan.ops.policies import compute_dtype
from tflint_nan.ops.table import Call, Machine
from tflint_nan.value import NONE, UNKNOWN, Const, Object, Op, Value


def number(value: Value) -> float | None:
    """The one number that `value` is, None where it is not known or not a number."""
    if isinstance(value, Const):
        return value.number
    interval = value.interval
    return interval.lo if interval.is_point else None


def text(value: Value) -> str | None:
    """The string that `value` is, None where it is not known or no string."""
    found = value.literal
    return found if isinstance(found, str) else None


def truth(value: Value, default: bool | None = None) -> bool | None:
    """True or False where `value` is a known literal, `default` where it is None, else None."""
    found = value.literal
    if found is None:
        return default
    return bool(found) if isinstance(found, (bool, int, float, str)) else None


def float_dtype(op: Op, *names: str) -> str | None:
    """The floating format of what `op` computes: its `dtype` (or its layer's), else that of the arguments."""
    layer = op.arg("layer")
    own = compute_dtype(layer) if isinstance(layer, Object) else dtype_named(op.arg("dtype"))
    for dtype in (own, *(op.arg(name).dtype for name in names)):
        if dtype in FORMATS:
            return dtype
    return None


def sequence(machine: Machine, value: Value) -> list[Value]:
    """The elements of a known list or tuple; the value itself, alone, where it is none."""
    found = machine.elements(value)
    return [value] if found is None else list(found)


def at_argument(call: Call, name: str) -> Call:
    """A call without arguments that stands at the argument `name` of `call`."""
    node = call.nodes.get(name, call.node)
    return dataclasses.replace(call, args={}, node=node, nodes={}, rest=(), extra={})


def unknown(machine: Machine, *values: Value, at: Op | None = None, call: Call | None = None) -> Value:
    """What a call that is not modelled gives for these arguments."""
    return machine.emit("unknown_call", {str(i): v for i, v in enumerate(values)}, at=at, call=call)


def harmless(machine: Machine, call: Call) -> Value:
    """A call with a result that nothing is known of."""
    return UNKNOWN


def nothing(machine: Machine, call: Call) -> Value:
    """A call for its effect, which returns None."""
    return NONE


def receiver(call: Call) -> Object | None:
    """The object whose method is called."""
    found = call.arg("self")
    return found if isinstance(found, Object) else None
