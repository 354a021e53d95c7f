"""What calling a layer emits.

Constructing a layer makes an object of kind `layer`; calling it emits its operations, which stand at
the constructor. A layer that is not modelled computes an unknown value.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from tflint_nan.ops.configuration import applied
from tflint_nan.ops.handlers import number, receiver, sequence, text, truth, unknown
from tflint_nan.ops.points import integer
from tflint_nan.ops.table import APIS, BASES, Call, Machine, api
from tflint_nan.value import NONE, UNKNOWN, Const, Items, Object, Op, Symbol, Table, Unknown, Value

Apply = Callable[[Machine, Object, Value], Value]
#: API name of a layer class -> what calling the layer emits.
APPLY: dict[str, Apply] = {}


def layer(names: str, apply: Apply, signature: str, *, removed: str | None = None) -> None:
    """Declare layer classes: the constructor's parameters in order, and what a call emits."""
    api(names, make, signature, removed=removed)
    for name in names.split():
        APPLY[name] = apply
        BASES[name] = "layer"


def make(machine: Machine, call: Call) -> Value:
    """A layer object; its keyword arguments that no parameter names (`input_shape`) are kept too."""
    args = {**call.extra, **call.args}
    return machine.new("layer", dataclasses.replace(call, args=args))


def call_layer(machine: Machine, call: Call) -> Value:
    """`layer(x)`."""
    made, x = receiver(call), call.arg("x")
    if made is None:
        return UNKNOWN
    if made.api == "keras.layers.InputLayer":
        return x
    apply = APPLY.get(made.api)
    if apply is None or made.cls is not None:
        return unknown(machine, x, at=made.made)
    return apply(machine, made, x)


def activate(machine: Machine, activation: Value, x: Value, at: Op | None) -> Value:
    """The activation of a layer, by name, symbol, layer or function, standing at `at`."""
    name = activation.literal
    if name is None or name == "linear":
        return x
    if isinstance(name, str):
        activation = Symbol(f"keras.activations.{name.lower()}")
        if activation.name not in APIS:
            return unknown(machine, x, at=at)
    if isinstance(activation, Symbol) and activation.name in APIS:
        target = APIS[activation.name]
        if isinstance(target.target, str):
            args = {**target.fixed, target.params[0][1]: x}
            if at is not None and isinstance(at.value, Object):
                args["layer"] = at.value
            return machine.emit(target.target, args, at=at)
    if isinstance(activation, Unknown):
        return unknown(machine, x, at=at)
    return machine.call(activation, [x], {})


def identified(machine: Machine, call: Call) -> Value:
    """`keras.activations.get("relu")`: the function; what is no name is returned as it is."""
    name = call.arg("identifier").literal
    if name is None:
        return Symbol("keras.activations.linear")
    return Symbol(f"keras.activations.{name.lower()}") if isinstance(name, str) else call.arg("identifier")


def emitter(name: str, *arguments: str) -> Apply:
    """A layer that is one operation of `x`, with the constructor's `arguments` that are given."""

    def apply(machine: Machine, layer: Object, x: Value) -> Value:
        args: dict[str, Value] = {"x": x, "layer": layer}
        for argument in arguments:
            if layer.config(argument) is not NONE:
                args[argument] = layer.config(argument)
        return machine.emit(name, args, at=layer.made)

    return apply


def activated(linear: Apply) -> Apply:
    """A layer that ends with its own `activation`."""

    def apply(machine: Machine, layer: Object, x: Value) -> Value:
        return activate(machine, layer.config("activation"), linear(machine, layer, x), layer.made)

    return apply


def same(machine: Machine, layer: Object, x: Value) -> Value:
    """A layer that hands its input on."""
    return x


def opaque(machine: Machine, layer: Object, x: Value) -> Value:
    """A layer whose result is not known."""
    return unknown(machine, x, at=layer.made)


