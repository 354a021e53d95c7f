"""Losses of TensorFlow 1: functions that also put what they compute into a collection.

`get_total_loss()` is the sum of what the program has computed so far, and of the regularizers.
"""

from __future__ import annotations

import math

from tflint_nan.interval import NON_NEGATIVE, Interval
from tflint_nan.ops.handlers import truth
from tflint_nan.ops.table import CONSTANTS, Call, Facts, Handler, Machine, api, operator
from tflint_nan.value import NONE, Const, Items, Object, Op, Symbol, Value

_COLLECTION = "tf.contrib.losses.collection"
CONSTANTS[_COLLECTION] = Object("losses", _COLLECTION)


def collection(machine: Machine) -> Object:
    """What the program keeps under names: attributes of one object."""
    found = machine.get(Symbol("tf.contrib.losses"), "collection")
    assert isinstance(found, Object)
    return found


def _collected(machine: Machine) -> tuple[Value, ...]:
    losses = collection(machine).attrs.get("losses")
    return losses.items if isinstance(losses, Items) else ()


def _collect(machine: Machine, call: Call, loss: Value) -> None:
    if "loss_collection" not in call.args or call.arg("loss_collection") is not NONE:
        machine.set(collection(machine), "losses", Items((*_collected(machine), loss), "list"))


def collected(name: str) -> Handler:
    """A loss that joins the collection, unless the call asks for none."""

    def handler(machine: Machine, call: Call) -> Value:
        loss = machine.emit(name, call.args, call=call)
        _collect(machine, call, loss)
        return loss

    return handler


def weighted(machine: Machine, call: Call) -> Value:
    """`compute_weighted_loss(losses, weights)`: the mean over what has a weight."""
    loss = machine.emit("weighted_mean", call.args, call=call)
    _collect(machine, call, loss)
    return loss


@operator("weighted_mean")
def _weighted_mean(op: Op) -> Facts:
    """The products of losses and weights, reduced somehow; 0 where every weight is 0."""
    x, weights = op.arg("x"), op.arg("weights")
    weights = Const(1.0) if weights is NONE else weights
    signs = {math.copysign(1.0, a) * math.copysign(1.0, b) for a in _ends(x) for b in _ends(weights)}
    interval = Interval(-math.inf if -1.0 in signs else 0.0, math.inf if 1.0 in signs else 0.0)
    return Facts(interval, dtype=x.dtype)


def _ends(value: Value) -> tuple[float, ...]:
    """The ends of a range other than 0."""
    return tuple(end for end in (value.interval.lo, value.interval.hi) if end != 0.0)


@operator("regularization")
def _regularization(op: Op) -> Facts:
    """The sum of what the regularizers of variables ask for: norms with factors that are not negative."""
    return Facts(NON_NEGATIVE)


def total(machine: Machine, call: Call) -> Value:
    """`get_total_loss()`: the losses so far, and the regularizers' terms."""
    terms = list(_collected(machine))
    if truth(call.arg("add_regularization_losses"), True) is not False or not terms:
        terms.append(machine.emit("regularization", {}, call=call))
    result = terms[0]
    for term in terms[1:]:
        result = machine.emit("add", {"x": result, "y": term}, call=call)
    return result


def listed(machine: Machine, call: Call) -> Value:
    """`get_losses()`."""
    return Items(_collected(machine), "list")


def regularizers(machine: Machine, call: Call) -> Value:
    """`get_regularization_losses()`: some terms, of a number that is not known."""
    return Items((machine.emit("regularization", {}, call=call),), "list", complete=False)


def add_loss(machine: Machine, call: Call) -> Value:
    """`tf.losses.add_loss(loss)`: a term that `get_total_loss` has."""
    _collect(machine, call, call.arg("loss"))
    machine.emit("add_loss", {"loss": call.arg("loss")}, call=call)
    return NONE


# ---- names: (function, operator, operands); tf.contrib takes the prediction first

