"""How Keras trains a model: what `compile` says of its losses and metrics, and the data of `fit`.

A model that is compiled keeps its losses as attribute `compiled_loss`, an object that stands where they
were given, so that a `train_step` of the program's own applies them as Keras would.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tflint_nan.ops.datasets import element_of
from tflint_nan.ops.handlers import at_argument, harmless, receiver, text, unknown
from tflint_nan.ops.losses import apply_loss
from tflint_nan.ops.models import output_of
from tflint_nan.ops.optimizers import named
from tflint_nan.ops.table import Call, Handler, Machine, api
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
    if "optimizer" in args:
        machine.set(model, "optimizer", args["optimizer"])
    metrics = list(_functions(machine, args.get("metrics", NONE)))
    if call.arg("loss").literal is not None:
        place = dataclasses.replace(at_argument(call, "loss"), args={"loss": call.arg("loss")})
        given = machine.new("compiled_loss", place)
        machine.set(model, "compiled_loss", given)
        machine.set(model, "loss", call.arg("loss"))
        if not any(isinstance(machine.get(model, name), Function) for name in ("train_step", "compute_loss")):
            output = output_of(machine, model)
            args["loss"] = losses(machine, given, UNKNOWN, output)
            _measure(machine, metrics, output, at_argument(call, "metrics"))
            metrics = []
    if metrics and model.cls is None:
        _measure(machine, metrics, output_of(machine, model), at_argument(call, "metrics"))
    machine.emit("compile", {"model": model, **args}, call=call)
    return NONE


def _functions(machine: Machine, metrics: Value) -> Sequence[Value]:
    """The program's own metrics: functions, and objects of its classes."""
    whole = list(metrics.items.values()) if isinstance(metrics, Table) else machine.elements(metrics)
    return [
        one
        for one in ([metrics] if whole is None else whole)
        if isinstance(one, Function) or (isinstance(one, Object) and one.cls is not None)
    ]


def _measure(machine: Machine, metrics: Sequence[Value], output: Value, place: Call) -> None:
    """Call each metric with the model's output; nothing takes what it returns."""
    outputs = machine.elements(output)
    if outputs is not None and len(outputs) == 1:
        output = outputs[0]
    if not isinstance(output, Tensor):
        return
    for metric in metrics:
        labels = machine.emit("placeholder", {}, call=place)
        update = machine.get(metric, "update_state") if isinstance(metric, Object) else metric
        machine.call(update, [labels, output], {})


def losses(machine: Machine, given: Object, labels: Value, output: Value) -> Value:
    """The loss of each output: one for all, or by order, key or the name of the output's layer.

    The ops stand where the loss was given, labels that are not known among them.
    """
    at, loss = given.made, given.config("loss")
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
    targets = machine.elements(labels) if len(outputs) > 1 else [labels]
    if targets is None or len(targets) != len(outputs):
        targets = [UNKNOWN] * len(outputs)
    results = []
    for one, target, prediction in zip(chosen, targets, outputs, strict=False):
        if one.literal is not None:
            target = machine.emit("labels", {"name": Const("y_true")}, at=at) if target is UNKNOWN else target
            results.append(apply_loss(machine, one, target, prediction, at=at))
    return results[0] if len(results) == 1 else Items(tuple(results), "list")


def _layer_name(output: Value) -> object:
    layer = output.op.arg("layer") if output.op is not None else NONE
    return text(layer.config("name")) if isinstance(layer, Object) else None


def loss_of_model(machine: Machine, call: Call) -> Value:
    """`self.compiled_loss(y, y_pred)`, `self.compute_loss(x, y, y_pred)`: the losses that `compile` got."""
    model = receiver(call)
    given = None if model is None else model.attrs.get("compiled_loss", model)
    if not isinstance(given, Object) or given.kind != "compiled_loss":
        return machine.emit("unknown_call", {"0": call.arg("y_pred")}, call=call)
    return _total(machine, given, call.arg("y_true"), call.arg("y_pred"))


def _total(machine: Machine, given: Object, labels: Value, output: Value) -> Value:
    """The sum of the losses of all outputs."""
    result = losses(machine, given, labels, output)
    parts = machine.elements(result)
    if not parts:
        return result
    total = parts[0]
    for part in parts[1:]:
        total = machine.emit("add", {"x": total, "y": part}, at=given.made)
    return total


