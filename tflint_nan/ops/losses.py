"""Losses: each is one op with `y_true` and `y_pred`, however the program spells it."""

from __future__ import annotations

from tflint_nan.ops.handlers import receiver, text, unknown
from tflint_nan.ops.policies import in_full
from tflint_nan.ops.table import BASES, Call, Machine, api
from tflint_nan.value import NONE, UNKNOWN, Object, OneOf, Op, Symbol, Unknown, Value

#: operator -> the class, the functions and strings that mean it besides its own name, its options.
KERAS: dict[str, tuple[str, str, str]] = {
    "mean_squared_error": ("MeanSquaredError", "mse MSE", ""),
    "mean_absolute_error": ("MeanAbsoluteError", "mae MAE", ""),
    "mean_absolute_percentage_error": ("MeanAbsolutePercentageError", "mape MAPE", ""),
    "mean_squared_logarithmic_error": ("MeanSquaredLogarithmicError", "msle MSLE", ""),
    "binary_crossentropy": ("BinaryCrossentropy", "", "from_logits label_smoothing axis"),
    "binary_focal_crossentropy": (
        "BinaryFocalCrossentropy",
        "",
        "apply_class_balancing alpha gamma from_logits label_smoothing axis",
    ),
    "categorical_crossentropy": ("CategoricalCrossentropy", "", "from_logits label_smoothing axis"),
    "categorical_focal_crossentropy": (
        "CategoricalFocalCrossentropy",
        "",
        "alpha gamma from_logits label_smoothing axis",
    ),
    "sparse_categorical_crossentropy": ("SparseCategoricalCrossentropy", "", "from_logits ignore_class"),
    "hinge": ("Hinge", "", ""),
    "squared_hinge": ("SquaredHinge", "", ""),
    "categorical_hinge": ("CategoricalHinge", "", ""),
    "kl_divergence": ("KLDivergence", "kld KLD kullback_leibler_divergence", ""),
    "poisson": ("Poisson", "", ""),
    "huber": ("Huber", "", "delta"),
    "log_cosh": ("LogCosh", "logcosh", ""),
    "cosine_similarity": ("CosineSimilarity", "", "axis"),
    "dice": ("Dice", "", "reduction name axis"),
    "tversky": ("Tversky", "", "alpha beta reduction name axis"),
    "circle": ("Circle", "", "gamma margin remove_diagonal"),
    "ctc": ("CTC", "", ""),
    "categorical_generalized_cross_entropy": ("CategoricalGeneralizedCrossEntropy", "", "q"),
}
#: Losses that Keras does not offer as metrics.
ONLY_LOSSES = {"dice", "tversky", "circle", "ctc", "categorical_generalized_cross_entropy"}
#: Where a function takes its parameters in another order than the class.
_FUNCTIONS = {
    "dice": "axis",
    "tversky": "alpha beta axis",
    "circle": "ref_labels ref_embeddings remove_diagonal gamma margin",
    "sparse_categorical_crossentropy": "from_logits ignore_class axis",
}
#: What each string in `compile(loss=...)` means.
STRINGS: dict[str, str] = {}
#: API name of a loss (function, class or metric class) -> its operator.
LOSSES: dict[str, str] = {}


def apply_loss(
    machine: Machine,
    loss: Value,
    y_true: Value,
    y_pred: Value,
    *,
    call: Call | None = None,
    at: Op | None = None,
) -> Value:
    """The loss of one output, whichever way `compile` was told of it.

    The op stands at `call`, or at `at`; its argument `loss` is the string, symbol or object that was
    given. A project's own loss is called with the two tensors.
    """
    if isinstance(loss, OneOf):
        return UNKNOWN
    y_pred = in_full(machine, y_pred)
    operands = {"y_true": y_true, "y_pred": y_pred, "loss": loss}
    name = text(loss)
    if name is not None:
        operator = STRINGS.get(name)
        return machine.emit(operator, operands, call=call, at=at) if operator else UNKNOWN
    if isinstance(loss, Symbol) and loss.name in LOSSES:
        return machine.emit(LOSSES[loss.name], operands, call=call, at=at)
    if isinstance(loss, Object) and loss.cls is None and loss.api in LOSSES:
        options = loss.made.args if loss.made is not None else {}
        return machine.emit(LOSSES[loss.api], {**options, **operands}, call=call, at=at)
    if isinstance(loss, Unknown) or loss is NONE:
        return UNKNOWN
    return machine.call(loss, [y_true, y_pred], {})