def relu(machine: Machine, layer: Object, x: Value) -> Value:
    """`ReLU`, as plain relu, leaky, or clipped to `max_value`."""
    slope, top = number(layer.config("negative_slope")), layer.config("max_value")
    threshold = layer.config("threshold")
    if threshold is not NONE and number(threshold) != 0:
        return unknown(machine, x, at=layer.made)
    if layer.config("negative_slope") is NONE or slope == 0:
        y = machine.emit("relu", {"x": x, "layer": layer}, at=layer.made)
    else:
        args = {"x": x, "alpha": layer.config("negative_slope"), "layer": layer}
        y = machine.emit("leaky_relu", args, at=layer.made)
    return y if top is NONE else machine.emit("minimum", {"x": y, "y": top}, at=layer.made)


def fold(name: str) -> Apply:
    """A merging layer: a binary operation over its inputs from the left."""

    def apply(machine: Machine, layer: Object, x: Value) -> Value:
        return folded(machine, name, x, layer.made)

    return apply


def folded(machine: Machine, name: str, inputs: Value, at: Op | None) -> Value:
    """`((a name b) name c)` for the inputs of a merging layer."""
    values = machine.elements(inputs)
    if not values:
        return unknown(machine, inputs, at=at)
    result = values[0]
    for value in values[1:]:
        result = machine.emit(name, {"x": result, "y": value}, at=at)
    return result


def average(machine: Machine, inputs: Value, at: Op | None) -> Value:
    """The mean of several tensors, element by element."""
    count = len(machine.elements(inputs) or ())
    total = folded(machine, "add", inputs, at)
    return machine.emit("div", {"x": total, "y": Const(count)}, at=at) if count else total


def dot(machine: Machine, inputs: Value, normalize: Value, at: Op | None) -> Value:
    """The products of two tensors along an axis; cosines where `normalize`."""
    values = machine.elements(inputs)
    if values is None or len(values) != 2:
        return unknown(machine, inputs, at=at)
    x, y = values
    if truth(normalize, False) is not False:
        x, y = (machine.emit("l2_normalize", {"x": value}, at=at) for value in values)
    return machine.emit("tensordot", {"x": x, "y": y}, at=at)


def concat(machine: Machine, inputs: Value, axis: Value, at: Op | None) -> Value:
    """Several tensors as one, along the last axis where none is given."""
    args = {"values": inputs, "axis": Const(-1) if axis is NONE else axis}
    return machine.emit("concat", args, at=at)


def recurrent(name: str) -> Apply:
    """A recurrent layer; with `return_state` the output and its states."""
    states = {"lstm": 2, "gru": 1, "rnn": 1}[name]

    def apply(machine: Machine, layer: Object, x: Value) -> Value:
        inputs = machine.elements(x)
        y = emitter(name, "units", "activation")(machine, layer, inputs[0] if inputs else x)
        if truth(layer.config("return_state"), False) is False:
            return y
        return Items((y, *(unknown(machine, y, at=layer.made) for _ in range(states))))

    return apply


def over_cell(machine: Machine, layer: Object, x: Value) -> Value:
    """`RNN(cell)`: what the (last) cell gives."""
    cells = sequence(machine, layer.config("cell"))
    cell = cells[-1] if cells else NONE
    if isinstance(cell, Object) and cell.api.endswith("StackedRNNCells"):
        cells = sequence(machine, cell.config("cells"))
        cell = cells[-1] if cells else NONE
    if not isinstance(cell, Object) or cell.cls is not None or cell.api not in APPLY:
        return unknown(machine, x, at=layer.made)
    y = APPLY[cell.api](machine, cell, x)
    whole = truth(layer.config("return_state"), False) is False
    return y if whole else Items((y,), complete=False)


def bidirectional(machine: Machine, layer: Object, x: Value) -> Value:
    """Two runs of the wrapped layer, merged."""
    forward = machine.call(layer.config("layer"), [x], {})
    second = layer.config("backward_layer")
    backward = machine.call(layer.config("layer") if second is NONE else second, [x], {})
    mode = text(layer.config("merge_mode")) or "concat"
    if isinstance(forward, Items) or isinstance(backward, Items):
        return UNKNOWN
    both = Items((forward, backward))
    if mode == "concat":
        return concat(machine, both, NONE, layer.made)
    if mode == "ave":
        return average(machine, both, layer.made)
    return folded(machine, {"sum": "add", "mul": "mul"}.get(mode, "unknown_call"), both, layer.made)


