"""Transfer functions of what layers compute, and of the losses of Keras.

Linear layers reach numbers of both signs, zero and far ones as they are trained; recurrent layers
with their usual activation stay in [-1, 1]; pooling, cropping and resizing keep their input's range.
"""

from __future__ import annotations

import math

from tflint_nan.interval import DEFAULT_FORMAT, EVERYTHING, NON_NEGATIVE, UNIT, Interval, round_to
from tflint_nan.ops.configuration import limits, start
from tflint_nan.ops.handlers import float_dtype, number
from tflint_nan.ops.points import facts, fresh, integer, is_given, mapped, unbounded
from tflint_nan.ops.spatial import convolved, pooled
from tflint_nan.ops.table import Facts, operator
from tflint_nan.value import NONE, Const, Object, Op, Shape, Value

_SIGNED_UNIT = Interval(-1.0, 1.0)
#: Activations under which a recurrent layer's output stays in [-1, 1].
_BOUNDED = {None, "tanh", "sigmoid", "hard_sigmoid", "softsign", "softmax"}


def _last(shape: Shape, size: Value) -> Shape:
    """`shape` with another last axis."""
    return None if not shape else (*shape[:-1], integer(size))


#: Arguments that keep the weights of a layer from going anywhere.
_CONSTRAINTS = ("kernel_constraint", "depthwise_constraint", "pointwise_constraint", "embeddings_constraint")


def _linear(op: Op, shape: Shape) -> Facts:
    dtype = float_dtype(op, "x")
    layer = op.arg("layer")
    held = isinstance(layer, Object) and any(is_given(layer.config(name)) for name in _CONSTRAINTS)
    return Facts(EVERYTHING, () if held else unbounded(op, dtype), dtype, shape)


@operator("dense")
def dense(op: Op) -> Facts:
    """`x @ kernel + bias`: `(..., n)` to `(..., units)`."""
    return _linear(op, _last(op.arg("x").shape, op.arg("units")))


@operator("conv")
def conv(op: Op) -> Facts:
    """A convolution, channels last."""
    return _linear(op, convolved(op.arg("x").shape, op.arg("layer"), integer(op.arg("filters"))))


@operator("embedding")
def embedding(op: Op) -> Facts:
    """Rows of a trained table: one more axis."""
    shape, layer = op.arg("x").shape, op.arg("layer")
    result = _linear(op, None if shape is None else (*shape, integer(op.arg("output_dim"))))
    kept = limits(layer.config("embeddings_constraint")) if isinstance(layer, Object) else None
    if kept is None or not isinstance(layer, Object):
        return result
    first = layer.config("embeddings_initializer")
    interval = kept.hull(start(Const("uniform") if first is NONE else first))
    return Facts(interval, (), result.dtype, result.shape)


@operator("batch_norm")
def batch_norm(op: Op) -> Facts:
    """Normalised, then scaled by what is trained."""
    return _linear(op, op.arg("x").shape)


@operator("layer_norm")
def layer_norm(op: Op) -> Facts:
    """Normalised, then scaled by what is trained."""
    return _linear(op, op.arg("x").shape)


@operator("normalization")
def normalization(op: Op) -> Facts:
    """`(x - mean) / std` with numbers taken from data."""
    return Facts(dtype=float_dtype(op, "x"), shape=op.arg("x").shape)


def _recurrent(op: Op) -> Facts:
    """Gates in [0, 1] times tanh. The last axis is `units`."""
    layer = op.arg("layer")
    activation = layer.config("activation") if isinstance(layer, Object) else op.arg("activation")
    dtype, shape = float_dtype(op, "x"), _steps(op)
    if activation.literal not in _BOUNDED:
        return Facts(dtype=dtype, shape=shape)
    return Facts(_SIGNED_UNIT, fresh(op, -1.0, 0.0, 1.0), dtype, shape)


def _steps(op: Op) -> Shape:
    shape, layer, units = op.arg("x").shape, op.arg("layer"), integer(op.arg("units"))
    if shape is None or len(shape) != 3 or not isinstance(layer, Object):
        return None
    sequences = layer.config("return_sequences").literal
    if sequences is None or sequences is False:
        return (shape[0], units)
    return (*shape[:2], units) if sequences is True else None


operator("lstm")(_recurrent)
operator("gru")(_recurrent)
operator("rnn")(_recurrent)


def _kept(op: Op, shape: Shape) -> Facts:
    x = op.arg("x")
    return Facts(x.interval, x.witnesses, x.dtype, shape)


def _pooled(op: Op) -> Facts:
    """A window's maximum or mean lies in the input's range, and is any number that all its pixels are."""
    shape, layer = op.arg("x").shape, op.arg("layer")
    name = layer.api.rpartition(".")[2] if isinstance(layer, Object) else ""
    if shape is None or len(shape) < 3:
        return _kept(op, None)
    if "Global" in name:
        return _kept(op, (shape[0], shape[-1]) if _drops_axes(layer) else None)
    return _kept(op, pooled(shape, layer))


