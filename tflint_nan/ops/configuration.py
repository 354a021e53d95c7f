"""What configures layers and training: initializers, regularizers, constraints, callbacks.

Each is an object whose op carries the constructor's arguments; an initializer and a constraint say in
which range a variable lies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from tflint_nan.interval import EVERYTHING, NON_NEGATIVE, Interval
from tflint_nan.ops.handlers import number, receiver
from tflint_nan.ops.points import dimensions, dtype_named, is_given
from tflint_nan.ops.table import BASES, Call, Facts, Handler, Machine, api, operator
from tflint_nan.value import NONE, UNKNOWN, Const, Function, Object, Op, Symbol, Tensor, Value


def make(kind: str) -> Handler:
    """A constructor of objects of that kind."""

    def handler(machine: Machine, call: Call) -> Value:
        return machine.new(kind, call)

    return handler


# ---- initializers

#: Standard deviation of a normal distribution that is cut at 2: TensorFlow and Keras divide by it.
_CUT = 0.87962566103423978
#: Name without case, underscores and "initializer" -> scale and distribution of the variance.
_VARIANCES = {
    "glorotuniform": (1.0, "uniform"),
    "glorotnormal": (1.0, "truncated_normal"),
    "heuniform": (2.0, "uniform"),
    "henormal": (2.0, "truncated_normal"),
    "lecununiform": (1.0, "uniform"),
    "lecunnormal": (1.0, "truncated_normal"),
}
#: What Keras' strings mean besides the names of its classes.
_ALIASES = {"zero": "zeros", "one": "ones", "uniform": "randomuniform", "normal": "randomnormal"}


def described(initializer: Value) -> tuple[str, str, Mapping[str, Value]] | None:
    """An initializer by name, class or object: its name without case, underscores and "initializer", the name
    through which the program has it, and its options. None for a value, and for what is not known."""
    given: Mapping[str, Value] = {}
    name = initializer.literal if isinstance(initializer, Const) else None
    if isinstance(initializer, Symbol):
        name = initializer.name
    elif isinstance(initializer, Object) and initializer.kind == "initializer" and initializer.cls is None:
        name, given = initializer.api, initializer.made.args if initializer.made else {}
    if not isinstance(name, str):
        return None
    short = name.rpartition(".")[2].lower().replace("_", "").removesuffix("initializer")
    return _ALIASES.get(short, short), name, given


def start(initializer: Value) -> Interval:
    """Every number that a variable can start from: of an initializer by name, class or object, or a value."""
    known = described(initializer)
    if known is not None:
        return _drawn(*known).stored("float32", 4)
    return initializer.interval if isinstance(initializer, (Tensor, Const)) else EVERYTHING


def _drawn(short: str, api_name: str, given: Mapping[str, Value]) -> Interval:
    """What an initializer draws, in real numbers."""

    def option(name: str, default: float) -> float:
        value = given.get(name, NONE)
        known = number(value) if is_given(value) else default
        return math.nan if known is None else known

    old = api_name.startswith("tf.")
    if short in ("zeros", "ones"):
        return Interval.point(float(short == "ones"))
    if short == "constant":
        return given["value"].interval if "value" in given else Interval(0.0, 0.0)
    if short == "randomuniform":
        # TensorFlow 1 draws from [0, 1), TensorFlow 2 and Keras from [-0.05, 0.05).
        low, high = option("minval", -0.05), option("maxval", 1.0 if old else 0.05)
        return Interval(low, high) if low <= high else EVERYTHING
    if short == "truncatednormal":
        mean, spread = option("mean", 0.0), 2.0 * option("stddev", 1.0 if old else 0.05)
        return Interval(mean - spread, mean + spread) if spread >= 0.0 else EVERYTHING
    if short in ("orthogonal", "identity"):
        gain = 1.00001 * option("gain", 1.0)
        return Interval(min(-gain, 0.0), gain) if gain >= 0.0 else EVERYTHING
    scale, distribution = _VARIANCES.get(short, (math.nan, ""))
    if short == "variancescaling":
        named = given.get("distribution", Const("truncated_normal")).literal
        scale, distribution = option("scale", 1.0), named if isinstance(named, str) else ""
    # The variance is divided by the number of connections, which is at least 1.
    if distribution == "uniform" and scale >= 0.0:
        return Interval(-math.sqrt(3.0 * scale), math.sqrt(3.0 * scale))
    if distribution in ("normal", "truncated_normal") and scale >= 0.0:
        reach = 2.0 * math.sqrt(scale) / _CUT
        return Interval(-reach, reach)
    return EVERYTHING


@operator("initial_values")
def _initial_values(op: Op) -> Facts:
    """What an initializer gives for a shape."""
    interval = start(op.arg("initializer"))
    dtype = dtype_named(op.arg("dtype"), op.api)
    return Facts(interval.stored(dtype), (), dtype, dimensions(op.arg("shape")))


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
    return machine.emit("initial_values", {**call.args, "initializer": made}, call=call)


# ---- constraints


def limits(constraint: Value) -> Interval | None:
    """Where a constraint keeps the elements of a variable, None where that is not known."""
    name = constraint.literal
    config: Mapping[str, Value] = {}
    if isinstance(constraint, Tensor):
        return constraint.interval  # what the program's own constraint computes
    if isinstance(constraint, Symbol):
        name = constraint.name
    elif isinstance(constraint, Object) and constraint.cls is None and constraint.made is not None:
        name, config = constraint.api, constraint.made.args
    if not isinstance(name, str):
        return None
    short = name.rpartition(".")[2].lower().replace("_", "")
    if short == "nonneg":
        return NON_NEGATIVE
    if short == "unitnorm":
        return Interval(-1.0, 1.0).stored("float32", 4)
    if short not in ("maxnorm", "minmaxnorm"):
        return None
    largest = config.get("max_value", Const(2.0 if short == "maxnorm" else 1.0))
    bound = number(largest)
    gradual = number(config.get("rate", Const(1.0))) != 1.0
    if bound is None or bound < 0.0 or gradual:
        return None
    return Interval(-bound, bound).stored("float32", 4)


def constrained_range(op: Op) -> Interval | None:
    """The range of a variable with a constraint: where it starts, and where each step leaves it."""
    kept = limits(op.arg("constraint"))
    return None if kept is None else kept.hull(start(op.arg("initial_value")))


@operator("constrained")
def _constrained(op: Op) -> Facts:
    """A constraint applied to a tensor."""
    x = op.arg("x")
    return Facts(limits(op.arg("constraint")) or EVERYTHING, (), x.dtype, x.shape)


def constrain(machine: Machine, call: Call) -> Value:
    """`constraint(w)`."""
    return machine.emit("constrained", {"x": call.arg("x"), "constraint": call.arg("self")}, call=call)


def applied(machine: Machine, constraint: Value, place: Call) -> Value:
    """A program's own constraint as the tensor that it computes; any other as it is."""
    own = isinstance(constraint, Object) and constraint.cls is not None
    if not own and not isinstance(constraint, Function):
        return constraint
    return machine.call(constraint, [machine.emit("unknown_call", {}, call=place)], {})


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
    ("Identity", "identity", "gain"),
):
    api(f"keras.initializers.{_keras} tf.initializers.{_keras}", make("initializer"), _signature)
    BASES[f"keras.initializers.{_keras}"] = "initializer"
    api(f"keras.initializers.{_tf}", make("initializer"), _signature)
    _signature = "dtype" if _tf in ("zeros", "ones") else _signature
    api(f"tf.initializers.{_tf}", make("initializer"), _signature)
    if not _tf.startswith(("he", "lecun", "identity")):
        api(f"tf.{_tf}_initializer", make("initializer"), _signature)
