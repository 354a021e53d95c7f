"""Keras' names: activations, `keras.ops`, and the backend of Keras 1 and 2 (`K`)."""

from __future__ import annotations

from tflint_nan.ops import control, nn, shapes
from tflint_nan.ops.names import entries
from tflint_nan.ops.table import api
from tflint_nan.value import Const

# ---- keras.ops: elementwise

for _operator, _short in entries(
    "abs abs:absolute acos:arccos acosh:arccosh asin:arcsin asinh:arcsinh atan:arctan atanh:arctanh ceil "
    "cos cosh erf erfc erfinv exp expm1 floor is_finite:isfinite is_inf:isinf is_nan:isnan log log10 "
    "log1p log2 logical_not neg:negative reciprocal rsqrt sign sin sinh sqrt square tan"
):
    api(f"keras.ops.{_short}", _operator, "x")
api("keras.ops.round", "round", "x decimals")
for _operator, _short in entries(
    "add sub:subtract mul:multiply div:divide div:true_divide floordiv:floor_divide mod pow:power maximum "
    "minimum matmul divide_no_nan greater less greater_equal less_equal equal not_equal logical_and "
    "logical_or logical_xor"
):
    api(f"keras.ops.{_short}", _operator, "x1:x x2:y")
api("keras.ops.dot keras.ops.inner keras.ops.outer keras.ops.vdot", "tensordot", "x1:x x2:y")
api("keras.ops.tensordot", "tensordot", "x1:x x2:y axes")
api("keras.ops.einsum", nn.einsum, "subscripts:equation")
api("keras.ops.clip", "clip", "x x_min:min x_max:max")
api("keras.ops.where", "where", "condition x1:x x2:y")

# ---- keras.ops: reductions

for _operator, _short in entries(
    "sum mean max max:amax min min:amin std variance:var any all logsumexp argmax argmin"
):
    api(f"keras.ops.{_short}", _operator, "x axis keepdims")
api("keras.ops.prod", "prod", "x axis keepdims dtype")
api("keras.ops.average", "mean", "x axis weights")
api("keras.ops.norm", "norm", "x ord axis keepdims")
api("keras.ops.count_nonzero", "count_nonzero", "x axis")
api("keras.ops.cumsum", "cumsum", "x axis dtype")
api("keras.ops.cumprod", "cumprod", "x axis dtype")
api("keras.ops.moments", nn.moments, "x axes:axis keepdims synchronized")
api("keras.ops.normalize", "l2_normalize", "x axis order epsilon")
api("keras.ops.segment_sum", "segment_sum", "data:x segment_ids num_segments sorted")
api("keras.ops.segment_max", "segment", "data:x segment_ids num_segments sorted")

# ---- keras.ops: layers as functions

api("keras.ops.conv", "conv", "inputs:x kernel strides padding data_format dilation_rate")
api("keras.ops.depthwise_conv", "conv", "inputs:x kernel strides padding data_format dilation_rate")
api(
    "keras.ops.conv_transpose",
    "conv",
    "inputs:x kernel strides padding output_padding data_format dilation_rate",
)
api("keras.ops.max_pool", "max_pool", "inputs:x pool_size strides padding data_format")
api("keras.ops.average_pool", "avg_pool", "inputs:x pool_size strides padding data_format")
api("keras.ops.batch_normalization", "batch_norm", "x mean variance axis offset scale epsilon")
api("keras.random.dropout", "dropout", "inputs:x rate noise_shape seed")

# ---- keras.ops: sources and shapes

api("keras.ops.array keras.ops.convert_to_tensor", "constant", "x:value dtype")
api("keras.ops.full", "constant", "shape fill_value:value dtype")
api("keras.ops.zeros", "zeros", "shape dtype")
api("keras.ops.ones", "ones", "shape dtype")
api("keras.ops.zeros_like", "zeros", "x dtype")
api("keras.ops.ones_like", "ones", "x dtype")
api("keras.ops.full_like", "constant", "x:like fill_value:value dtype")
api("keras.ops.one_hot", "one_hot", "x num_classes:depth axis dtype sparse")
api("keras.ops.multi_hot", "mask", "inputs:x num_classes axis dtype sparse")
api("keras.ops.in_top_k", "mask", "targets predictions k")
api("keras.ops.eye", "eye", "N M k dtype")
api("keras.ops.identity", "eye", "n dtype")
api("keras.ops.arange", "range", "start stop:limit step:delta dtype")
api("keras.ops.linspace", "linspace", "start stop num endpoint retstep dtype axis")
_NORMAL = "shape mean stddev dtype seed"
api("keras.random.normal keras.backend.random_normal", "random_normal", _NORMAL)
api(
    "keras.random.truncated_normal keras.backend.truncated_normal",
    "random_normal",
    _NORMAL,
    truncated=Const(True),
)
api("keras.random.uniform keras.backend.random_uniform", "random_uniform", "shape minval maxval dtype seed")
api("keras.random.randint", "random_integers", "shape minval maxval dtype seed")
api("keras.random.shuffle", "shuffle", "x axis seed")
api("keras.ops.reshape", "reshape", "x newshape:shape")
api("keras.ops.ravel", "gather", "x")
api("keras.ops.squeeze", "squeeze", "x axis")
api("keras.ops.expand_dims", "expand_dims", "x axis")
api("keras.ops.transpose", "transpose", "x axes:perm")
api("keras.ops.swapaxes", "swap", "x axis1 axis2")
api("keras.ops.moveaxis", "swap", "x source destination")
api("keras.ops.take keras.ops.take_along_axis", "gather", "x indices axis")
api("keras.ops.get_item", "slice", "x key:index")
api("keras.ops.slice", "slice", "inputs:x start_indices shape")
api("keras.ops.tile", "tile", "x repeats")
api("keras.ops.repeat", "tile", "x repeats axis")
api("keras.ops.broadcast_to", "broadcast_to", "x shape")
api("keras.ops.stack", "stack", "x:values axis")
api("keras.ops.concatenate", "concat", "xs:values axis")
api("keras.ops.hstack keras.ops.vstack", "concat", "xs:values")
api("keras.ops.append", shapes.concat_pair, "x1:x x2:y axis")
api("keras.ops.unstack", shapes.unstack, "x num axis")
api("keras.ops.split", shapes.split, "x indices_or_sections:num axis")
api("keras.ops.cast keras.ops.saturate_cast", "cast", "x dtype")
api("keras.ops.copy keras.ops.convert_to_numpy", "identity", "x")
api("keras.ops.stop_gradient", "stop_gradient", "variable:x")
api("keras.ops.pad", "pad", "x pad_width:paddings mode constant_values")
api("keras.ops.flip", "reverse", "x axis")
api("keras.ops.roll", "roll", "x shift axis")
api("keras.ops.sort", "sort", "x axis")
api("keras.ops.top_k", shapes.top_k, "x k sorted")
api("keras.ops.tril keras.ops.triu", "band_part", "x k")
api("keras.ops.diag", "diag_part", "x k")
api("keras.ops.shape", shapes.shape, "x")
api("keras.ops.size", "size", "x")
api("keras.ops.ndim", shapes.rank, "x")
api("keras.ops.cond", control.cond, "pred:condition true_fn:x false_fn:y")
api("keras.utils.to_categorical", "one_hot", "x num_classes:depth")
api("keras.utils.normalize", "l2_normalize", "x axis order")

# ---- the backend

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
