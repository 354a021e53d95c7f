"""Names of `tf.nn` beside layers and activations: sampled losses, pools, moments, lookups."""

from __future__ import annotations

import math

from tflint_nan.interval import EVERYTHING, NON_NEGATIVE, Interval
from tflint_nan.ops.bounds import bounded, unshaped
from tflint_nan.ops.functions import exp
from tflint_nan.ops.nn import moments
from tflint_nan.ops.points import broadcast, combined, facts, is_given, is_unbounded, real_dtype, unbounded
from tflint_nan.ops.table import Call, Facts, Handler, Machine, api, operator
from tflint_nan.value import Const, Items, Op, Shape, Value

_INF = math.inf


# ---- losses


def _first_axis(*shapes: Shape) -> Shape:
    return shapes[0][:1] if shapes and shapes[0] else None


bounded("sampled_loss", NON_NEGATIVE, "inputs", shape=_first_axis)
bounded("ctc_loss", Interval(-1e-3, _INF), "logits", shape=unshaped)


@operator("log_poisson_loss")
def _log_poisson_loss(op: Op) -> Facts:
    """exp(c) - z * c, smallest at c = log(z), where it is z - z * log(z)."""
    targets, rate = op.arg("targets"), op.arg("log_input")
    dtype = real_dtype(op, rate, targets)
    shape = broadcast(targets.shape, rate.shape)
    full = op.arg("compute_full_loss")
    if is_given(full) and full.literal is not False:
        return Facts(dtype=dtype, shape=shape)
    top = targets.interval.hi
    interval = EVERYTHING
    if targets.interval.lo >= 0.0 and math.isfinite(top):
        least = min(top - top * math.log(top), 0.0) if top > 0.0 else 0.0
        # A difference of products: rounding counts in units of them.
        interval = Interval(least - 0.01 * (1.0 + top * math.log1p(top)), _INF).stored(dtype)
    witnesses = combined(lambda z, c: exp(c) - z * c, (targets, rate), dtype)
    return facts(interval, witnesses, dtype, shape)


_SAMPLED = (
    "weights biases labels inputs num_sampled num_classes num_true sampled_values remove_accidental_hits"
)
api("tf.nn.nce_loss", "sampled_loss", f"{_SAMPLED} name")
api("tf.nn.sampled_softmax_loss", "sampled_loss", f"{_SAMPLED} seed name")
api("tf.nn.ctc_loss", "ctc_loss", "labels logits label_length logit_length logits_time_major inputs:logits")
api("tf.nn.ctc_loss_v2", "ctc_loss", "labels logits label_length logit_length logits_time_major")
api("tf.nn.log_poisson_loss", "log_poisson_loss", "targets log_input compute_full_loss name")


def average(machine: Machine, call: Call) -> Value:
    """`compute_average_loss(losses, sample_weight, global_batch_size)`: their sum over the batch size."""
    losses, weights, size = (call.arg(name) for name in ("x", "weights", "size"))
    if is_given(weights):
        losses = machine.emit("mul", {"x": losses, "y": weights}, call=call)
    total = machine.emit("sum", {"x": losses}, call=call)
    if not is_given(size):
        size = machine.emit("size", {"x": losses}, call=call)
    return machine.emit("div", {"x": total, "y": size}, call=call)


api("tf.nn.compute_average_loss", average, "per_example_loss:x sample_weight:weights global_batch_size:size")
api("tf.nn.scale_regularization_loss", average, "regularization_loss:x")

# ---- activations and normalisation


def crelu(machine: Machine, call: Call) -> Value:
    """`crelu(x)`: the positive and the negative part side by side."""
    x, axis = call.arg("x"), call.arg("axis")
    halves = (x, machine.emit("neg", {"x": x}, call=call))
    values = Items(tuple(machine.emit("relu", {"x": half}, call=call) for half in halves))
    args = {"values": values, "axis": axis if is_given(axis) else Const(-1)}
    return machine.emit("concat", args, call=call)


