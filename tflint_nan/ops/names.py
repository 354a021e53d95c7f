"""TensorFlow's names of elementwise operations, reductions, products and operations on shapes."""

from __future__ import annotations

from collections.abc import Iterator

from tflint_nan.ops import control, nn, shapes
from tflint_nan.ops.table import CONSTANTS, api
from tflint_nan.value import NONE, Const


def entries(text: str) -> Iterator[tuple[str, str]]:
    """Pairs of an operator and a library's short name, written `operator` or `operator:short`."""
    for word in text.split():
        name, _, short = word.partition(":")
        yield name, short or name


def both(target: str, short: str, signature: str) -> None:
    """Declare `tf.short` and `tf.math.short`."""
    api(f"tf.{short} tf.math.{short}", target, signature)


for _name, _ in entries(
    "float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool string "
    "complex64 complex128"
):
    CONSTANTS[f"tf.{_name}"] = Const(_name)
CONSTANTS["tf.half"] = Const("float16")
CONSTANTS["tf.double"] = Const("float64")
CONSTANTS["tf.newaxis"] = NONE

# ---- elementwise: (x, name)

for _operator, _short in entries(
    "abs acos acosh asin asinh atan atanh ceil cos cosh digamma erf erfc exp expm1 floor is_finite is_inf "
    "is_nan lgamma log log1p log_sigmoid neg:negative reciprocal round rsqrt sigmoid sign sin sinh sqrt "
    "square tan tanh logical_not round:rint"
):
    both(_operator, _short, "x name")
api("tf.math.erfinv", "erfinv", "x name")
api("tf.nn.sigmoid", "sigmoid", "x name")
api("tf.nn.tanh", "tanh", "x name")
api("tf.neg", "neg", "x name", removed="0.12")
api("tf.inv", "reciprocal", "x name", removed="0.12")
api("tf.debugging.is_finite", "is_finite", "x name")
api("tf.debugging.is_inf", "is_inf", "x name")
api("tf.debugging.is_nan", "is_nan", "x name")

for _name in ("relu", "relu6", "elu", "selu", "softplus", "softsign"):
    api(f"tf.nn.{_name}", _name, "features:x name")
api("tf.math.softplus", "softplus", "features:x name")
api("tf.math.softsign", "softsign", "features:x name")
api("tf.nn.gelu", "gelu", "features:x approximate name")
api("tf.nn.silu tf.nn.swish", "swish", "features:x beta")
api("tf.nn.leaky_relu", "leaky_relu", "features:x alpha name")

# ---- binary: (x, y, name)

for _operator, _short in entries(
    "add sub:subtract mul:multiply div:divide div:truediv pow maximum minimum squared_difference"
):
    both(_operator, _short, "x y name")
both("floordiv", "floordiv", "x y name")
both("mod", "mod", "x y name")
both("mod", "floormod", "x y name")
api("tf.div tf.realdiv", "div", "x y name")
api("tf.floor_div", "floordiv", "x y name")
api("tf.div_no_nan tf.math.divide_no_nan", "divide_no_nan", "x y name")
api("tf.math.multiply_no_nan", "multiply_no_nan", "x y name")
api("tf.math.xlogy", "xlogy", "x y name")
api("tf.math.xlog1py", "xlog1py", "x y name")
api("tf.sub", "sub", "x y name", removed="0.12")
api("tf.mul", "mul", "x y name", removed="0.12")
both("mul", "scalar_mul", "scalar:y x name")
api("tf.add_n tf.math.add_n", nn.add_all, "inputs:values name")
api("tf.accumulate_n tf.math.accumulate_n", nn.add_all, "inputs:values shape tensor_dtype name")
for _name, _ in entries(
    "greater less greater_equal less_equal equal not_equal logical_and logical_or logical_xor"
):
    both(_name, _name, "x y name")