def _drops_axes(layer: Value) -> bool:
    """True where a global pooling layer drops the axes it pools over."""
    return isinstance(layer, Object) and not layer.config("keepdims").literal


operator("max_pool", flow=("x",))(_pooled)
operator("avg_pool", flow=("x",))(_pooled)


@operator("flatten", flow=("x",))
def flatten(op: Op) -> Facts:
    """All axes after the batch as one."""
    shape = op.arg("x").shape
    if not shape:
        return _kept(op, None)
    size: int | None = 1
    for length in shape[1:]:
        size = None if size is None or length is None else size * length
    return _kept(op, (shape[0], size))


@operator("noise", flow=("x",))
def noise(op: Op) -> Facts:
    """Random numbers added to (or multiplied with) a tensor in training; itself at inference."""
    x = op.arg("x")
    return Facts(EVERYTHING, x.witnesses, x.dtype, x.shape)


@operator("prelu")
def prelu(op: Op) -> Facts:
    """`x` over 0, a trained multiple of it under 0."""
    x = op.arg("x")
    kept = tuple(w for w in x.witnesses if w.value >= 0.0)
    return Facts(x.interval if x.interval.lo >= 0.0 else EVERYTHING, kept, float_dtype(op, "x"), x.shape)


@operator("attend", flow=("value",))
def attend(op: Op) -> Facts:
    """Means of rows of `value`, weighted by a softmax; 0 where a query is masked."""
    x, value, dropped = op.arg("x"), op.arg("value"), number(op.arg("dropout"))
    dtype = float_dtype(op, "value", "x")
    if op.arg("dropout") is not NONE and dropped != 0:
        return Facts(dtype=dtype)
    # The weights sum to 1 up to the rounding of their sum.
    interval = value.interval.hull(Interval(0.0, 0.0)).stored(dtype, 256)
    shape: Shape = None
    if x.shape and value.shape and len(x.shape) == len(value.shape):
        shape = (*x.shape[:-1], value.shape[-1])
    return Facts(interval, (), dtype, shape)


@operator("attention_scores")
def attention_scores(op: Op) -> Facts:
    """The weights of an attention: a softmax, some of them dropped and the others scaled in training."""
    dropped = op.arg("dropout") is not NONE and number(op.arg("dropout")) != 0
    return Facts(NON_NEGATIVE if dropped else UNIT, dtype=float_dtype(op, "x"))


#: Four times the relative rounding error of a format; Keras keeps the constants of a layer in float32.
_ROUNDING = {"float16": 2.0**-9, "bfloat16": 2.0**-6, "float32": 2.0**-22, "float64": 2.0**-22}


@operator("rescaling")
def rescaling(op: Op) -> Facts:
    """`x * scale + offset`."""
    x = op.arg("x")
    scale = number(op.arg("scale"))
    offset = 0.0 if op.arg("offset") is NONE else number(op.arg("offset"))
    dtype = float_dtype(op, "x")
    if scale is None or offset is None:
        return Facts(dtype=dtype, shape=x.shape)

    scale, offset = round_to(scale, "float32"), round_to(offset, "float32")  # as Keras keeps them

    def point(value: float) -> float:
        return value * scale + offset

    ends = [point(end) for end in (x.interval.lo, x.interval.hi)]
    if any(end != end for end in ends):
        return Facts(dtype=dtype, shape=x.shape)
    # The product is rounded before the offset is added (and both constants to float32): where they
    # cancel, what is left of that is large. The sum grows faster than its error, so each end has its own.
    unit = _ROUNDING.get(dtype or DEFAULT_FORMAT, 0.0) if offset or dtype == "float64" else 0.0
    low, high = (
        unit * max(abs(end - offset), abs(offset)) if math.isfinite(end) else 0.0
        for end in (min(ends), max(ends))
    )
    interval = Interval(min(ends) - low, max(ends) + high).stored(dtype, 2)
    return facts(interval, mapped(point, x, dtype), dtype, x.shape)


# Losses.


def _loss(op: Op) -> Facts:
    return Facts(NON_NEGATIVE, dtype=float_dtype(op, "y_pred"))


for _name in (
    "mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "hinge",
    "squared_hinge",
    "categorical_hinge",
    "huber",
):
    operator(_name)(_loss)


def _signed_loss(op: Op) -> Facts:
    """Not negative for probabilities and labels that are ones, which nothing here has shown."""
    return Facts(dtype=float_dtype(op, "y_pred"))


for _name in (
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "sparse_categorical_crossentropy",
    "kl_divergence",
    "poisson",
    "log_cosh",
    "log_loss",
    "cosine_similarity",
    "cosine_distance",
    "mean_pairwise_squared_error",
    "dice",
    "tversky",
    "circle",
    "ctc",
    "categorical_generalized_cross_entropy",
):
    operator(_name)(_signed_loss)


@operator("predict")
def predict(op: Op) -> Facts:
    """What a model gives for data: in the range of its output."""
    output = op.arg("output")
    return Facts(output.interval, dtype=output.dtype)