def is_keras(op: Op) -> bool:
    """Whether a loss is one of Keras: labels first, a mean over the last axis, options of its own.

    False for the functions of `tf.losses` and `tf.contrib.losses`, which reduce everything, and for `tf.nn`.
    """
    return op.api in LOSSES or op.arg("loss") is not NONE


def call_loss(machine: Machine, call: Call) -> Value:
    """`loss(y_true, y_pred)`: the op stands at this call."""
    loss = receiver(call)
    if loss is None:
        return UNKNOWN
    operator = LOSSES.get(loss.api) if loss.cls is None else None
    if operator is None or call.arg("y_pred") is NONE:
        return unknown(machine, call.arg("y_true"), call.arg("y_pred"), call=call)
    operands = {name: in_full(machine, call.arg(name)) for name in ("y_true", "y_pred")}
    options = loss.made.args if loss.made is not None else {}
    return machine.emit(operator, {**options, **operands, "loss": loss}, call=call)


def make_loss(machine: Machine, call: Call) -> Value:
    """`keras.losses.CategoricalCrossentropy(...)`: an object that `compile` or a call applies."""
    return machine.new("loss", call)


def identified(machine: Machine, call: Call) -> Value:
    """`keras.losses.get("mse")`: the loss of that name."""
    given = call.arg("identifier")
    operator = STRINGS.get(text(given) or "")
    return Symbol(f"keras.losses.{operator}") if operator else given


for _operator, (_class, _aliases, _options) in KERAS.items():
    for _name in (_operator, *_aliases.split()):
        STRINGS[_name] = _operator
        for _module in ("losses", "metrics"):
            if _module == "metrics" and _operator in ONLY_LOSSES:
                continue
            _gone = "2.15" if (_module, _name) == ("metrics", "cosine_similarity") else None
            _signature = f"y_true y_pred {_FUNCTIONS.get(_operator, _options)}"
            api(f"keras.{_module}.{_name}", _operator, _signature, removed=_gone)
            LOSSES[f"keras.{_module}.{_name}"] = _operator
    STRINGS[_class] = _operator
    # In TensorFlow 2, `tf.losses` and `tf.metrics` are Keras'; the names of functions mean version 1.
    for _module in ("keras.losses", "tf.losses"):
        _signature = _options if "reduction" in _options else f"{_options} reduction"
        api(f"{_module}.{_class}", make_loss, _signature)
        LOSSES[f"{_module}.{_class}"] = _operator
        BASES[f"{_module}.{_class}"] = "loss"
for _name in ("categorical_generalized_cross_entropy", "CategoricalGeneralizedCrossEntropy"):
    del STRINGS[_name]  # the one that `compile` knows no string for
STRINGS |= {"bce": "binary_crossentropy", "BCE": "binary_crossentropy"}
BASES["keras.losses.Loss"] = BASES["keras.Loss"] = "loss"

for _operator, _options in (
    ("binary_crossentropy", "from_logits"),
    ("categorical_crossentropy", "from_logits axis"),
    ("sparse_categorical_crossentropy", "from_logits axis"),
):
    api(f"keras.backend.{_operator}", _operator, f"target:y_true output:y_pred {_options}")
    LOSSES[f"keras.backend.{_operator}"] = _operator

api("loss.__call__", call_loss, "self y_true y_pred sample_weight")
api("loss.call", call_loss, "self y_true y_pred")
api("keras.losses.get", identified, "identifier")