api("tf.clip_by_value", "clip", "t:x clip_value_min:min clip_value_max:max name")
api("tf.where tf.where_v2", "where", "condition x y name")
api("tf.select", "where", "condition t:x e:y name", removed="0.12")

# ---- reductions

_REDUCED = "input_tensor:x axis keepdims name reduction_indices:axis keep_dims:keepdims"
for _name in ("sum", "mean", "max", "min", "prod", "any", "all", "logsumexp"):
    both(_name, f"reduce_{_name}", _REDUCED)
api("tf.math.reduce_std", "std", "input_tensor:x axis keepdims name")
api("tf.math.reduce_variance", "variance", "input_tensor:x axis keepdims name")
api("tf.math.reduce_euclidean_norm", "norm", "input_tensor:x axis keepdims name")
api("tf.norm tf.linalg.norm", "norm", "tensor:x ord axis keepdims name keep_dims:keepdims")
for _name in ("argmax", "argmin"):
    both(_name, _name, "input:x axis output_type name dimension:axis")
api("tf.arg_max", "argmax", "input:x dimension:axis output_type name")
api("tf.arg_min", "argmin", "input:x dimension:axis output_type name")
both("cumsum", "cumsum", "x axis exclusive reverse name")
both("cumprod", "cumprod", "x axis exclusive reverse name")
api(
    "tf.count_nonzero tf.math.count_nonzero",
    "count_nonzero",
    "input_tensor:x axis keepdims dtype name reduction_indices:axis keep_dims:keepdims input:x",
)
api("tf.nn.moments", nn.moments, "x axes:axis shift keepdims name keep_dims:keepdims")
api("tf.nn.zero_fraction tf.math.zero_fraction", "fraction", "value:x name")
api("tf.nn.l2_loss", nn.half_square, "t:x name")
api(
    "tf.nn.l2_normalize tf.math.l2_normalize tf.linalg.l2_normalize",
    "l2_normalize",
    "x axis epsilon name dim:axis",
)
api("tf.nn.softmax tf.math.softmax", "softmax", "logits:x axis name dim:axis")
api("tf.nn.log_softmax tf.math.log_softmax", "log_softmax", "logits:x axis name dim:axis")

# ---- products

api(
    "tf.matmul tf.linalg.matmul",
    "matmul",
    "a:x b:y transpose_a transpose_b adjoint_a adjoint_b a_is_sparse b_is_sparse",
)
api("tf.linalg.matvec", "tensordot", "a:x b:y transpose_a adjoint_a a_is_sparse b_is_sparse name")
api("tf.batch_matmul", "matmul", "x y adj_x adj_y name", removed="0.12")
api("tf.tensordot tf.linalg.tensordot", "tensordot", "a:x b:y axes name")
api("tf.einsum tf.linalg.einsum", nn.einsum, "equation")
api("tf.nn.xw_plus_b", nn.affine, "x weights:y biases name")
api("tf.nn.relu_layer", nn.affine, "x weights:y biases name")
api("tf.nn.bias_add", "add", "value:x bias:y data_format name")
api(
    "tf.sparse.sparse_dense_matmul tf.sparse_tensor_dense_matmul tf.sparse.matmul",
    "matmul",
    "sp_a:x b:y adjoint_a adjoint_b name",
)

# ---- fused cross entropies

api(
    "tf.nn.softmax_cross_entropy_with_logits",
    "softmax_cross_entropy_with_logits",
    "labels logits axis name dim:axis",
)
api(
    "tf.nn.softmax_cross_entropy_with_logits_v2",
    "softmax_cross_entropy_with_logits",
    "labels logits axis name dim:axis",
)
api(
    "tf.nn.sparse_softmax_cross_entropy_with_logits",
    "sparse_softmax_cross_entropy_with_logits",
    "labels logits name",
)
api("tf.nn.sigmoid_cross_entropy_with_logits", "sigmoid_cross_entropy_with_logits", "labels logits name")
api(
    "tf.nn.weighted_cross_entropy_with_logits",
    "weighted_cross_entropy_with_logits",
    "labels logits pos_weight name targets:labels",
)

