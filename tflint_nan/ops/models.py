"""Keras models: sequential, functional and subclassed; what compiling and fitting them says.

A model object keeps its placeholder(s) as attribute `input`, what it computes from them as `output`,
and the layers that are known as `layers`. A subclassed model is called to learn its output.
"""

from __future__ import annotations

from collections.abc import Sequence

from tflint_nan.ops.datasets import element_of
from tflint_nan.ops.handlers import at_argument, harmless, nothing, receiver, text, truth, unknown
from tflint_nan.ops.layers import activate, input_of
from tflint_nan.ops.losses import apply_loss
from tflint_nan.ops.optimizers import named
from tflint_nan.ops.replay import replay
from tflint_nan.ops.table import BASES, Call, Handler, Machine, api
from tflint_nan.value import (
    NONE,
    UNKNOWN,
    Const,
    Function,
    Items,
    Object,
    Table,
    Tensor,
    Value,
)


def sequential(machine: Machine, call: Call) -> Value:
    """`Sequential(layers)`."""
    model = machine.new("model", call, layers=Items((), "list"))
    layers = machine.elements(call.arg("layers"))
    if layers is None:
        if call.arg("layers").literal is not None:
            machine.set(model, "layers", Items((), "list", complete=False))
            machine.set(model, "output", UNKNOWN)
        return model
    for layer in layers:
        append(machine, model, layer)
    return model


def append(machine: Machine, model: Object, layer: Value) -> None:
    """`model.add(layer)`: the layer's ops follow the model's output."""
    layers, output = model.attrs.get("layers"), model.attrs.get("output")
    if isinstance(layers, Items):
        machine.set(model, "layers", Items((*layers.items, layer), "list", layers.complete))
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
    layers = model.attrs.get("layers")
    if not isinstance(layers, Items) or not layers.complete or not layers.items:
        machine.set(model, "output", UNKNOWN)
        return UNKNOWN
    machine.set(model, "layers", Items(layers.items[:-1], "list"))
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
    return NONE


def call_model(machine: Machine, call: Call) -> Value:
    """`model(x)`: what the model computes, from `x` instead of its placeholder."""
    model, x = receiver(call), call.arg("x")
    if model is None:
        return UNKNOWN
    inputs, output = model.attrs.get("input"), model.attrs.get("output")
    result = None if inputs is None or output is None else replay(machine, inputs, output, x)
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


def add_loss(machine: Machine, call: Call) -> Value:
    """`model.add_loss(term)`: minimised with the others."""
    machine.emit("add_loss", {"loss": call.arg("loss")}, call=call)
    return NONE


def same_model(machine: Machine, call: Call) -> Value:
    """A model of the same layers (`clone_model`, `multi_gpu_model`)."""
    return call.arg("model")


def compile_model(machine: Machine, call: Call) -> Value:
    """`model.compile(optimizer, loss, metrics)`: the loss of the model's output, and its minimisation."""
    model = receiver(call)
    if model is None:
        return NONE
    args = dict(call.args)
    weights = machine.elements(call.arg("loss_weights"))
    if weights and text(weights[0]) is not None:
        # Keras 2 takes the metrics third, Keras 3 the loss weights.
        args["metrics"], args["loss_weights"] = args.pop("loss_weights"), args.get("metrics", NONE)
    args.pop("self", None)
    optimizer = text(call.arg("optimizer"))
    if optimizer is not None:
        args["optimizer"] = named(machine, optimizer, at_argument(call, "optimizer"))
    if call.arg("loss").literal is not None:
        args["loss"] = _losses(
            machine, call.arg("loss"), output_of(machine, model), at_argument(call, "loss")
        )
    machine.emit("compile", {"model": model, **args}, call=call)
    return NONE


def _losses(machine: Machine, loss: Value, output: Value, place: Call) -> Value:
    """The loss of each output: one for all, or by order, key or the name of the output's layer."""
    outputs: Sequence[Value]
    keys: Sequence[object]
    if isinstance(output, Table):
        keys, outputs = list(output.items), list(output.items.values())
    else:
        elements = machine.elements(output)
        outputs = [output] if elements is None else list(elements)
        keys = [_layer_name(value) for value in outputs]
    chosen: list[Value]
    if isinstance(loss, Table):
        chosen = [loss.items.get(key, NONE) for key in keys]
        if len(outputs) == len(loss.items) == 1:
            chosen = list(loss.items.values())
    else:
        listed = machine.elements(loss)
        chosen = [loss] * len(outputs) if listed is None else list(listed)
    results = [
        apply_loss(machine, one, machine.emit("placeholder", {}, call=place), y_pred, call=place)
        for one, y_pred in zip(chosen, outputs, strict=False)
        if one.literal is not None
    ]
    return results[0] if len(results) == 1 else Items(tuple(results), "list")


def _layer_name(output: Value) -> object:
    layer = output.op.arg("layer") if output.op is not None else NONE
    return text(layer.config("name")) if isinstance(layer, Object) else None


