"""Layers of TensorFlow 1 as functions: `tf.layers`, `tf.contrib.layers`, slim, and RNN cells."""

from __future__ import annotations

import dataclasses

from tflint_nan.ops.handlers import unknown
from tflint_nan.ops.layers import APPLY, CONV, DENSE, DIVIDING, activate, emitter, layer
from tflint_nan.ops.loops import over_time
from tflint_nan.ops.table import BASES, CONSTANTS, Call, Handler, Machine, api
from tflint_nan.value import NONE, UNKNOWN, Const, Items, Object, Symbol, Value

RELU = Symbol("tf.nn.relu")
#: What a program's `arg_scope`s have changed is kept under this name, in an object of its own.
_SCOPED = "activation_fn"
CONSTANTS["tf.contrib.framework.arg_scopes"] = Object("arg_scopes", "tf.contrib.framework.arg_scopes")


def linear(operator: str, activation: Value = NONE) -> Handler:
    """A linear function of `x`, its normaliser and its activation.

    Args:
        operator: `dense` or `conv`.
        activation: the default activation; slim's layers have relu.
    """

    def handler(machine: Machine, call: Call) -> Value:
        args = {name: value for name, value in call.args.items() if name not in ("activation", "normalizer")}
        y = machine.emit(operator, args, call=call)
        made = y.op
        normalizer = call.arg("normalizer")
        if normalizer.literal is not None:
            y = machine.emit("batch_norm", {"x": y}, at=made)
        default = activation if call.complete else UNKNOWN
        if default is RELU and _SCOPED in _scope(machine).attrs:
            default = UNKNOWN
        return activate(machine, call.args.get("activation", default), y, made)

    return handler


def arg_scope(machine: Machine, call: Call) -> Value:
    """`slim.arg_scope([...], activation_fn=...)`: from here on the default activation is not known."""
    if not call.complete or call.extra.get("activation_fn", RELU) != RELU:
        machine.set(_scope(machine), _SCOPED, Const(True))
    return UNKNOWN


def _scope(machine: Machine) -> Object:
    found = machine.get(Symbol("tf.contrib.framework"), "arg_scopes")
    assert isinstance(found, Object)
    return found


def normalised(machine: Machine, call: Call) -> Value:
    """`slim.batch_norm(inputs, ..., activation_fn=None)`."""
    y = machine.emit("batch_norm", {"x": call.arg("x")}, call=call)
    return activate(machine, call.arg("activation"), y, y.op)


def as_layer(name: str) -> Handler:
    """A function that constructs the Keras layer `name` and calls it at once."""

    def handler(machine: Machine, call: Call) -> Value:
        config = {key: value for key, value in call.args.items() if key != "x"}
        made = machine.new("layer", dataclasses.replace(call, api=name, args=config))
        return APPLY[name](machine, made, call.arg("x"))

    return handler


def dropout(machine: Machine, call: Call) -> Value:
    """`slim.dropout(inputs, keep_prob)`."""
    kept = call.args.get("keep_prob", Const(0.5))
    return machine.emit("dropout", {"x": call.arg("x"), "keep_prob": kept}, call=call)


def one_hot(machine: Machine, call: Call) -> Value:
    """`slim.one_hot_encoding(labels, num_classes)`."""
    return machine.emit("one_hot", call.args, call=call)


def embedded(machine: Machine, call: Call) -> Value:
    """`tf.contrib.layers.embed_sequence(ids, ...)`: rows of a trained table."""
    return machine.emit("embedding", call.args, call=call)


#: `slim.repeat` with more repetitions than this is applied as often.
_MAX_REPEAT = 8


def repeated(machine: Machine, call: Call) -> Value:
    """`slim.repeat(inputs, n, layer, ...)`: the layer n times in a row."""
    x, count = call.arg("x"), call.arg("repetitions").literal
    for _ in range(min(count, _MAX_REPEAT) if isinstance(count, int) else 1):
        x = machine.call(call.arg("layer"), [x, *call.rest], call.extra)
    return x