def wrapper(machine: Machine, layer: Object, x: Value) -> Value:
    """A layer that applies another one to each step, or with other weights."""
    return machine.call(layer.config("layer"), [x], {})


def function(machine: Machine, layer: Object, x: Value) -> Value:
    """`Lambda`: the function, with the keyword arguments that the layer keeps for it."""
    arguments = layer.config("arguments")
    kwargs = {}
    if isinstance(arguments, Table):
        kwargs = {key: value for key, value in arguments.items.items() if isinstance(key, str)}
    return machine.call(layer.config("function"), [x], kwargs)


def dropout(machine: Machine, layer: Object, x: Value) -> Value:
    """`Dropout(rate)`; with rate 0 nothing happens."""
    if number(layer.config("rate")) == 0:
        return x
    return emitter("dropout", "rate")(machine, layer, x)


def reshape(machine: Machine, layer: Object, x: Value) -> Value:
    """`Reshape(target_shape)`: the batch stays."""
    shape = batched(layer.config("target_shape"), Const(-1))
    return machine.emit("reshape", {"x": x, "shape": shape, "layer": layer}, at=layer.made)


def permute(machine: Machine, layer: Object, x: Value) -> Value:
    """`Permute(dims)`: axes are counted from 1, the batch stays."""
    dims = layer.config("dims")
    order = Items((Const(0), *dims.items)) if isinstance(dims, Items) else UNKNOWN
    return machine.emit("transpose", {"x": x, "perm": order, "layer": layer}, at=layer.made)


def encoding(machine: Machine, layer: Object, x: Value) -> Value:
    """`CategoryEncoding`: zeros and ones, unless it counts."""
    if text(layer.config("output_mode")) == "count":
        return unknown(machine, x, at=layer.made)
    args = {"x": x, "depth": layer.config("num_tokens")}
    return machine.emit("one_hot", args, at=layer.made)


def placeholder_of(machine: Machine, call: Call) -> Value:
    """`Input(shape)`: a placeholder with an unknown batch."""
    args = dict(call.args)
    whole = args.pop("batch_shape", NONE)
    if whole is not NONE:
        args["shape"] = whole
    elif "shape" in args:
        args["shape"] = batched(args["shape"], args.get("batch_size", NONE))
    return machine.emit("placeholder", args, call=call)


def batched(shape: Value, batch: Value = NONE) -> Value:
    """A shape without its batch, with it: of unknown length where `batch` is None."""
    if isinstance(shape, Items):
        return Items((batch, *shape.items), "tuple", shape.complete)
    return Items((batch, shape)) if integer(shape) is not None else UNKNOWN


def input_of(machine: Machine, first: Value) -> Value:
    """A placeholder with the input shape that a model's first layer declares."""
    args: dict[str, Value] = {}
    if isinstance(first, Object) and first.cls is None:
        if first.config("batch_input_shape") is not NONE:
            args["shape"] = first.config("batch_input_shape")
        elif first.config("batch_shape") is not NONE:
            args["shape"] = first.config("batch_shape")
        elif first.config("input_shape") is not NONE:
            args["shape"] = batched(first.config("input_shape"))
        elif first.config("shape") is not NONE:
            args["shape"] = batched(first.config("shape"))
        elif integer(first.config("input_dim")) is not None and not first.api.endswith("Embedding"):
            args["shape"] = Items((NONE, first.config("input_dim")))
    return machine.emit("placeholder", args, at=first.op)


def add_weight(machine: Machine, call: Call) -> Value:
    """`self.add_weight(...)`: a variable. Keras 2 takes the name first, Keras 3 the shape."""
    args = dict(call.args)
    if text(call.arg("shape")) is not None:
        args["shape"] = args.pop("initial_value", UNKNOWN)
    if "constraint" in args:
        args["constraint"] = applied(machine, args["constraint"], call)
    return machine.emit("variable", args, call=call)


DENSE = activated(emitter("dense", "units"))
CONV = activated(emitter("conv", "filters"))
