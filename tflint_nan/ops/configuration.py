"""What configures layers and training: initializers, regularizers, constraints, callbacks.

Each is an object whose op carries the constructor's arguments.
"""

from __future__ import annotations

from tflint_nan.ops.handlers import receiver, unknown
from tflint_nan.ops.table import BASES, Call, Handler, Machine, api
from tflint_nan.value import UNKNOWN, Value


def make(kind: str) -> Handler:
    """A constructor of objects of that kind."""

    def handler(machine: Machine, call: Call) -> Value:
        return machine.new(kind, call)

    return handler


def initial_values(machine: Machine, call: Call) -> Value:
    """`initializer(shape)`: the numbers that a variable starts from."""
    made = receiver(call)
    if made is None:
        return UNKNOWN
    shape = call.arg("shape")
    name = made.api.rpartition(".")[2].lower().replace("_", "").removesuffix("initializer")
    if name in ("zeros", "ones"):
        return machine.emit(name, {"shape": shape}, call=call)
    if name == "constant":
        return machine.emit("constant", {"value": made.config("value"), "shape": shape}, call=call)
    if name == "randomnormal":
        args = {key: made.config(key) for key in ("mean", "stddev") if made.config(key).literal is not None}
        return machine.emit("random_normal", {"shape": shape, **args}, call=call)
    return unknown(machine, shape, call=call)


_SCALED = "scale mode distribution seed"
for _keras, _tf, _signature in (
    ("Zeros", "zeros", ""),
    ("Ones", "ones", ""),
    ("Constant", "constant", "value"),
    ("RandomNormal", "random_normal", "mean stddev seed"),
    ("RandomUniform", "random_uniform", "minval maxval seed"),
    ("TruncatedNormal", "truncated_normal", "mean stddev seed"),
    ("VarianceScaling", "variance_scaling", _SCALED),
    ("GlorotNormal", "glorot_normal", "seed"),
    ("GlorotUniform", "glorot_uniform", "seed"),
    ("HeNormal", "he_normal", "seed"),
    ("HeUniform", "he_uniform", "seed"),
    ("LecunNormal", "lecun_normal", "seed"),
    ("LecunUniform", "lecun_uniform", "seed"),
    ("Orthogonal", "orthogonal", "gain seed"),
):
    api(f"keras.initializers.{_keras} tf.initializers.{_keras}", make("initializer"), _signature)
    BASES[f"keras.initializers.{_keras}"] = "initializer"
    api(f"keras.initializers.{_tf}", make("initializer"), _signature)
    _signature = "dtype" if _tf in ("zeros", "ones") else _signature
    api(f"tf.initializers.{_tf}", make("initializer"), _signature)
    if not _tf.startswith(("he", "lecun")):
        api(f"tf.{_tf}_initializer", make("initializer"), _signature)
BASES["keras.initializers.Initializer"] = "initializer"
api(
    "tf.contrib.layers.xavier_initializer tf.contrib.layers.xavier_initializer_conv2d",
    make("initializer"),
    "uniform seed dtype",
    removed="1.15",
)
api(
    "tf.contrib.layers.variance_scaling_initializer",
    make("initializer"),
    "factor mode uniform seed",
    removed="1.15",
)
api(
    "keras.initializers.get keras.regularizers.get keras.constraints.get",
    lambda machine, call: call.arg("identifier"),
    "identifier",
)
api("initializer.__call__", initial_values, "self shape dtype")

api("keras.regularizers.L1 keras.regularizers.l1", make("regularizer"), "l1")
api("keras.regularizers.L2 keras.regularizers.l2", make("regularizer"), "l2")
api("keras.regularizers.L1L2 keras.regularizers.l1_l2", make("regularizer"), "l1 l2")
BASES["keras.regularizers.Regularizer"] = "regularizer"

api("keras.constraints.NonNeg keras.constraints.non_neg", make("constraint"), "")
api("keras.constraints.MaxNorm keras.constraints.max_norm", make("constraint"), "max_value axis")
api("keras.constraints.UnitNorm keras.constraints.unit_norm", make("constraint"), "axis")
api(
    "keras.constraints.MinMaxNorm keras.constraints.min_max_norm",
    make("constraint"),
    "min_value max_value rate axis",
)
BASES["keras.constraints.Constraint"] = "constraint"

for _name, _signature in (
    ("BackupAndRestore", "backup_dir save_freq"),
    ("CSVLogger", "filename separator append"),
    ("EarlyStopping", "monitor min_delta patience verbose mode baseline restore_best_weights"),
    ("History", ""),
    ("LambdaCallback", "on_epoch_begin on_epoch_end on_train_begin on_train_end"),
    ("LearningRateScheduler", "schedule verbose"),
    ("ModelCheckpoint", "filepath monitor verbose save_best_only save_weights_only mode save_freq"),
    ("ReduceLROnPlateau", "monitor factor patience verbose mode min_delta cooldown min_lr"),
    ("RemoteMonitor", "root path field headers send_as_json"),
    ("TensorBoard", "log_dir histogram_freq write_graph write_images"),
    ("TerminateOnNaN", ""),
):
    api(f"keras.callbacks.{_name}", make("callback"), _signature)
    BASES[f"keras.callbacks.{_name}"] = "callback"
BASES["keras.callbacks.Callback"] = "callback"