def stacked(machine: Machine, call: Call) -> Value:
    """`slim.stack(inputs, layer, [a, b])`: the layer once with each of the arguments."""
    x, each = call.arg("x"), machine.elements(call.arg("stack_args"))
    for one in each or (UNKNOWN,):
        given = machine.elements(one)
        x = machine.call(call.arg("layer"), [x, *((one,) if given is None else given)], call.extra)
    return x


def run_cell(machine: Machine, call: Call) -> Value:
    """`tf.nn.dynamic_rnn(cell, inputs)`: outputs of the cell, and its state."""
    return Items((_cell_output(machine, call.arg("cell"), call), unknown(machine, call.arg("x"))))


def run_both(machine: Machine, call: Call) -> Value:
    """`tf.nn.bidirectional_dynamic_rnn(cell_fw, cell_bw, inputs)`: a pair of outputs, a pair of states."""
    outputs = Items(tuple(_cell_output(machine, call.arg(name), call) for name in ("cell", "cell_bw")))
    states = Items((unknown(machine, call.arg("x")), unknown(machine, call.arg("x"))))
    return Items((outputs, states))


def run_static(machine: Machine, call: Call) -> Value:
    """`tf.nn.static_rnn(cell, inputs)`: a list of outputs, and the state."""
    output = _cell_output(machine, call.arg("cell"), call)
    steps = machine.elements(call.arg("x"))
    count = 1 if steps is None else len(steps)
    outputs = Items((output,) * count, "list", complete=steps is not None)
    return Items((outputs, unknown(machine, call.arg("x"))))


def call_cell(machine: Machine, call: Call) -> Value:
    """`cell(inputs, state)`: the output and the new state."""
    return Items((_cell_output(machine, call.arg("self"), call), unknown(machine, call.arg("x"))))


def _cell_output(machine: Machine, cell: Value, call: Call) -> Value:
    """An `lstm`, `gru` or `rnn` op; a wrapped or stacked cell's is that of the (last) inner one."""
    x = call.arg("x")
    for _ in range(8):
        if not isinstance(cell, Object):
            break
        if cell.api in _CELLS:
            args = {"x": x, "layer": cell, "units": cell.config("units")}
            return machine.emit(_CELLS[cell.api], args, at=cell.made)
        if cell.cls is not None:
            return over_time(machine, call, cell, x)
        inner = cell.config("cells") if cell.config("cell") is NONE else cell.config("cell")
        listed = machine.elements(inner)
        cell = listed[-1] if listed else inner
    return unknown(machine, x, call=call)


def state_tuple(machine: Machine, call: Call) -> Value:
    """`LSTMStateTuple(c, h)`."""
    return Items((call.arg("c"), call.arg("h")))


def make_cell(machine: Machine, call: Call) -> Value:
    """An RNN cell."""
    return machine.new("cell", call)


api(
    "tf.contrib.framework.arg_scope tf.contrib.slim.arg_scope",
    arg_scope,
    "list_ops_or_scope",
    removed="1.15",
)

# tf.layers: functions, and classes of the same parameters.

_DENSE = "units activation use_bias kernel_initializer bias_initializer kernel_regularizer"
_CONV = "filters kernel_size strides padding data_format dilation_rate activation use_bias kernel_initializer"
_TRANSPOSE = "filters kernel_size strides padding data_format activation use_bias kernel_initializer"
_POOL = "pool_size strides padding data_format"
_SEPARABLE = "filters kernel_size strides padding data_format dilation_rate depth_multiplier activation"
api("tf.layers.dense", linear("dense"), f"inputs:x {_DENSE}", removed="2.15")
layer("tf.layers.Dense", DENSE, _DENSE, removed="2.15")
for _dim in ("1d", "2d", "3d"):
    api(f"tf.layers.conv{_dim}", linear("conv"), f"inputs:x {_CONV}", removed="2.15")
    layer(f"tf.layers.Conv{_dim.upper()}", CONV, _CONV, removed="2.15")
    api(
        f"tf.layers.max_pooling{_dim}",
        as_layer(f"keras.layers.MaxPooling{_dim.upper()}"),
        "inputs:x pool_size strides padding data_format",
        removed="2.15",
    )
    api(
        f"tf.layers.average_pooling{_dim}",
        as_layer(f"keras.layers.AveragePooling{_dim.upper()}"),
        "inputs:x pool_size strides padding data_format",
        removed="2.15",
    )