def train(name: str) -> Handler:
    """`model.fit(...)` and the like: an op named `name` with the data.

    Of a dataset, `x` and `y` are what its elements consist of; the dataset itself is `dataset`.
    """

    def handler(machine: Machine, call: Call) -> Value:
        args = {key: value for key, value in call.args.items() if key != "self"}
        source = call.arg("x")
        element = element_of(machine, source) if isinstance(source, Object) else None
        if element is not None:
            parts = element.items if isinstance(element, Items) else (element,)
            args.update(zip(("x", "y", "sample_weight"), parts, strict=False), dataset=source)
        machine.emit(name, {"model": call.arg("self"), **args}, call=call)
        return UNKNOWN

    return handler


def predict(machine: Machine, call: Call) -> Value:
    """`model.predict(x)`: numbers in the range of the model's output."""
    model = receiver(call)
    output = UNKNOWN if model is None else model.attrs.get("output", UNKNOWN)
    args = {"model": call.arg("self"), "x": call.arg("x")}
    if isinstance(output, Tensor):
        return machine.emit("predict", {**args, "output": output}, call=call)
    machine.emit("predict", args, call=call)
    return UNKNOWN


def pretrained(machine: Machine, call: Call) -> Value:
    """`keras.applications.*`: softmax over the classes with the top, unknown features without."""
    model = machine.new("model", call)
    given = call.arg("input_tensor")
    x = given if isinstance(given, Tensor) else input_of(machine, model)
    features = machine.emit("unknown_call", {"0": x}, at=model.made)
    if truth(call.arg("include_top"), True) is True:
        units = Const(1000) if call.arg("classes") is NONE else call.arg("classes")
        logits = machine.emit("dense", {"x": features, "units": units}, at=model.made)
        activation = call.arg("classifier_activation")
        if "classifier_activation" not in call.args:
            activation = Const("softmax")
        features = activate(machine, activation, logits, model.made)
    machine.set(model, "input", x)
    machine.set(model, "output", features)
    return model


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
api("model.compile", compile_model, "self optimizer loss loss_weights metrics weighted_metrics run_eagerly")
api(
    "model.fit",
    train("fit"),
    "self x y batch_size epochs verbose callbacks validation_split validation_data shuffle class_weight "
    "sample_weight initial_epoch steps_per_epoch validation_steps validation_batch_size validation_freq",
)
api(
    "model.fit_generator",
    train("fit"),
    "self generator:x steps_per_epoch epochs verbose callbacks validation_data validation_steps",
)
api("model.train_on_batch", train("fit"), "self x y sample_weight class_weight")
api("model.evaluate", train("evaluate"), "self x y batch_size verbose sample_weight steps")
api("model.evaluate_generator", train("evaluate"), "self generator:x steps")
api("model.test_on_batch", train("evaluate"), "self x y sample_weight")
api("model.predict model.predict_generator", predict, "self x batch_size verbose steps")
api("model.predict_on_batch", predict, "self x")
api("model.predict_classes model.predict_proba", harmless, "self x batch_size verbose")
api(
    "model.summary model.save model.save_weights model.load_weights model.set_weights model.build",
    nothing,
    "self",
)
api("model.add_loss layer.add_loss", add_loss, "self loss")
api("keras.models.clone_model", same_model, "model input_tensors")
api("keras.utils.multi_gpu_model", same_model, "model gpus", removed="2.3")
api("model.get_layer", harmless, "self name index")

api("model.inputs", attribute("input"), "self")
api("model.outputs", attribute("output"), "self")

_TOP = "weights input_tensor input_shape pooling classes classifier_activation"
for _names, _signature in (
    (
        "VGG16 VGG19 ResNet50 ResNet101 ResNet152 ResNet50V2 ResNet101V2 ResNet152V2 InceptionV3 Xception "
        "InceptionResNetV2 DenseNet121 DenseNet169 DenseNet201 EfficientNetB0 EfficientNetB1 EfficientNetB2 "
        "EfficientNetB3 EfficientNetB4 EfficientNetB5 EfficientNetB6 EfficientNetB7",
        f"include_top {_TOP}",
    ),
    (
        "EfficientNetV2B0 EfficientNetV2B1 EfficientNetV2B2 EfficientNetV2B3 EfficientNetV2S EfficientNetV2M "
        "EfficientNetV2L",
        f"include_top {_TOP} include_preprocessing",
    ),
    (
        "ConvNeXtTiny ConvNeXtSmall ConvNeXtBase ConvNeXtLarge ConvNeXtXLarge",
        f"include_top include_preprocessing {_TOP}",
    ),
    (
        "MobileNet",
        "input_shape alpha depth_multiplier dropout include_top weights input_tensor pooling classes "
        "classifier_activation",
    ),
    (
        "MobileNetV2",
        "input_shape alpha include_top weights input_tensor pooling classes classifier_activation",
    ),
    (
        "MobileNetV3Small MobileNetV3Large",
        "input_shape alpha minimalistic include_top weights input_tensor classes pooling dropout_rate "
        "classifier_activation include_preprocessing",
    ),
    (
        "NASNetLarge NASNetMobile",
        "input_shape include_top weights input_tensor pooling classes classifier_activation",
    ),
):
    api(" ".join(f"keras.applications.{_name}" for _name in _names.split()), pretrained, _signature)
