"""Metrics: numbers that show how training goes, which no gradient passes.

A metric that is also a loss (`keras.metrics.MeanSquaredError`) computes the loss' op when it is called;
its `result()` is read from its state. Metrics of TensorFlow 1 are pairs of a value and its update.
"""

from __future__ import annotations

import math

from tflint_nan.interval import Interval
from tflint_nan.ops.handlers import number, receiver
from tflint_nan.ops.losses import KERAS, LOSSES, ONLY_LOSSES, call_loss
from tflint_nan.ops.table import BASES, Call, Facts, Machine, api, operator
from tflint_nan.value import NONE, UNKNOWN, Const, Items, Op, Value


@operator("metric", differentiable=False)
def _metric(op: Op) -> Facts:
    """A number from `low` to `high`, as the metric's definition has it."""
    low, high = number(op.arg("low")), number(op.arg("high"))
    return Facts(Interval(-math.inf if low is None else low, math.inf if high is None else high))


def make(machine: Machine, call: Call) -> Value:
    """`keras.metrics.Precision(...)`."""
    return machine.new("metric", call)


def update(machine: Machine, call: Call) -> Value:
    """`metric(y_true, y_pred)`, `metric.update_state(...)`; a mean takes values, a wrapper a function."""
    made = receiver(call)
    if made is None:
        return UNKNOWN
    if made.cls is None and made.api in LOSSES:
        return call_loss(machine, call)
    if made.api == "keras.metrics.MeanMetricWrapper" and made.cls is None:
        machine.call(made.config("fn"), [call.arg("y_true"), call.arg("y_pred")], {})
    return result(machine, call)


def result(machine: Machine, call: Call) -> Value:
    """`metric.result()`: in the range of the metric."""
    made = receiver(call)
    if made is None:
        return UNKNOWN
    bounds = {name: made.config(name) for name in ("low", "high")}
    return machine.emit("metric", {**bounds, **call.args}, call=call)


def pair(machine: Machine, call: Call) -> Value:
    """A metric of TensorFlow 1: its value, and the operation that updates it."""
    return Items((machine.emit("metric", call.args, call=call), machine.emit("metric", call.args, call=call)))


#: Bounds that hold whatever the program measures: a share, an amount.
_SHARE = (Const(0.0), Const(1.0))
_AMOUNT = (Const(0.0), NONE)
_OPEN = (NONE, NONE)
_RATIO = "num_thresholds class_id name dtype"
_CELLS = "name dtype ignore_class sparse_y_true sparse_y_pred axis"
_AUC = "num_thresholds curve summation_method name dtype thresholds multi_label num_labels label_weights"

for _names, _signature, _bounds in (
    ("Accuracy CategoricalAccuracy SparseCategoricalAccuracy", "name dtype", _SHARE),
    ("BinaryAccuracy", "name dtype threshold", _SHARE),
    ("TopKCategoricalAccuracy SparseTopKCategoricalAccuracy", "k name dtype", _SHARE),
    ("Precision Recall", "thresholds top_k class_id name dtype", _SHARE),
    ("PrecisionAtRecall", f"recall {_RATIO}", _SHARE),
    ("RecallAtPrecision", f"precision {_RATIO}", _SHARE),
    ("SensitivityAtSpecificity", f"specificity {_RATIO}", _SHARE),
    ("SpecificityAtSensitivity", f"sensitivity {_RATIO}", _SHARE),
    ("IoU", f"num_classes target_class_ids {_CELLS}", _SHARE),
    ("MeanIoU", f"num_classes {_CELLS}", _SHARE),
    ("BinaryIoU", "target_class_ids threshold name dtype", _SHARE),
    ("OneHotIoU", "num_classes target_class_ids name dtype ignore_class sparse_y_pred axis", _SHARE),
    ("OneHotMeanIoU", "num_classes name dtype ignore_class sparse_y_pred axis", _SHARE),
    # Sums of rounded quotients: 1 is passed by a few units in the last place.
    ("AUC", _AUC, _AMOUNT),
    ("F1Score", "average threshold name dtype", _AMOUNT),
    ("FBetaScore", "average beta threshold name dtype", _AMOUNT),
    ("TruePositives TrueNegatives FalsePositives FalseNegatives", "thresholds name dtype", _AMOUNT),
    ("RootMeanSquaredError", "name dtype", _AMOUNT),
    ("Mean Sum", "name dtype", _OPEN),
    ("PearsonCorrelation ConcordanceCorrelation", "name dtype axis", _OPEN),
    ("R2Score", "class_aggregation num_regressors name dtype", _OPEN),
    ("MeanMetricWrapper", "fn name dtype", _OPEN),
):
    for _name in _names.split():
        api(f"keras.metrics.{_name}", make, _signature, low=_bounds[0], high=_bounds[1])
        BASES[f"keras.metrics.{_name}"] = "metric"