# ---- convolutions, pools, normalisation

_CONV = "input:x filters:kernel strides padding data_format dilations name filter:kernel value:x"
for _name in ("conv2d", "conv3d", "convolution"):
    api(f"tf.nn.{_name}", "conv", _CONV)
api("tf.nn.atrous_conv2d", "conv", "value:x filters:kernel rate padding name")
api("tf.nn.conv1d", "conv", "input:x filters:kernel stride padding data_format dilations name value:x")
for _name in ("conv1d_transpose", "conv2d_transpose", "conv3d_transpose"):
    api(
        f"tf.nn.{_name}",
        "conv",
        "input:x filters:kernel output_shape strides padding data_format dilations name filter:kernel "
        "value:x",
    )
api("tf.nn.depthwise_conv2d", "conv", "input:x filter:kernel strides padding data_format dilations name")
api(
    "tf.nn.separable_conv2d",
    "conv",
    "input:x depthwise_filter:kernel pointwise_filter strides padding data_format dilations name",
)
_POOL = "input:x ksize strides padding data_format name value:x"
for _name in ("max_pool", "max_pool1d", "max_pool2d", "max_pool3d"):
    api(f"tf.nn.{_name}", "max_pool", _POOL)
for _name in ("avg_pool", "avg_pool1d", "avg_pool2d", "avg_pool3d"):
    api(f"tf.nn.{_name}", "avg_pool", _POOL)
api("tf.nn.batch_normalization", "batch_norm", "x mean variance offset scale variance_epsilon:epsilon name")
api(
    "tf.nn.batch_norm_with_global_normalization",
    "batch_norm",
    "input:x mean variance beta gamma variance_epsilon:epsilon scale_after_normalization name t:x m:mean "
    "v:variance",
)
api(
    "tf.nn.fused_batch_norm",
    nn.fused_batch_norm,
    "x scale offset mean variance epsilon data_format is_training name",
)
api("tf.nn.dropout", "dropout", "x rate noise_shape seed name keep_prob")
api("tf.nn.experimental.stateless_dropout", "dropout", "x rate seed")

# ---- sources

api("tf.constant", "constant", "value dtype shape name verify_shape")
api("tf.convert_to_tensor", "constant", "value dtype dtype_hint name preferred_dtype")
api("tf.fill", "constant", "dims:shape value name")
api("tf.zeros", "zeros", "shape dtype name")
api("tf.ones", "ones", "shape dtype name")
api("tf.zeros_like", "zeros", "input:x dtype name tensor:x")
api("tf.ones_like", "ones", "input:x dtype name tensor:x")
api("tf.one_hot", "one_hot", "indices:x depth on_value off_value axis dtype name")
api("tf.eye tf.linalg.eye", "eye", "num_rows num_columns batch_shape dtype name")
api("tf.range", "range", "start limit delta dtype name")
api("tf.linspace tf.lin_space", "linspace", "start stop num name axis")
_NORMAL = "shape mean stddev dtype seed name"
api("tf.random.normal tf.random_normal", "random_normal", _NORMAL)
api("tf.random.truncated_normal tf.truncated_normal", "random_normal", _NORMAL, truncated=Const(True))
api("tf.random.uniform tf.random_uniform", "random_uniform", "shape minval maxval dtype seed name")
api("tf.random.stateless_normal", "random_normal", "shape seed mean stddev dtype name")
api(
    "tf.random.stateless_truncated_normal",
    "random_normal",
    "shape seed mean stddev dtype name",
    truncated=Const(True),
)
api("tf.random.stateless_uniform", "random_uniform", "shape seed minval maxval dtype name")
api("tf.sequence_mask", "mask", "lengths maxlen dtype name")
api("tf.nn.in_top_k tf.math.in_top_k", "mask", "targets predictions k name")