BASES["keras.initializers.Initializer"] = BASES["keras.Initializer"] = "initializer"
api(
    "keras.initializers.IdentityInitializer keras.initializers.OrthogonalInitializer",
    make("initializer"),
    "gain",
)
api(
    "keras.initializers.STFT keras.initializers.STFTInitializer keras.initializers.stft",
    make("initializer"),
    "side window scaling periodic",
)
api("tf.uniform_unit_scaling_initializer", make("initializer"), "factor seed dtype")
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

# ---- regularizers

api("keras.regularizers.L1 keras.regularizers.l1", make("regularizer"), "l1")
api("keras.regularizers.L2 keras.regularizers.l2", make("regularizer"), "l2")
api("keras.regularizers.L1L2 keras.regularizers.l1_l2", make("regularizer"), "l1 l2")
api(
    "keras.regularizers.OrthogonalRegularizer keras.regularizers.orthogonal_regularizer",
    make("regularizer"),
    "factor mode",
)
BASES["keras.regularizers.Regularizer"] = BASES["keras.Regularizer"] = "regularizer"
api(
    "tf.contrib.layers.l1_regularizer tf.contrib.layers.l2_regularizer tf.contrib.slim.l1_regularizer "
    "tf.contrib.slim.l2_regularizer",
    make("regularizer"),
    "scale scope",
    removed="1.15",
)
api("regularizer.__call__", "regularization", "self x")

# ---- constraints

api("keras.constraints.NonNeg keras.constraints.non_neg", make("constraint"), "")
api("keras.constraints.MaxNorm keras.constraints.max_norm", make("constraint"), "max_value axis")
api("keras.constraints.UnitNorm keras.constraints.unit_norm", make("constraint"), "axis")
api(
    "keras.constraints.MinMaxNorm keras.constraints.min_max_norm",
    make("constraint"),
    "min_value max_value rate axis",
)
BASES["keras.constraints.Constraint"] = "constraint"
api("constraint.__call__", constrain, "self w:x")

# ---- callbacks

for _name, _signature in (
    ("BackupAndRestore", "backup_dir save_freq"),
    ("CSVLogger", "filename separator append"),
    ("CallbackList", "callbacks add_history add_progbar model"),
    ("EarlyStopping", "monitor min_delta patience verbose mode baseline restore_best_weights"),
    ("History", ""),
    ("LambdaCallback", "on_epoch_begin on_epoch_end on_train_begin on_train_end"),
    ("LearningRateScheduler", "schedule verbose"),
    ("ModelCheckpoint", "filepath monitor verbose save_best_only save_weights_only mode save_freq"),
    ("OrbaxCheckpoint", "directory monitor verbose save_best_only mode save_freq"),
    ("ProgbarLogger", ""),
    ("ReduceLROnPlateau", "monitor factor patience verbose mode min_delta cooldown min_lr"),
    ("RemoteMonitor", "root path field headers send_as_json"),
    ("SwapEMAWeights", "swap_on_epoch"),
    ("TensorBoard", "log_dir histogram_freq write_graph write_images"),
    ("TerminateOnNaN", ""),
):
    api(f"keras.callbacks.{_name}", make("callback"), _signature)
    BASES[f"keras.callbacks.{_name}"] = "callback"
BASES["keras.callbacks.Callback"] = "callback"