BASES |= dict.fromkeys(("keras.metrics.Metric", "keras.Metric", "keras.metrics.MeanTensor"), "metric")

#: Losses that Keras offers as metric functions, and not as classes.
_ONLY_FUNCTIONS = {"huber", "binary_focal_crossentropy", "categorical_focal_crossentropy"}
for _operator, (_class, _, _options) in KERAS.items():
    if _operator not in ONLY_LOSSES | _ONLY_FUNCTIONS:
        _name = "LogCoshError" if _class == "LogCosh" else _class
        if _operator == "binary_crossentropy":
            _options = "from_logits label_smoothing"
        if _operator == "sparse_categorical_crossentropy":
            _options = "from_logits ignore_class axis"
        # A metric's options come after its name and dtype.
        api(f"keras.metrics.{_name}", make, f"name dtype {_options}")
        LOSSES[f"keras.metrics.{_name}"] = _operator
        BASES[f"keras.metrics.{_name}"] = "metric"

for _name, _options, _bounds in (
    ("binary_accuracy", "threshold", _SHARE),
    ("categorical_accuracy", "", _SHARE),
    ("sparse_categorical_accuracy", "", _SHARE),
    ("top_k_categorical_accuracy", "k", _SHARE),
    ("sparse_top_k_categorical_accuracy", "k", _SHARE),
    ("pearson_correlation", "axis", _OPEN),
    ("concordance_correlation", "axis", _OPEN),
):
    api(f"keras.metrics.{_name}", "metric", f"y_true y_pred {_options}", low=_bounds[0], high=_bounds[1])

api("metric.__call__ metric.update_state", update, "self y_true y_pred sample_weight")
api("metric.result", result, "self")

# TensorFlow 1.

_PAIR = "labels:y_true predictions:y_pred"
_TAIL = "weights metrics_collections updates_collections name"
for _names, _signature, _bounds in (
    ("accuracy precision recall", f"{_PAIR} {_TAIL}", _SHARE),
    ("false_negatives false_positives true_negatives true_positives", f"{_PAIR} {_TAIL}", _AMOUNT),
    (
        "false_negatives_at_thresholds false_positives_at_thresholds true_negatives_at_thresholds "
        "true_positives_at_thresholds",
        f"{_PAIR} thresholds {_TAIL}",
        _AMOUNT,
    ),
    ("precision_at_thresholds recall_at_thresholds", f"{_PAIR} thresholds {_TAIL}", _OPEN),
    ("precision_at_k recall_at_k sparse_precision_at_k", f"{_PAIR} k class_id {_TAIL}", _SHARE),
    (
        "precision_at_top_k recall_at_top_k",
        f"labels:y_true predictions_idx:y_pred k class_id {_TAIL}",
        _SHARE,
    ),
    ("average_precision_at_k sparse_average_precision_at_k", f"{_PAIR} k {_TAIL}", _AMOUNT),
    ("auc", f"{_PAIR} weights num_thresholds", _OPEN),
    ("sensitivity_at_specificity", f"{_PAIR} specificity weights num_thresholds", _OPEN),
    ("specificity_at_sensitivity", f"{_PAIR} sensitivity weights num_thresholds", _OPEN),
    ("mean_iou mean_per_class_accuracy", f"{_PAIR} num_classes {_TAIL}", _SHARE),
    ("mean_absolute_error mean_squared_error root_mean_squared_error", f"{_PAIR} {_TAIL}", _AMOUNT),
    ("mean_cosine_distance", f"{_PAIR} dim {_TAIL}", _OPEN),
    ("mean_relative_error", f"{_PAIR} normalizer {_TAIL}", _OPEN),
    ("mean mean_tensor", f"values:y_pred {_TAIL}", _OPEN),
    ("percentage_below", f"values:y_pred threshold {_TAIL}", _SHARE),
):
    api(
        " ".join(f"tf.metrics.{_name}" for _name in _names.split()),
        pair,
        _signature,
        low=_bounds[0],
        high=_bounds[1],
    )
for _name, _options in (
    ("streaming_accuracy streaming_precision streaming_recall", ""),
    ("streaming_mean_iou", "num_classes"),
):
    for _one in _name.split():
        api(
            f"tf.contrib.metrics.{_one} tf.contrib.slim.metrics.{_one}",
            pair,
            f"predictions:y_pred labels:y_true {_options} {_TAIL}",
            removed="1.15",
            low=_SHARE[0],
            high=_SHARE[1],
        )
api(
    "tf.contrib.metrics.streaming_mean tf.contrib.slim.metrics.streaming_mean",
    pair,
    f"values:y_pred {_TAIL}",
    removed="1.15",
)
api(
    "tf.contrib.metrics.accuracy",
    "metric",
    "predictions:y_pred labels:y_true weights name",
    removed="1.15",
    low=_SHARE[0],
    high=_SHARE[1],
)