# ---- shapes

api("tf.reshape", "reshape", "tensor:x shape name")
api("tf.squeeze", "squeeze", "input:x axis name squeeze_dims:axis")
api("tf.expand_dims", "expand_dims", "input:x axis name dim:axis")
api("tf.transpose", "transpose", "a:x perm conjugate name")
api("tf.linalg.matrix_transpose tf.matrix_transpose", "swap", "a:x name")
api("tf.gather", "gather", "params:x indices validate_indices axis batch_dims name")
api("tf.gather_nd", "gather", "params:x indices")
api("tf.boolean_mask", "gather", "tensor:x mask:indices")
api("tf.slice", "slice", "input_:x begin size name")
api("tf.strided_slice", "slice", "input_:x begin end strides")
api("tf.tile", "tile", "input:x multiples name")
api("tf.repeat", "tile", "input:x repeats axis name")
api("tf.broadcast_to", "broadcast_to", "input:x shape name")
api("tf.stack", "stack", "values axis name")
api("tf.pack", "stack", "values axis name", removed="0.12")
api("tf.concat", shapes.concat, "values axis name concat_dim:axis")
api("tf.concat_v2", shapes.concat, "values axis name", removed="0.12")
api("tf.unstack", shapes.unstack, "value:x num axis name")
api("tf.unpack", shapes.unstack, "value:x num axis name", removed="0.12")
api("tf.split", shapes.split, "value:x num_or_size_splits:num axis num name split_dim:axis num_split:num")
api("tf.as_dtype tf.dtypes.as_dtype", shapes.as_dtype, "type_value")
api("tf.cast tf.dtypes.cast", "cast", "x dtype name")
api("tf.saturate_cast tf.dtypes.saturate_cast", "cast", "value:x dtype name")
api("tf.to_float", "cast", "x name", dtype=Const("float32"))
api("tf.to_double", "cast", "x name", dtype=Const("float64"))
api("tf.to_int32", "cast", "x name", dtype=Const("int32"))
api("tf.to_int64", "cast", "x name", dtype=Const("int64"))
api("tf.to_bfloat16", "cast", "x name", dtype=Const("bfloat16"))
api("tf.identity", "identity", "input:x name")
api("tf.ensure_shape", "identity", "x shape name")
api("tf.Print", "identity", "input_:x data message")
api("tf.check_numerics tf.debugging.check_numerics", "identity", "tensor:x message name")
api("tf.stop_gradient", "stop_gradient", "input:x name")
api("tf.pad", "pad", "tensor:x paddings mode constant_values name")
api("tf.reverse tf.reverse_v2", "reverse", "tensor:x axis name")
api("tf.roll", "roll", "input:x shift axis name")
api("tf.sort", "sort", "values:x axis direction name")
api("tf.random.shuffle tf.random_shuffle", "shuffle", "value:x seed name")
api("tf.nn.embedding_lookup", "gather", "params:x ids:indices")
api("tf.nn.top_k tf.math.top_k", shapes.top_k, "input:x k sorted")
api("tf.linalg.band_part tf.matrix_band_part", "band_part", "input:x num_lower num_upper name")
api("tf.linalg.diag_part tf.matrix_diag_part", "diag_part", "input:x name")
api("tf.linalg.tensor_diag_part tf.diag_part", "diag_part", "input:x name")
api("tf.space_to_depth tf.nn.space_to_depth", "gather", "input:x block_size")
api("tf.depth_to_space tf.nn.depth_to_space", "gather", "input:x block_size")
api("tf.shape", shapes.shape, "input:x out_type name")
api("tf.size", "size", "input:x out_type name")
api("tf.rank", "size", "input:x name")

# ---- control

api("tf.cond", control.cond, "pred:condition true_fn:x false_fn:y name fn1:x fn2:y")
