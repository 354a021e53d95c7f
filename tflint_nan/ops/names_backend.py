"""The backend of Keras 1 and 2 (`keras.backend`, often `K`)."""

from __future__ import annotations

from tflint_nan.ops import control, shapes
from tflint_nan.ops.handlers import harmless, nothing, text
from tflint_nan.ops.names import entries
from tflint_nan.ops.table import Call, Machine, api
from tflint_nan.value import Const, Value


def pooled(machine: Machine, call: Call) -> Value:
    """`K.pool2d(x, ..., pool_mode)`."""
    name = "avg_pool" if text(call.arg("pool_mode")) == "avg" else "max_pool"
    return machine.emit(name, {"x": call.arg("x")}, call=call)


def averaged(machine: Machine, call: Call) -> Value:
    """`K.moving_average_update(x, value, momentum)`: a number between the old one and the new one."""
    mean = machine.emit("join", {"0": call.arg("variable"), "1": call.arg("x")}, call=call)
    return machine.emit("assign", {"variable": call.arg("variable"), "x": mean}, call=call)


for _name, _ in entries(
    "abs cos exp hard_sigmoid log round sigmoid sign sin softplus softsign sqrt square tanh"
):
    api(f"keras.backend.{_name}", _name, "x")
api("keras.backend.elu", "elu", "x alpha")
api("keras.backend.relu", "relu", "x alpha max_value threshold")
api("keras.backend.softmax", "softmax", "x axis")
api("keras.backend.pow", "pow", "x a:y")
api("keras.backend.clip", "clip", "x min_value:min max_value:max")
for _name, _ in entries("maximum minimum greater greater_equal less less_equal equal not_equal"):
    api(f"keras.backend.{_name}", _name, "x y")
for _operator, _short in entries("sum mean max min std variance:var prod any all"):
    api(f"keras.backend.{_short}", _operator, "x axis keepdims")
api("keras.backend.logsumexp", "logsumexp", "x axis keepdims", removed="2.15")
api("keras.backend.argmax", "argmax", "x axis")
api("keras.backend.argmin", "argmin", "x axis")
api("keras.backend.cumsum", "cumsum", "x axis")
api("keras.backend.cumprod", "cumprod", "x axis")
api("keras.backend.l2_normalize", "l2_normalize", "x axis")
api("keras.backend.dot", "matmul", "x y")
api("keras.backend.batch_dot", "tensordot", "x y axes")
api("keras.backend.bias_add", "add", "x bias:y data_format")
for _name in ("conv1d", "conv2d", "conv3d"):
    api(f"keras.backend.{_name}", "conv", "x kernel strides padding data_format dilation_rate")
api("keras.backend.batch_normalization", "batch_norm", "x mean var:variance beta gamma axis epsilon")
api("keras.backend.dropout", "dropout", "x level:rate noise_shape seed")
api("keras.backend.constant", "constant", "value dtype shape name")
api("keras.backend.zeros", "zeros", "shape dtype name")
api("keras.backend.ones", "ones", "shape dtype name")
api("keras.backend.zeros_like", "zeros", "x dtype name")
api("keras.backend.ones_like", "ones", "x dtype name")
api("keras.backend.one_hot", "one_hot", "indices:x num_classes:depth")
api("keras.backend.eye", "eye", "size dtype name")
api("keras.backend.arange", "range", "start stop:limit step:delta dtype")
api("keras.backend.in_top_k", "mask", "predictions targets k")
api("keras.backend.reshape", "reshape", "x shape")
api("keras.backend.flatten keras.backend.batch_flatten", "gather", "x")
api("keras.backend.squeeze", "squeeze", "x axis")
api("keras.backend.expand_dims", "expand_dims", "x axis")
api("keras.backend.transpose", "transpose", "x")
api("keras.backend.permute_dimensions", "transpose", "x pattern:perm")
api("keras.backend.gather", "gather", "reference:x indices")
api("keras.backend.tile", "tile", "x n")
api("keras.backend.repeat", "tile", "x n")
api("keras.backend.repeat_elements", "tile", "x rep axis")
api("keras.backend.stack", "stack", "x:values axis")
api("keras.backend.concatenate", "concat", "tensors:values axis", axis=Const(-1))
api("keras.backend.cast", "cast", "x dtype")
api("keras.backend.cast_to_floatx", "cast", "x", dtype=Const("float32"))
api("keras.backend.identity", "identity", "x name", removed="2.15")
api("keras.backend.eval keras.backend.get_value", "identity", "x")
api("keras.backend.set_value", "assign", "x:variable value:x")
api("keras.backend.update", "assign", "x:variable new_x:x")
api("keras.backend.update_add", "add", "x increment:y")
api("keras.backend.update_sub", "sub", "x decrement:y")
api("keras.backend.stop_gradient", "stop_gradient", "variables:x")
api("keras.backend.reverse", "reverse", "x axes:axis")
api("keras.backend.switch", control.cond, "condition then_expression:x else_expression:y")
api("keras.backend.in_train_phase", control.phase, "x alt:y training", removed="2.15")
api("keras.backend.in_test_phase", control.phase, "x alt:y training", removed="2.15")
api("keras.backend.shape", shapes.shape, "x")
api("keras.backend.int_shape", shapes.lengths, "x")
api("keras.backend.ndim", shapes.rank, "x")
api("keras.backend.count_params", "size", "x")
api("keras.backend.dtype", shapes.dtype, "x")
api("keras.backend.epsilon keras.config.epsilon", control.epsilon, "")
api("keras.backend.floatx keras.config.floatx", control.floatx, "")
api("keras.backend.learning_phase", control.learning_phase, "", removed="2.15")