for _dim in ("2d", "3d"):
    api(f"tf.layers.conv{_dim}_transpose", linear("conv"), f"inputs:x {_TRANSPOSE}", removed="2.15")
for _dim in ("1d", "2d"):
    api(f"tf.layers.separable_conv{_dim}", linear("conv"), f"inputs:x {_SEPARABLE}", removed="2.15")
for _name, _class, _signature in (
    ("Conv2DTranspose", CONV, _TRANSPOSE),
    ("Conv3DTranspose", CONV, _TRANSPOSE),
    ("SeparableConv1D", CONV, _SEPARABLE),
    ("SeparableConv2D", CONV, _SEPARABLE),
    *((f"MaxPooling{_dim}D", emitter("max_pool"), _POOL) for _dim in "123"),
    *((f"AveragePooling{_dim}D", emitter("avg_pool"), _POOL) for _dim in "123"),
):
    layer(f"tf.layers.{_name}", _class, _signature, removed="2.15")
BASES["tf.layers.Layer"] = "layer"
api("tf.layers.flatten", as_layer("keras.layers.Flatten"), "inputs:x name data_format", removed="2.15")
layer("tf.layers.Flatten", emitter("flatten"), "data_format", removed="2.15")
api("tf.layers.dropout", as_layer("keras.layers.Dropout"), "inputs:x rate noise_shape seed", removed="2.15")
layer("tf.layers.Dropout", emitter("dropout", "rate"), "rate noise_shape seed", removed="2.15")
api(
    "tf.layers.batch_normalization",
    as_layer("keras.layers.BatchNormalization"),
    "inputs:x axis momentum epsilon center scale",
    removed="2.15",
)
layer(
    "tf.layers.BatchNormalization",
    emitter("batch_norm"),
    "axis momentum epsilon center scale",
    removed="2.15",
)
DIVIDING.add("tf.layers.BatchNormalization")

# tf.contrib.layers and slim.

_NORMAL = "activation_fn:activation normalizer_fn:normalizer normalizer_params weights_initializer"


def _slim(names: str, handler: Handler, signature: str) -> None:
    both = [f"tf.contrib.{module}.{name}" for module in ("layers", "slim") for name in names.split()]
    api(" ".join(both), handler, signature, removed="1.15")


_slim("fully_connected", linear("dense", RELU), f"inputs:x num_outputs:units {_NORMAL}")
_slim("linear", linear("dense"), "inputs:x num_outputs:units")
api(
    "tf.contrib.layers.relu",
    linear("dense", RELU),
    "inputs:x num_outputs:units",
    removed="1.15",
)
_slim(
    "conv2d convolution convolution2d conv1d conv3d",
    linear("conv", RELU),
    f"inputs:x num_outputs:filters kernel_size stride padding data_format rate {_NORMAL}",
)
_slim(
    "conv2d_transpose convolution2d_transpose",
    linear("conv", RELU),
    f"inputs:x num_outputs:filters kernel_size stride padding data_format {_NORMAL}",
)
_slim(
    "separable_conv2d separable_convolution2d",
    linear("conv", RELU),
    "inputs:x num_outputs:filters kernel_size depth_multiplier stride padding data_format rate "
    "activation_fn:activation normalizer_fn:normalizer",
)
_slim(
    "batch_norm",
    normalised,
    "inputs:x decay center scale epsilon activation_fn:activation",
)
_slim("layer_norm", normalised, "inputs:x center scale activation_fn:activation")
_slim("max_pool2d", as_layer("keras.layers.MaxPooling2D"), "inputs:x kernel_size stride padding data_format")
_slim(
    "avg_pool2d", as_layer("keras.layers.AveragePooling2D"), "inputs:x kernel_size stride padding data_format"
)
_slim("max_pool3d", as_layer("keras.layers.MaxPooling3D"), "inputs:x kernel_size stride padding data_format")
_slim(
    "avg_pool3d", as_layer("keras.layers.AveragePooling3D"), "inputs:x kernel_size stride padding data_format"
)
_slim("instance_norm group_norm", normalised, "inputs:x")
_slim("unit_norm", as_layer("keras.layers.UnitNormalization"), "inputs:x dim epsilon scope")
_slim("one_hot_encoding", one_hot, "labels:x num_classes:depth on_value off_value")
_slim("bias_add", linear("dense"), "inputs:x activation_fn:activation")
_slim("embed_sequence", embedded, "ids:x vocab_size:input_dim embed_dim:output_dim")
_slim("repeat", repeated, "inputs:x repetitions layer")
_slim("stack", stacked, "inputs:x layer stack_args")
for _name, _activation in (("relu6", "tf.nn.relu6"), ("elu", "tf.nn.elu")):
    api(
        f"tf.contrib.layers.{_name}",
        linear("dense", Symbol(_activation)),
        "inputs:x num_outputs:units",
        removed="1.15",
    )
