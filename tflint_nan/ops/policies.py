"""Dtype policies: the format in which a Keras layer keeps its weights, and the one in which it computes.

The policy in force where a layer is made is the layer's, unless its own `dtype` says another. A layer gets
its floating arguments in the format it computes in, so what it computes has that format, too. Measured with
Keras 3.15 (`tests/test_policies.py`).
"""

from __future__ import annotations

import dataclasses
from typing import Protocol

from tflint_nan.interval import FORMATS
from tflint_nan.ops.points import dtype_named
from tflint_nan.ops.table import CONSTANTS, Call, Machine, api
from tflint_nan.value import (
    NONE,
    UNKNOWN,
    Const,
    Format,
    Items,
    Object,
    OneOf,
    Op,
    Symbol,
    Table,
    Tensor,
    Value,
)

_PROGRAM = "keras.mixed_precision"
CONSTANTS[f"{_PROGRAM}.in_force"] = Object("policies", f"{_PROGRAM}.in_force")
#: The attribute in which a layer or model keeps the name of its policy.
OWN = "dtype_policy"
_AUTOCAST = "autocast"
#: Kinds of what has a policy.
GOVERNED = frozenset({"layer", "model"})
_FLOATS = frozenset(FORMATS)
#: The formats that have fewer digits or a smaller range than a program is written for.
REDUCED = frozenset({"float16", "bfloat16"})
#: Policy -> the format of everything but the weights, which are in float32.
_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}
#: Layers that take what they are given as it is: numbers of rows are not rounded.
_AS_GIVEN = frozenset({"keras.layers.Embedding", "keras.layers.InputLayer"})


class Holder(Protocol):
    """What tells the state of the program that is read."""

    def get(self, receiver: Value, name: str) -> Value:
        """`receiver.name`."""


def _program(machine: Holder) -> Object:
    """What holds for the whole program: an object whose attributes branches write and join."""
    found = machine.get(Symbol(_PROGRAM), "in_force")
    assert isinstance(found, Object)
    return found


def in_force(machine: Holder) -> Value:
    """The name of the policy of what is made next; `NONE` where the program has set none."""
    attrs = _program(machine).attrs
    return _mode(attrs.get("policy", attrs.get("floatx", NONE)))


def _mode(policy: Value) -> Value:
    """Of policies that a test chooses from, the one beside the default: the program has a mode run so."""
    if not isinstance(policy, OneOf):
        return policy
    others = [choice for choice in policy.choices if choice.literal != "float32"]
    return others[0] if len(others) == 1 else policy


def floatx(machine: Holder) -> Value:
    """Keras' default format, which layers have where no policy is set."""
    return _program(machine).attrs.get("floatx", Const("float32"))


def restore(machine: Machine, policy: Value) -> None:
    """Put the policy back that `in_force` told."""
    if in_force(machine) is not policy:
        machine.set(_program(machine), "policy", policy)


def policy_of(made: Object) -> str | None:
    """The name of the policy of a layer or model, None where it has the default or it is not known."""
    own = _own(made)
    return own.literal if isinstance(own.literal, str) else None


def _own(made: Object) -> Value:
    return made.attrs.get(OWN) or made.config("dtype")


def compute_dtype(made: Value) -> str | None:
    """The floating format in which a layer or model computes, None where nothing says it."""
    return computed_under(_own(made)) if isinstance(made, Object) else None


def computed_under(policy: Value) -> str | None:
    """The floating format in which layers of a policy compute, None where it is not known."""
    mixed = _MIXED.get(policy.literal) if isinstance(policy.literal, str) else None
    found = mixed or dtype_named(policy, "tf.")
    return found if found in FORMATS else None


def received(machine: Machine, made: Object, value: Value) -> Value:
    """An argument as `call` gets it: floating tensors, in containers too, in the format of the layer."""
    dtype = compute_dtype(made)
    given = made.attrs.get(_AUTOCAST, NONE).literal is False or made.api in _AS_GIVEN
    if dtype is None or given:
        return value
    return _stored(machine, value, Format(dtype, made.made), _FLOATS, made.made if made.cls is None else None)


def in_full(machine: Machine, value: Value) -> Value:
    """An argument of a loss, which Keras computes in float32 whatever the policy of the model is."""
    return _stored(machine, value, Const("float32"), REDUCED, None)


def _stored(machine: Machine, value: Value, dtype: Const, formats: frozenset[str], at: Op | None) -> Value:
    """A value with its tensors of these formats in another; the casts stand at `at`, else at the call."""
    if isinstance(value, Tensor):
        if value.dtype == dtype.literal or value.dtype not in formats:
            return value
        return machine.emit("cast", {"x": value, "dtype": dtype}, at=at)
    if isinstance(value, Items):
        items = tuple(_stored(machine, item, dtype, formats, at) for item in value.items)
        changed = any(new is not old for new, old in zip(items, value.items, strict=True))
        return dataclasses.replace(value, items=items) if changed else value
    if isinstance(value, Table):
        table = {key: _stored(machine, item, dtype, formats, at) for key, item in value.items.items()}
        changed = any(table[key] is not value.items[key] for key in table)
        return dataclasses.replace(value, items=table) if changed else value
    return value


def set_policy(machine: Machine, call: Call) -> Value:
    """`set_global_policy("mixed_float16")`."""
    policy = _mode(call.arg("policy"))
    machine.emit("policy", {"name": policy}, call=call)
    machine.set(_program(machine), "policy", policy)
    return NONE


def set_floatx(machine: Machine, call: Call) -> Value:
    """`set_floatx("float16")`: the policy, where none is set."""
    machine.emit("policy", {"name": call.arg("value")}, call=call)
    machine.set(_program(machine), "floatx", call.arg("value"))
    return NONE


def named(machine: Machine, call: Call) -> Value:
    """`Policy("mixed_float16")`: its name stands for it."""
    return call.arg("name")


def current(machine: Machine, call: Call) -> Value:
    """`global_policy()`: the one in force, by its name."""
    found = in_force(machine)
    return UNKNOWN if found is NONE else found


def computed(machine: Machine, call: Call) -> Value:
    """`layer.compute_dtype`."""
    dtype = compute_dtype(call.arg("self"))
    return UNKNOWN if dtype is None else Format(dtype, call.arg("self").op)


def initialise(machine: Machine, call: Call) -> Value:
    """`super().__init__(dtype=...)` of a project's layer or model."""
    made = call.arg("self")
    for name, attribute in (("dtype", OWN), ("autocast", _AUTOCAST)):
        value = call.extra.get(name, NONE)
        if isinstance(made, Object) and value.literal is not None:
            machine.set(made, attribute, value)
    return NONE


api(
    "keras.mixed_precision.set_global_policy keras.mixed_precision.set_dtype_policy "
    "keras.config.set_dtype_policy",
    set_policy,
    "policy",
)
api("keras.mixed_precision.experimental.set_policy", set_policy, "policy", removed="2.10")
api("keras.backend.set_floatx keras.config.set_floatx", set_floatx, "value")
api(
    "keras.mixed_precision.Policy keras.DTypePolicy keras.dtype_policies.DTypePolicy",
    named,
    "name",
)
api("keras.mixed_precision.experimental.Policy", named, "name loss_scale", removed="2.10")
api(
    "keras.mixed_precision.global_policy keras.mixed_precision.dtype_policy keras.config.dtype_policy",
    current,
    "",
)
api("keras.mixed_precision.experimental.global_policy", current, "", removed="2.10")
api("layer.compute_dtype model.compute_dtype", computed, "self")
api("layer.__init__", initialise, "self")