# ---- the rest: sources, images, losses, settings

for _name, _signature in (
    ("conv2d_transpose", "x kernel output_shape strides padding data_format dilation_rate"),
    ("depthwise_conv2d", "x depthwise_kernel:kernel strides padding data_format dilation_rate"),
    ("separable_conv2d", "x depthwise_kernel:kernel pointwise_kernel strides padding data_format"),
):
    api(f"keras.backend.{_name}", "conv", _signature)
api("keras.backend.pool2d keras.backend.pool3d", pooled, "x pool_size strides padding data_format pool_mode")
api("keras.backend.resize_images", "resize", "x height_factor width_factor data_format interpolation")
api("keras.backend.resize_volumes", "resize", "x depth_factor height_factor width_factor data_format")
for _name in ("spatial_2d_padding", "spatial_3d_padding"):
    api(f"keras.backend.{_name}", "pad", "x padding:paddings data_format")
api("keras.backend.temporal_padding", "pad", "x padding:paddings")
api("keras.backend.to_dense", "identity", "tensor:x")
api("keras.backend.batch_get_value", "identity", "tensors:x")
api("keras.backend.batch_set_value", nothing, "tuples")
api("keras.backend.moving_average_update", averaged, "x:variable value:x momentum")
api(
    "moving_averages.assign_moving_average",
    averaged,
    "variable value:x decay:momentum zero_debias name",
)
api("keras.backend.random_bernoulli", "mask", "shape p dtype seed")
for _name, _signature in (
    ("random_normal_variable", "shape mean scale dtype name seed"),
    ("random_uniform_variable", "shape low high dtype name seed"),
):
    api(f"keras.backend.{_name}", "variable", _signature, trainable=Const(False))
api("keras.backend.ctc_batch_cost", "ctc", "y_true y_pred input_length label_length")
api("keras.backend.ctc_decode", "unknown_call", "y_pred:0 input_length")
api("keras.backend.ctc_label_dense_to_sparse", "gather", "labels:x label_lengths")
api(
    "keras.backend.binary_focal_crossentropy",
    "binary_focal_crossentropy",
    "target:y_true output:y_pred apply_class_balancing alpha gamma from_logits",
)
api(
    "keras.backend.categorical_focal_crossentropy",
    "categorical_focal_crossentropy",
    "target:y_true output:y_pred alpha gamma from_logits axis",
)
api("keras.backend.backend keras.config.backend", lambda machine, call: Const("tensorflow"), "")
api(
    "keras.backend.image_data_format keras.config.image_data_format",
    lambda machine, call: Const("channels_last"),
    "",
)
api("keras.backend.set_epsilon keras.config.set_epsilon", "unknown_call", "value:0")
for _name, _signature in (
    ("set_image_data_format", "data_format"),
    ("clear_session", "free_memory"),
    ("get_uid", "prefix"),
    ("name_scope", "name"),
):
    api(f"keras.backend.{_name}", harmless, _signature)