def called(machine: Machine, call: Call) -> Value:
    """`self.compiled_loss(y, y_pred)`, of the object that `compile` made."""
    given = receiver(call)
    return UNKNOWN if given is None else _total(machine, given, call.arg("y_true"), call.arg("y_pred"))


def train_step(machine: Machine, call: Call) -> Value:
    """`super().train_step(data)`: the loss of the model's output, minimised."""
    model = receiver(call)
    given = None if model is None else model.attrs.get("compiled_loss")
    if model is not None and isinstance(given, Object):
        loss = losses(machine, given, UNKNOWN, output_of(machine, model))
        optimizer = model.attrs.get("optimizer", UNKNOWN)
        machine.emit("minimize", {"optimizer": optimizer, "loss": loss}, at=given.made)
    return UNKNOWN


def add_loss(machine: Machine, call: Call) -> Value:
    """`model.add_loss(term)`: minimised with the others, and one of `model.losses`."""
    given, owner = call.arg("loss"), receiver(call)
    loss = machine.call(given, [], {}) if isinstance(given, Function) else given
    machine.emit("add_loss", {"loss": loss}, call=call)
    if owner is not None:
        before = owner.attrs.get("losses")
        terms = before.items if isinstance(before, Items) else ()
        machine.set(owner, "losses", Items((*terms, loss), "list", complete=False))
    return NONE


def add_metric(machine: Machine, call: Call) -> Value:
    """`model.add_metric(value, name)`: shown, and nothing else."""
    machine.emit("metric", {"y_pred": call.arg("value")}, call=call)
    return NONE


def compiled_metrics(machine: Machine, call: Call) -> Value:
    """`self.compiled_metrics`: an object with `update_state`."""
    return machine.new("metric", call)


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
        if name == "fit":
            _step(machine, call, UNKNOWN if element is None else element)
        return UNKNOWN

    return handler


def _step(machine: Machine, call: Call, element: Value) -> None:
    """One step of `fit` where the program's model has its own, or its own loss: with what a dataset yields.

    Of arrays it gets batches, in a tuple or not, as the version of Keras has it: these are not known.
    """
    model = receiver(call)
    if model is None:
        return
    step, own = machine.get(model, "train_step"), machine.get(model, "compute_loss")
    given = [call.arg(part) for part in ("x", "y") if part in call.args]
    if isinstance(step, Function):
        batch = unknown(machine, *given, call=call) if element is UNKNOWN else element
        machine.call(step, [batch], {})
    elif isinstance(own, Function):
        parts: Sequence[Value] = element.items if isinstance(element, Items) else (element, NONE)
        if element is UNKNOWN:
            parts = [unknown(machine, *given, call=call) for _ in range(2)]
        batches = dict(zip(("x", "y"), parts, strict=False))
        loss = machine.call(own, [], {**batches, "y_pred": output_of(machine, model)})
        optimizer = model.attrs.get("optimizer", UNKNOWN)
        machine.emit("minimize", {"optimizer": optimizer, "loss": loss}, call=call)


def predict(machine: Machine, call: Call) -> Value:
    """`model.predict(x)`: numbers in the range of the model's output."""
    model = receiver(call)
    output = UNKNOWN if model is None else model.attrs.get("output", UNKNOWN)
    args = {"model": call.arg("self"), "x": call.arg("x")}
    if isinstance(output, Tensor):
        return machine.emit("predict", {**args, "output": output}, call=call)
    machine.emit("predict", args, call=call)
    return UNKNOWN


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
api("model.add_loss layer.add_loss", add_loss, "self loss")
api("model.add_metric layer.add_metric", add_metric, "self value name aggregation")
api("model.compute_loss", loss_of_model, "self x y:y_true y_pred sample_weight")
api("model.compiled_loss", loss_of_model, "self y_true y_pred sample_weight regularization_losses")
api("model.compiled_metrics", compiled_metrics, "self")
api("model.compute_metrics", harmless, "self x y y_pred sample_weight")
api("model.train_step", train_step, "self data")
api("model.test_step model.predict_step", harmless, "self data")
api("compiled_loss.__call__", called, "self y_true y_pred sample_weight regularization_losses")