api("tf.nn.crelu", crelu, "features:x axis name")


@operator("scaled_down")
def _scaled_down(op: Op) -> Facts:
    """Numbers divided by at least 1, with the sign they had."""
    x = op.arg("x")
    dtype = real_dtype(op, x)
    interval = x.interval.hull(Interval(0.0, 0.0)).stored(dtype, 4)
    return facts(interval, [w for w in x.witnesses if w.value == 0.0], dtype, x.shape)


@operator("local_response_normalization")
def _local_response_normalization(op: Op) -> Facts:
    """`x / (bias + alpha * sum(x ** 2)) ** beta`: smaller than x where the defaults or larger ones hold."""
    x = op.arg("x")
    numbers = {}
    for name, default in (("bias", 1.0), ("alpha", 1.0), ("beta", 0.5)):
        given = op.arg(name)
        numbers[name] = given.interval.lo if is_given(given) else default
    dtype = real_dtype(op, x)
    if numbers["bias"] < 1.0 or min(numbers.values()) < 0.0:
        return Facts(dtype=dtype, shape=x.shape)
    return _scaled_down(op)


_LRN = "input:x depth_radius bias alpha beta name"
api("tf.nn.lrn tf.nn.local_response_normalization", "local_response_normalization", _LRN)
api("tf.clip_by_average_norm", "scaled_down", "t:x clip_norm name")

# ---- moments

api("tf.nn.weighted_moments", moments, "x axes:axis frequency_weights keepdims name keep_dims:keepdims")


def statistics(machine: Machine, call: Call) -> Value:
    """`sufficient_statistics(x, axes, shift)`: count, sum, sum of squares, and the shift of both."""
    x, shift = call.arg("x"), call.arg("shift")
    if is_given(shift):
        x = machine.emit("sub", {"x": x, "y": shift}, call=call)
    along = {name: call.arg(name) for name in ("axis", "keepdims")}
    size = machine.emit("size", {"x": x}, call=call)
    if x.dtype is not None:
        size = machine.emit("cast", {"x": size, "dtype": Const(x.dtype)}, call=call)
    return Items(
        (
            size,
            machine.emit("sum", {"x": x, **along}, call=call),
            machine.emit("sum", {"x": machine.emit("square", {"x": x}, call=call), **along}, call=call),
            shift,
        )
    )


def normalised_moments(machine: Machine, call: Call) -> Value:
    """`normalize_moments(counts, mean_ss, variance_ss, shift)`: E[x] and E[x²] - E[x]²."""
    counts, shift = call.arg("counts"), call.arg("shift")
    mean, squares = (
        machine.emit("div", {"x": call.arg(name), "y": counts}, call=call) for name in ("sums", "squares")
    )
    variance = machine.emit(
        "sub", {"x": squares, "y": machine.emit("square", {"x": mean}, call=call)}, call=call
    )
    if is_given(shift):
        mean = machine.emit("add", {"x": mean, "y": shift}, call=call)
    return Items((mean, variance))


api("tf.nn.sufficient_statistics", statistics, "x axes:axis shift keepdims name keep_dims:keepdims")
api("tf.nn.normalize_moments", normalised_moments, "counts mean_ss:sums variance_ss:squares shift name")

# ---- pools, filters


def pool(machine: Machine, call: Call) -> Value:
    """`pool(input, window_shape, pooling_type)`."""
    kind = call.arg("kind").literal
    return machine.emit("max_pool" if kind == "MAX" else "avg_pool", {"x": call.arg("x")}, call=call)


def with_places(target: str, places: int, dtype: str) -> Handler:
    """A pool that returns its result and where it took it from."""

    def emit(machine: Machine, call: Call) -> Value:
        pooled = machine.emit(target, {"x": call.arg("x")}, call=call)
        format_of: dict[str, Value] = {"dtype": Const(dtype)}
        return Items((pooled, *(machine.emit("index", format_of, call=call) for _ in range(places))))

    return emit


