"""What calling a layer emits.

Constructing a layer makes an object of kind `layer`; calling it emits its operations, which stand at
the constructor. A layer that is not modelled computes an unknown value.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from tflint_nan.interval import FORMATS
from tflint_nan.ops.configuration import applied
from tflint_nan.ops.handlers import number, receiver, sequence, text, truth, unknown
from tflint_nan.ops.points import dtype_named, integer
from tflint_nan.ops.policies import compute_dtype, received
from tflint_nan.ops.table import APIS, BASES, Call, Machine, api
from tflint_nan.value import NONE, UNKNOWN, Const, Items, Object, Op, Symbol, Table, Tensor, Unknown, Value

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


#: Layers whose call takes tensors besides its input: keys and values, states.
SEVERAL: set[str] = set()
#: Layers that are one step of a recurrence: the call gives the output and the new states.
CELLS: set[str] = set()
#: Layers that divide by a deviation which they measure, kept off 0 by their `epsilon` alone.
DIVIDING: set[str] = set()
_COMPANIONS = ("value", "key", "initial_state", "states")


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
    if made.api in SEVERAL:
        x = _companions(call)
    x = received(machine, made, x)
    y = apply(machine, made, x)
    if made.api in CELLS:
        y = Items((y, Items((unknown(machine, y, at=made.made),), "list", complete=False)))
    if truth(call.extra.get("return_attention_scores", NONE), False):
        args = {"x": y, "dropout": made.config("dropout")}
        y = Items((y, machine.emit("attention_scores", args, at=made.made)))
    # What `layer.output` is, of the first call: a layer that is shared has none.
    for name, value in (("input", call.arg("x")), ("output", y)):
        if name not in made.attrs:
            machine.set(made, name, value)
    return y


def _companions(call: Call) -> Value:
    """The input with the keys, values or states that the call gives as well."""
    x = call.extra.get("query", NONE) if call.arg("x") is NONE else call.arg("x")
    positional = (call.arg("training"), call.arg("mask"))
    more: list[Value] = [value for value in positional if isinstance(value, (Tensor, Items, Unknown))]
    more += [call.extra[name] for name in _COMPANIONS if name in call.extra]
    return Items((x, *more)) if more else x


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


def dot(machine: Machine, inputs: Value, axes: Value, normalize: Value, at: Op | None) -> Value:
    """The products of two tensors along an axis; cosines where `normalize`."""
    values = machine.elements(inputs)
    if values is None or len(values) != 2:
        return unknown(machine, inputs, at=at)
    along = axes.items if isinstance(axes, Items) and len(axes.items) == 2 else (axes, axes)
    x, y = values
    if truth(normalize, False) is not False:
        x, y = (
            machine.emit("l2_normalize", {"x": value, "axis": axis}, at=at)
            for value, axis in zip(values, along, strict=True)
        )
    return machine.emit("tensordot", {"x": x, "y": y, "axes": Items(along)}, at=at)


def concat(machine: Machine, inputs: Value, axis: Value, at: Op | None) -> Value:
    """Several tensors as one, along the last axis where none is given."""
    args = {"values": inputs, "axis": Const(-1) if axis is NONE else axis}
    return machine.emit("concat", args, at=at)


def projected_attention(machine: Machine, layer: Object, x: Value) -> Value:
    """`MultiHeadAttention(...)(query, value)`: it ends with a linear projection, as wide as the query is."""
    query, *others = sequence(machine, x)
    args: dict[str, Value] = {"x": query, "layer": layer}
    if query.shape and layer.config("output_shape") is NONE:
        args["units"] = Const(query.shape[-1])
    if others:
        args["value"] = Items(tuple(others))
    return machine.emit("dense", args, at=layer.made)


def attention(machine: Machine, layer: Object, x: Value) -> Value:
    """`Attention()([query, value])`: means of the values."""
    given = sequence(machine, x)
    if len(given) < 2:
        return unknown(machine, x, at=layer.made)
    args = {"x": given[0], "value": given[1], "layer": layer}
    if len(given) > 2:
        args["key"] = given[2]
    if layer.config("dropout") is not NONE:
        args["dropout"] = layer.config("dropout")
    return machine.emit("attend", args, at=layer.made)


def recurrent(name: str) -> Apply:
    """A recurrent layer; with `return_state` the output and its states."""
    states = {"lstm": 2, "gru": 1, "rnn": 1}[name]

    def apply(machine: Machine, layer: Object, x: Value) -> Value:
        first, *start = sequence(machine, x)
        args: dict[str, Value] = {"x": first, "layer": layer}
        args.update({n: layer.config(n) for n in ("units", "activation") if layer.config(n) is not NONE})
        if start:
            args["state"] = Items(tuple(start))
        y = machine.emit(name, args, at=layer.made)
        if truth(layer.config("return_state"), False) is False:
            return y
        return Items((y, *(unknown(machine, y, at=layer.made) for _ in range(states))))

    return apply


def stacked(machine: Machine, layer: Object, x: Value) -> Value:
    """`StackedRNNCells(cells)`: each cell steps with what the one before gives."""
    for cell in sequence(machine, layer.config("cells")):
        x = stepped(machine, cell, x)
    return x


def stepped(machine: Machine, cell: Value, x: Value) -> Value:
    """What a cell gives for its input, without its states."""
    if isinstance(cell, Object) and cell.cls is None and cell.api in CELLS:
        return APPLY[cell.api](machine, cell, x)
    result = machine.call(cell, [x, UNKNOWN], {})
    return result.items[0] if isinstance(result, Items) and result.items else result


def over_cell(machine: Machine, layer: Object, x: Value) -> Value:
    """`RNN(cell)`, `RNN([cells])`: what the (last) cell gives."""
    x, *_ = sequence(machine, x)
    for cell in sequence(machine, layer.config("cell")):
        x = stepped(machine, cell, x)
    whole = truth(layer.config("return_state"), False) is False
    return x if whole else Items((x,), complete=False)


def bidirectional(machine: Machine, layer: Object, x: Value) -> Value:
    """Two runs of the wrapped layer, merged; with its states behind, where it returns them."""
    second = layer.config("backward_layer")
    runs = [
        sequence(machine, machine.call(inner, [x], {}))
        for inner in (layer.config("layer"), layer.config("layer") if second is NONE else second)
    ]
    mode = text(layer.config("merge_mode")) or "concat"
    both = Items(tuple(run[0] for run in runs if run))
    if mode == "concat":
        merged = concat(machine, both, NONE, layer.made)
    elif mode == "ave":
        merged = average(machine, both, layer.made)
    else:
        merged = folded(machine, {"sum": "add", "mul": "mul"}.get(mode, "unknown_call"), both, layer.made)
    states = [state for run in runs for state in run[1:]]
    return Items((merged, *states)) if states else merged


def distributed(machine: Machine, layer: Object, x: Value) -> Value:
    """`TimeDistributed(layer)`: the layer of every step, as if the steps were examples."""
    if not x.shape or len(x.shape) < 3:
        return machine.call(layer.config("layer"), [x], {})
    steps = machine.emit("reshape", {"x": x, "shape": _sizes(None, *x.shape[2:])}, at=layer.made)
    y = machine.call(layer.config("layer"), [steps], {})
    if not isinstance(y, Tensor) or not y.shape:
        return y
    return machine.emit("reshape", {"x": y, "shape": _sizes(*x.shape[:2], *y.shape[1:])}, at=layer.made)


def _sizes(*lengths: int | None) -> Value:
    return Items(tuple(Const(-1 if length is None else length) for length in lengths))


def in_turn(machine: Machine, layer: Object, x: Value) -> Value:
    """`Pipeline(layers)`: each layer of what the one before gives."""
    layers = machine.elements(layer.config("layers"))
    if layers is None:
        return unknown(machine, x, at=layer.made)
    for one in layers:
        x = machine.call(one, [x], {})
    return x


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


def placeholder_of(machine: Machine, call: Call) -> Value:
    """`Input(shape)`: a placeholder with an unknown batch."""
    if call.arg("tensor") is not NONE:
        return call.arg("tensor")
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
    kept, computed = dtype_named(call.arg("dtype")), compute_dtype(call.arg("self"))
    if kept in FORMATS and computed not in (None, kept):
        del args["dtype"]  # read in `call`, it has another format
    if "constraint" in args:
        args["constraint"] = applied(machine, args["constraint"], call)
    return machine.emit("variable", args, call=call)


DENSE = activated(emitter("dense", "units"))
CONV = activated(emitter("conv", "filters"))