_slim("flatten", as_layer("keras.layers.Flatten"), "inputs:x outputs_collections scope")
_slim("dropout", dropout, "inputs:x keep_prob noise_shape is_training")
_slim("softmax", as_layer("keras.layers.Softmax"), "logits:x scope")

# RNN cells.

_CELLS: dict[str, str] = {}


def _cell(stem: str, operator: str, signature: str) -> None:
    for module, removed in (("tf.nn.rnn_cell", "2.15"), ("tf.contrib.rnn", "1.15")):
        api(f"{module}.{stem}", make_cell, signature, removed=removed)
        BASES[f"{module}.{stem}"] = "cell"
        if operator:
            _CELLS[f"{module}.{stem}"] = operator


def _contrib_cell(stem: str, operator: str, signature: str) -> None:
    api(f"tf.contrib.rnn.{stem}", make_cell, signature, removed="1.15")
    BASES[f"tf.contrib.rnn.{stem}"] = "cell"
    if operator:
        _CELLS[f"tf.contrib.rnn.{stem}"] = operator


_cell("BasicLSTMCell", "lstm", "num_units:units forget_bias state_is_tuple activation")
_cell("LSTMCell", "lstm", "num_units:units use_peepholes cell_clip initializer num_proj")
_cell("GRUCell", "gru", "num_units:units activation reuse")
_cell("BasicRNNCell", "rnn", "num_units:units activation reuse")
_cell("RNNCell", "", "")
_cell("MultiRNNCell", "", "cells state_is_tuple")
_cell("DropoutWrapper", "", "cell input_keep_prob output_keep_prob")
_cell("DeviceWrapper", "", "cell device")
_cell("ResidualWrapper", "", "cell residual_fn")
for _name, _operator, _signature in (
    ("LSTMBlockCell", "lstm", "num_units:units forget_bias cell_clip use_peephole"),
    ("LayerNormBasicLSTMCell", "lstm", "num_units:units forget_bias input_size activation"),
    ("CoupledInputForgetGateLSTMCell", "lstm", "num_units:units use_peepholes"),
    ("GRUBlockCell", "gru", "num_units:units"),
    ("GRUBlockCellV2", "gru", "num_units:units"),
    ("OutputProjectionWrapper", "dense", "cell output_size:units activation"),
    ("InputProjectionWrapper", "", "cell num_proj activation"),
    ("AttentionCellWrapper", "", "cell attn_length"),
):
    _contrib_cell(_name, _operator, _signature)
for _module, _removed in (("tf.nn.rnn_cell", "2.15"), ("tf.contrib.rnn", "1.15")):
    api(f"{_module}.LSTMStateTuple", state_tuple, "c h", removed=_removed)
api("tf.nn.dynamic_rnn", run_cell, "cell inputs:x sequence_length initial_state dtype")
api("tf.nn.static_rnn", run_static, "cell inputs:x initial_state dtype")
api("tf.contrib.rnn.static_rnn", run_static, "cell inputs:x initial_state dtype", removed="1.15")
api(
    "tf.nn.bidirectional_dynamic_rnn",
    run_both,
    "cell_fw:cell cell_bw inputs:x sequence_length",
)
api("cell.__call__", call_cell, "self inputs:x state scope")
