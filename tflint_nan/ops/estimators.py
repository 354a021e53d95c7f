"""Estimators: what calls a `model_fn`, and with which settings."""

from __future__ import annotations

from tflint_nan.ops.handlers import unknown
from tflint_nan.ops.models import parameters
from tflint_nan.ops.table import Call, Machine, api
from tflint_nan.value import UNKNOWN, Function, Value


def estimator(machine: Machine, call: Call) -> Value:
    """`tf.estimator.Estimator(model_fn, params=...)`."""
    made = machine.new("estimator", call)
    function = call.arg("model_fn")
    if isinstance(function, Function):
        offered = {"mode": UNKNOWN, "params": call.arg("params"), "config": UNKNOWN}
        taken = parameters(function)
        settings = {name: value for name, value in offered.items() if name in taken}
        # The features and labels of an input function, which may be dicts of any shape.
        machine.call(function, [unknown(machine, call=call), unknown(machine, call=call)], settings)
    return made


api("tf.estimator.Estimator", estimator, "model_fn model_dir config params warm_start_from", removed="2.15")
api(
    "tf.contrib.tpu.TPUEstimator tf.estimator.tpu.TPUEstimator",
    estimator,
    "model_fn model_dir config params use_tpu",
    removed="2.15",
)
