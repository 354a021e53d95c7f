"""The mask that Keras hands on with the output of a layer: which steps of a sequence are no padding."""

from __future__ import annotations

from tflint_nan.ops.table import Machine
from tflint_nan.value import Const, Items, Object, Op, Value

#: Ops of layers that hand the mask of their input on (`supports_masking`).
_HANDING_ON = frozenset({"dropout", "noise", "batch_norm", "layer_norm", "dense"})
#: Layers that do so where they return a whole sequence.
_RECURRENT = frozenset({"lstm", "gru", "rnn"})
#: How many layers a mask is followed through.
_MANY = 64


def mask_of(machine: Machine, x: Value) -> Value | None:
    """What Keras gives as `mask` to a layer that is called with `x`; None where it gives none.

    It is made where ids are looked up by an `Embedding` with `mask_zero`: True where an id is not 0. What is
    no layer's operation loses it.
    """
    op = x.op
    for _ in range(_MANY):
        if op is None or not op.api.startswith("keras.layers."):
            return None
        layer = op.arg("layer")
        if op.name == "embedding":
            masks = isinstance(layer, Object) and layer.config("mask_zero").literal is True
            return machine.emit("not_equal", {"x": op.arg("x"), "y": Const(0)}, at=op) if masks else None
        op = _input(op, layer)
    return None


def _input(op: Op, layer: Value) -> Op | None:
    """The op whose mask the output of `op` has."""
    whole = isinstance(layer, Object) and layer.config("return_sequences").literal is True
    if op.name in _HANDING_ON or (op.name in _RECURRENT and whole):
        return op.arg("x").op
    values = op.arg("values")
    if op.api == "keras.layers.Bidirectional" and isinstance(values, Items) and values.items:
        return values.items[0].op
    return None