api("tf.nn.pool", pool, "input:x window_shape pooling_type:kind")
api("tf.nn.max_pool_v2", "max_pool", "input:x ksize strides padding data_format name")
api("tf.nn.avg_pool_v2", "avg_pool", "input:x ksize strides padding data_format name")
api("tf.nn.max_pool_with_argmax", with_places("max_pool", 1, "int64"), "input:x ksize strides padding")
api("tf.nn.fractional_max_pool", with_places("max_pool", 2, "int64"), "value:x pooling_ratio")
api("tf.nn.fractional_avg_pool", with_places("avg_pool", 2, "int64"), "value:x pooling_ratio")
api("tf.nn.isotonic_regression", with_places("avg_pool", 1, "int32"), "inputs:x decreasing axis")


@operator("morphology")
def _morphology(op: Op) -> Facts:
    """Largest sums (or smallest differences) of pixels and a kernel over windows."""
    x, kernel = op.arg("x"), op.arg("kernel")
    dtype = real_dtype(op, x, kernel)
    if is_unbounded(x) or is_unbounded(kernel):
        return Facts(EVERYTHING, unbounded(op, dtype), dtype, None)
    reach = max(abs(kernel.interval.lo), abs(kernel.interval.hi))
    ends = (x.interval.lo - reach, x.interval.hi + reach)
    interval = EVERYTHING if any(end != end for end in ends) else Interval(*ends)
    return Facts(interval.stored(dtype), (), dtype, None)


api("tf.nn.dilation2d", "morphology", "input:x filters:kernel strides padding filter:kernel")
api("tf.nn.erosion2d", "morphology", "value:x filters:kernel strides padding kernel")

_TRANSPOSED = "filters:kernel output_shape strides padding data_format dilations name"
api("tf.nn.conv_transpose", "conv", f"input:x {_TRANSPOSED}")
api("tf.nn.atrous_conv2d_transpose", "conv", "value:x filters:kernel output_shape rate padding name")
api("tf.conv", "conv", "input:x filter:kernel strides padding")
_BACKPROP = "strides padding"
for _name in ("tf.conv2d_backprop_filter_v2", "tf.conv2d_backprop_input_v2"):
    api(_name, "conv", f"input:x filter:kernel out_backprop {_BACKPROP}")
_FILTER = f"input:x filter_sizes out_backprop:kernel {_BACKPROP}"
_INPUT = f"input_sizes filter:kernel out_backprop:x {_BACKPROP}"
for _start in ("depthwise_conv2d", "depthwise_conv2d_native", "conv2d", "conv3d"):
    _version = "_v2" if _start == "conv3d" else ""
    api(f"tf.nn.{_start}_backprop_filter{_version}", "conv", _FILTER)
    if _start != "conv3d":
        api(f"tf.nn.{_start}_backprop_input", "conv", _INPUT)
api("tf.nn.conv3d_backprop_filter", "conv", _FILTER)
api("tf.nn.depthwise_conv2d_native", "conv", "input:x filter:kernel strides padding data_format dilations")

# ---- lookups


def lookup(machine: Machine, call: Call) -> Value:
    """`embedding_lookup_sparse(params, sp_ids, sp_weights, combiner)`: means or sums of rows of a table."""
    table, weights, combiner = (call.arg(name) for name in ("x", "weights", "combiner"))
    if is_given(weights):
        return machine.emit("tensordot", {"x": table, "y": weights}, call=call)
    if combiner.literal in (None, "mean"):
        args = {"x": table, "empty": Const("zero"), "reduction": Const("mean")}
        return machine.emit("segment", args, call=call)
    return machine.emit("segment_sum", {"x": table}, call=call)


_COMBINED = "combiner max_norm name allow_fast_lookup partition_strategy"
api("tf.nn.embedding_lookup_sparse", lookup, f"params:x sp_ids sp_weights:weights {_COMBINED}")
api(
    "tf.nn.safe_embedding_lookup_sparse",
    lookup,
    "embedding_weights:x sparse_ids sparse_weights:weights combiner default_id max_norm",
)