_LABELLED = "labels:y_true predictions:y_pred"
_PREDICTED = "predictions:y_pred labels:y_true"
_ENTROPIES = {
    "softmax": "softmax_cross_entropy_with_logits",
    "sigmoid": "sigmoid_cross_entropy_with_logits",
    "sparse": "sparse_softmax_cross_entropy_with_logits",
}
_REST = "scope loss_collection reduction"
for _name, _operator, _signature in (
    ("absolute_difference", "mean_absolute_error", f"{_LABELLED} weights {_REST}"),
    ("mean_squared_error", "mean_squared_error", f"{_LABELLED} weights {_REST}"),
    (
        "mean_pairwise_squared_error",
        "mean_pairwise_squared_error",
        f"{_LABELLED} weights scope loss_collection",
    ),
    ("hinge_loss", "hinge", f"labels:y_true logits:y_pred weights {_REST}"),
    ("huber_loss", "huber", f"{_LABELLED} weights delta {_REST}"),
    ("log_loss", "log_loss", f"{_LABELLED} weights epsilon {_REST}"),
    ("cosine_distance", "cosine_distance", f"{_LABELLED} axis weights {_REST} dim:axis"),
    (
        "softmax_cross_entropy",
        _ENTROPIES["softmax"],
        f"onehot_labels:labels logits weights label_smoothing {_REST}",
    ),
    (
        "sigmoid_cross_entropy",
        _ENTROPIES["sigmoid"],
        f"multi_class_labels:labels logits weights label_smoothing {_REST}",
    ),
    ("sparse_softmax_cross_entropy", _ENTROPIES["sparse"], f"labels logits weights {_REST}"),
):
    api(f"tf.losses.{_name}", collected(_operator), _signature)
for _name, _operator, _signature in (
    ("absolute_difference", "mean_absolute_error", f"{_PREDICTED} weights scope"),
    ("mean_squared_error", "mean_squared_error", f"{_PREDICTED} weights scope"),
    ("mean_pairwise_squared_error", "mean_pairwise_squared_error", f"{_PREDICTED} weights scope"),
    ("hinge_loss", "hinge", "logits:y_pred labels:y_true scope"),
    ("log_loss", "log_loss", f"{_PREDICTED} weights epsilon scope"),
    ("cosine_distance", "cosine_distance", f"{_PREDICTED} axis weights scope dim:axis"),
    (
        "softmax_cross_entropy",
        _ENTROPIES["softmax"],
        "logits onehot_labels:labels weights label_smoothing scope",
    ),
    (
        "sigmoid_cross_entropy",
        _ENTROPIES["sigmoid"],
        "logits multi_class_labels:labels weights label_smoothing scope",
    ),
    ("sparse_softmax_cross_entropy", _ENTROPIES["sparse"], "logits labels weights scope"),
):
    api(
        f"tf.contrib.losses.{_name} tf.contrib.slim.losses.{_name}",
        collected(_operator),
        _signature,
        removed="1.15",
    )
api("tf.losses.compute_weighted_loss", weighted, f"losses:x weights {_REST}")
api("tf.losses.add_loss", add_loss, "loss loss_collection")
api("tf.losses.get_total_loss", total, "add_regularization_losses name scope")
api("tf.losses.get_losses", listed, "scope loss_collection")
api("tf.losses.get_regularization_loss", "regularization", "scope name")
api("tf.losses.get_regularization_losses", regularizers, "scope")
for _module in ("tf.contrib.losses", "tf.contrib.slim.losses"):
    api(f"{_module}.compute_weighted_loss", weighted, "losses:x weights scope", removed="1.15")
    api(f"{_module}.add_loss", add_loss, "loss loss_collection", removed="1.15")
    api(f"{_module}.get_total_loss", total, "add_regularization_losses name", removed="1.15")
    api(f"{_module}.get_losses", listed, "scope loss_collection", removed="1.15")
    api(f"{_module}.get_regularization_losses", regularizers, "scope", removed="1.15")
