"""Keras models: sequential, functional and subclassed; what compiling and fitting them says.

A model object keeps its placeholder(s) as attribute `input`, what it computes from them as `output`,
and the layers that are known as `layers`. A subclassed model is called to learn its output.
"""

from __future__ import annotations

from tflint_nan.ops import policies
from tflint_nan.ops.handlers import nothing, receiver, text, unknown
from tflint_nan.ops.layers import input_of
from tflint_nan.ops.points import integer
from tflint_nan.ops.replay import MAX_REPLAY, replay
from tflint_nan.ops.table import BASES, Call, Handler, Machine, api
from tflint_nan.value import (
    NONE,
    UNKNOWN,
    Const,
    Function,
    Items,
    Object,
    Op,
    Table,
    Tensor,
    Value,
    sources,
)


def sequential(machine: Machine, call: Call) -> Value:
    """`Sequential(layers)`."""
    model = machine.new("model", call, stack=Items((), "list"))
    layers = machine.elements(call.arg("layers"))
    if layers is None:
        if call.arg("layers").literal is not None:
            machine.set(model, "stack", Items((), "list", complete=False))
            machine.set(model, "output", UNKNOWN)
        return model
    for layer in layers:
        append(machine, model, layer)
    return model


def append(machine: Machine, model: Object, layer: Value) -> None:
    """`model.add(layer)`: the layer's ops follow the model's output."""
    layers, output = model.attrs.get("stack"), model.attrs.get("output")
    if isinstance(layers, Items):
        machine.set(model, "stack", Items((*layers.items, layer), "list", layers.complete))
    if output is None:
        if isinstance(layer, Tensor):
            machine.set(model, "input", layer)
            machine.set(model, "output", layer)
            return
        inner = layer.attrs.get("input") if isinstance(layer, Object) and layer.cls is None else None
        if isinstance(inner, Tensor):
            output = machine.emit("placeholder", inner.made.args, at=layer.op)
        else:
            output = input_of(machine, layer)
        machine.set(model, "input", output)
    if output.op is not None:
        output = machine.call(layer, [output], {})
    machine.set(model, "output", output)


def add(machine: Machine, call: Call) -> Value:
    """`model.add(layer)`."""
    model = receiver(call)
    if model is not None:
        append(machine, model, call.arg("layer"))
    return NONE


def pop(machine: Machine, call: Call) -> Value:
    """`model.pop()`: the last layer goes, and with it what it computed."""
    model = receiver(call)
    if model is None:
        return UNKNOWN
    layers = model.attrs.get("stack")
    if not isinstance(layers, Items) or not layers.complete or not layers.items:
        machine.set(model, "output", UNKNOWN)
        return UNKNOWN
    machine.set(model, "stack", Items(layers.items[:-1], "list"))
    output = model.attrs.get("input", UNKNOWN)
    for layer in layers.items[:-1]:
        if not isinstance(layer, Tensor):
            output = machine.call(layer, [output], {})
    machine.set(model, "output", output)
    return layers.items[-1]


def functional(machine: Machine, call: Call) -> Value:
    """`Model(inputs, outputs)`."""
    model = machine.new("model", call)
    connect(machine, model, call)
    return model


def connect(machine: Machine, model: Object, call: Call) -> None:
    """Keep the inputs and outputs that a functional model's constructor gives."""
    if call.arg("outputs") is NONE:
        return
    for name in ("input", "output"):
        machine.set(model, name, call.arg(f"{name}s"))


def initialise(machine: Machine, call: Call) -> Value:
    """`super().__init__(...)` of a project's model class; of a sequential one, with its layers."""
    model = receiver(call)
    if model is not None:
        layers = machine.elements(call.arg("inputs")) if call.arg("outputs") is NONE else None
        for layer in layers or ():
            append(machine, model, layer)
        connect(machine, model, call)
    return policies.initialise(machine, call)


def call_model(machine: Machine, call: Call) -> Value:
    """`model(x)`: what the model computes, from `x` instead of its placeholder."""
    model, x = receiver(call), call.arg("x")
    if model is None:
        return UNKNOWN
    inputs, output = model.attrs.get("input"), model.attrs.get("output")
    if inputs is None or output is None:
        return unknown(machine, x, call=call)
    # A sequential model takes what its layers take.
    result = replay(machine, inputs, output, x, checked="stack" not in model.attrs)
    return unknown(machine, x, call=call) if result is None else result


def output_of(machine: Machine, model: Object) -> Value:
    """What the model computes from its (or fresh) placeholders."""
    output = model.attrs.get("output")
    if model.cls is None:
        return UNKNOWN if output is None else output
    if isinstance(output, (Tensor, Items, Table)):
        return output
    # What is trained is what the model computes in training.
    method = machine.get(model, "call")
    takes = isinstance(method, Function) and "training" in parameters(method)
    switch = {"training": Const(True)} if takes else {}
    return machine.call(model, [machine.emit("placeholder", {}, at=model.op)], switch)


def parameters(function: Function) -> list[str]:
    """The names of a function's parameters."""
    params = function.node.params
    return [param.name.value for param in (*params.posonly_params, *params.params, *params.kwonly_params)]


def layers_of(machine: Machine, model: Object) -> list[Value] | None:
    """The layers of a model in order: as a sequential model got them, or as its output was computed.

    None where one of them is not known. Inputs are placeholders, which a sequential model does not count.
    """
    stack = model.attrs.get("stack")
    if isinstance(stack, Items):
        stacked: list[Value] = [layer for layer in stack.items if isinstance(layer, Object)]
        return stacked if stack.complete and model.cls is None else None
    output, ends = model.attrs.get("output", UNKNOWN), model.attrs.get("input", UNKNOWN)
    starts = {source.serial for source in sources(ends)}
    seen: dict[int, Op] = {}
    todo = list(sources(output))
    while todo and len(seen) <= MAX_REPLAY:
        op = todo.pop()
        if op.serial not in seen:
            seen[op.serial] = op
            if op.serial not in starts:
                todo.extend(source for value in op.args.values() for source in sources(value))
    found: dict[int, Value] = {}
    for serial in sorted(seen):
        op = seen[serial]
        layer: Value = op.value if serial in starts else op.arg("layer")
        if isinstance(layer, (Tensor, Object)):
            found.setdefault(id(layer), layer)
    return list(found.values()) or None


def layers(machine: Machine, call: Call) -> Value:
    """`model.layers`."""
    model = receiver(call)
    found = None if model is None else layers_of(machine, model)
    return Items((), "list", complete=False) if found is None else Items(tuple(found), "list")


def weights(machine: Machine, call: Call) -> Value:
    """`model.trainable_variables`: a list whose elements come from the model."""
    return Items((unknown(machine, call.arg("self"), call=call),), "list", complete=False)


def set_weights(machine: Machine, call: Call) -> Value:
    """`model.load_weights(path)`, `layer.set_weights(arrays)`: from here on, weights have other numbers."""
    machine.emit("set_weights", dict(call.args), call=call)
    return NONE


def get_layer(machine: Machine, call: Call) -> Value:
    """`model.get_layer(name)`, `model.get_layer(index=i)`."""
    model = receiver(call)
    found = None if model is None else layers_of(machine, model)
    index, name = integer(call.arg("index")), text(call.arg("name"))
    if found is None:
        return UNKNOWN
    if index is not None:
        return found[index] if -len(found) <= index < len(found) else UNKNOWN
    named = [one for one in found if isinstance(one, Object) and text(one.config("name")) == name]
    return named[0] if name is not None and len(named) == 1 else UNKNOWN


def same_model(machine: Machine, call: Call) -> Value:
    """A model of the same layers (`clone_model`, `multi_gpu_model`)."""
    return call.arg("model")


def attribute(name: str) -> Handler:
    """A model's `inputs` or `outputs`: a list, whatever the model was made of."""

    def handler(machine: Machine, call: Call) -> Value:
        model = receiver(call)
        found = UNKNOWN if model is None else model.attrs.get(name, UNKNOWN)
        return Items((found,), "list") if isinstance(found, Tensor) else found

    return handler


BASES |= dict.fromkeys(
    (
        "keras.Model",
        "keras.models.Model",
        "keras.Sequential",
        "keras.models.Sequential",
    ),
    "model",
)
api("keras.Sequential keras.models.Sequential", sequential, "layers trainable name")
api("keras.Model keras.models.Model", functional, "inputs outputs name input:inputs output:outputs")
api("model.__init__", initialise, "self inputs outputs name")
api("model.__call__", call_model, "self inputs:x training mask")
api("model.add", add, "self layer")
api("model.pop", pop, "self")
api("model.summary model.save model.save_weights model.build", nothing, "self")
api("model.load_weights", set_weights, "self filepath:path")
api("model.set_weights layer.set_weights", set_weights, "self weights:x")
api("keras.models.clone_model", same_model, "model input_tensors")
api("keras.utils.multi_gpu_model", same_model, "model gpus", removed="2.3")

api("model.get_layer", get_layer, "self name index")
api("model.layers", layers, "self")
api("model.inputs", attribute("input"), "self")
api("model.outputs", attribute("output"), "self")
api(
    "model.trainable_variables model.trainable_weights model.variables model.weights "
    "layer.trainable_variables layer.trainable_weights layer.variables layer.weights",
    weights,
    "self",
)
