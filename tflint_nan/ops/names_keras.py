"""`keras.ops`: what NumPy and neural networks have in common with TensorFlow."""

from __future__ import annotations

import math

from tflint_nan.interval import NON_NEGATIVE, UNIT, Interval

# Handlers and names that these names share are declared there.
from tflint_nan.ops import control, indices, linalg, loops, nn, numpy_arrays, shapes  # noqa: F401
from tflint_nan.ops.bounds import bounded, unshaped
from tflint_nan.ops.names import entries
from tflint_nan.ops.table import APIS, Call, Handler, Machine, api
from tflint_nan.value import NONE, UNKNOWN, Const, Op, Value


def scaled(factor: float) -> Handler:
    """The argument times a number."""

    def handler(machine: Machine, call: Call) -> Value:
        return machine.emit("mul", {"x": call.arg("x"), "y": Const(factor)}, call=call)

    return handler


def normalised(machine: Machine, call: Call) -> Value:
    """A normalisation, with the trained scale that it is given, if any."""
    name = "normalization" if call.arg("gamma") is NONE else "layer_norm"
    return machine.emit(name, call.args, call=call)


def updated(machine: Machine, call: Call) -> Value:
    """Some elements replaced by others; reduced with them in a way that is not followed."""
    if call.arg("reduction").literal is not None:
        return machine.emit("unknown_call", {"0": call.arg("x"), "1": call.arg("y")}, call=call)
    return machine.emit("join", {"0": call.arg("x"), "1": call.arg("y")}, call=call)


def patches(machine: Machine, call: Call) -> Value:
    """`unfold(x, kernel_size, padding)`: parts of an image, framed by zeros."""
    return machine.emit("gather", {"x": machine.emit("pad", {"x": call.arg("x")}, call=call)}, call=call)


def _step(op: Op) -> Interval:
    """0 below 0, 1 over 0, another number at 0."""
    return UNIT.hull(op.arg("y").interval)


bounded("heaviside", _step, "x", "y", differentiable=False)
bounded("distance", NON_NEGATIVE, "x", "y", shape=unshaped)

# ---- keras.ops: elementwise

for _operator, _short in entries(
    "abs abs:absolute acos:arccos acosh:arccosh asin:arcsin asinh:arcsinh atan:arctan atanh:arctanh ceil "
    "cos cosh erf erfc erfinv exp expm1 floor is_finite:isfinite is_inf:isinf is_nan:isnan log log10 "
    "log1p log2 logical_not neg:negative reciprocal rsqrt sign sin sinh sqrt square tan"
):
    api(f"keras.ops.{_short}", _operator, "x")
for _operator, _short in entries(
    "angle cbrt conj conj:conjugate exp2 abs:fabs bessel_i0:i0 imag real sinc trunc bits:bitwise_invert "
    "bits:bitwise_not"
):
    api(f"keras.ops.{_short}", _operator, "x")
for _short in ("isneginf", "isposinf", "isreal", "signbit"):
    api(f"keras.ops.{_short}", "mask", "x", dtype=Const("bool"))
for _short in ("allclose", "isclose", "isin"):
    api(f"keras.ops.{_short}", "mask", "x1:x x2:y", dtype=Const("bool"))
api("keras.ops.round", "round", "x decimals")
for _operator, _short in entries(
    "add sub:subtract mul:multiply div:divide div:true_divide floordiv:floor_divide mod pow:power maximum "
    "minimum matmul divide_no_nan greater less greater_equal less_equal equal not_equal logical_and "
    "logical_or logical_xor"
):
    api(f"keras.ops.{_short}", _operator, "x1:x x2:y")
for _operator, _short in entries(
    "maximum:fmax minimum:fmin truncatemod:fmod hypot logaddexp nextafter bits:gcd bits:lcm tensordot:kron "
    "cross distance:cdist"
):
    api(f"keras.ops.{_short}", _operator, "x1:x x2:y" if _short != "cdist" else "x y")
api("keras.ops.arctan2", "atan2", "x1:y x2:x")
for _short in ("bitwise_and", "bitwise_or", "bitwise_xor"):
    api(f"keras.ops.{_short}", "bits", "x y")
for _short in ("bitwise_left_shift", "bitwise_right_shift", "left_shift", "right_shift"):
    api(f"keras.ops.{_short}", "bits", "x y")
api("keras.ops.deg2rad", scaled(math.pi / 180.0), "x")
api("keras.ops.rad2deg", scaled(180.0 / math.pi), "x")
api("keras.ops.heaviside", "heaviside", "x1:x x2:y")
api("keras.ops.correlate", "tensordot", "x1:x x2:y mode")
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
for _operator, _short in entries(
    "argmax:nanargmax argmin:nanargmin max:nanmax min:nanmin mean:nanmean "
    "std:nanstd variance:nanvar sum:nansum prod:nanprod peak_to_peak:ptp"
):
    api(f"keras.ops.{_short}", _operator, "x axis keepdims")
for _short in ("median", "nanmedian"):
    api(f"keras.ops.{_short}", "mean", "x axis keepdims", middle=Const(True))
for _operator, _short in entries("cumsum:nancumsum cumprod:nancumprod"):
    api(f"keras.ops.{_short}", _operator, "x axis dtype")
for _short in ("percentile", "quantile", "nanpercentile", "nanquantile"):
    api(f"keras.ops.{_short}", "gather", "x q axis method keepdims")
api("keras.ops.moments", nn.moments, "x axes:axis keepdims synchronized")
api("keras.ops.normalize", "l2_normalize", "x axis order epsilon")
api("keras.ops.segment_sum", "segment_sum", "data:x segment_ids num_segments sorted")
for _name, _empty in (("max", "lowest"), ("min", "highest")):
    api(
        f"keras.ops.segment_{_name}",
        "segment",
        "data:x segment_ids num_segments sorted",
        empty=Const(_empty),
        reduction=Const(_name),
    )
api("keras.ops.segment_prod", "segment_prod", "data:x segment_ids num_segments sorted")
api("keras.ops.corrcoef", "correlation", "x")
api("keras.ops.diff", "difference", "a:x n axis")
api("keras.ops.trapezoid", "quadrature", "y:x x:at dx axis")
api("keras.ops.bincount", "count", "x weights minlength sparse")

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
api("keras.ops.separable_conv", "conv", "inputs:x depthwise_kernel:kernel pointwise_kernel strides padding")
api("keras.ops.adaptive_average_pool", "avg_pool", "inputs:x output_size data_format")
api("keras.ops.adaptive_max_pool", "max_pool", "inputs:x output_size data_format")
api("keras.ops.layer_normalization", normalised, "x gamma beta axis epsilon")
api("keras.ops.rms_normalization", normalised, "x scale:gamma axis epsilon")
api("keras.ops.dot_product_attention", "attend", "query:x key value bias mask scale is_causal")
api("keras.ops.binary_crossentropy", "binary_crossentropy", "target:y_true output:y_pred from_logits")
for _name in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
    api(f"keras.ops.{_name}", _name, "target:y_true output:y_pred from_logits axis")
api("keras.ops.ctc_loss", "ctc_loss", "target:labels output:logits target_length output_length mask_index")
api("keras.ops.psnr", "psnr", "x1:a x2:b max_val")
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
api("keras.random.beta", "random_uniform", "shape alpha beta dtype seed")
api("keras.random.gamma", "random_positive", "shape alpha dtype seed")
api("keras.random.binomial", "random_counts", "shape counts:limit probabilities dtype seed")
api("keras.random.categorical", "categorical", "logits:x num_samples dtype seed")
api("keras.random.SeedGenerator", lambda machine, call: machine.new("seed", call), "seed")
api("keras.random.randint", "random_integers", "shape minval maxval dtype seed")
api("keras.random.shuffle", "shuffle", "x axis seed")
api("keras.ops.reshape", "reshape", "x newshape:shape")
api("keras.ops.ravel", "reshape", "x", shape=Const(-1))
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
# Of vectors these do not make what NumPy's functions make of them, not with every backend.
api("keras.ops.dstack keras.ops.hstack keras.ops.vstack", "concat", "xs:values", axis=UNKNOWN)
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
for _names, _kind in (
    ("bartlett hanning", "hann"),
    ("blackman", "blackman"),
    ("hamming", "hamming"),
    ("kaiser", "kaiser"),
):
    for _name in _names.split():
        _signature = "x:length beta" if _name == "kaiser" else "x:length"
        api(f"keras.ops.{_name}", "window", _signature, kind=Const(_kind))
_FRAMES = "sequence_length sequence_stride fft_length"
api("keras.ops.fft keras.ops.fft2 keras.ops.ifft2", "spectrum", "x")
api("keras.ops.rfft", "spectrum", "x fft_length")
api("keras.ops.stft", "spectrum", f"x {_FRAMES} window center")
api("keras.ops.irfft", "inverse_spectrum", "x fft_length")
api("keras.ops.istft", "inverse_spectrum", f"x {_FRAMES} length window center")
api("keras.ops.array_split", shapes.split, "x indices_or_sections:num axis")
for _name in ("dsplit", "hsplit", "vsplit"):
    api(f"keras.ops.{_name}", shapes.split, "x indices_or_sections:num")
api("keras.ops.rot90", "swap", "array:x k axes")
api("keras.ops.fliplr keras.ops.flipud", "reverse", "x")
api("keras.ops.diagflat", "diag", "x k")
api("keras.ops.diagonal", "diag_part", "x offset axis1 axis2")
api("keras.ops.tri", "mask", "N M k dtype")
api("keras.ops.view", "bitcast", "x dtype")
api("keras.ops.space_to_depth keras.ops.depth_to_space", "gather", "x block_size data_format")
api("keras.ops.unfold", patches, "x kernel_size dilation padding:paddings stride")
api("keras.ops.fold", "overlap_and_add", "x output_size kernel_size")
api("keras.ops.extract_sequences", "gather", "x sequence_length sequence_stride")
api("keras.ops.rearrange", "gather", "tensor:x pattern")
api("keras.ops.geomspace", "linspace", "start stop num endpoint dtype axis")
api("keras.ops.logspace", "logspace", "start stop num endpoint base dtype axis", dtype=Const("float32"))
api("keras.ops.empty", "uninitialised", "shape dtype")
api("keras.ops.empty_like", "uninitialised", "x dtype")
api("keras.ops.argsort", "argsort", "x axis")
api("keras.ops.argpartition", "index", "x kth axis")
api("keras.ops.digitize", "index", "x:at bins")
api("keras.ops.nonzero", "index", "x")
api("keras.ops.searchsorted", "index", "sorted_sequence:a values side")
api("keras.ops.unravel_index", "index", "indices shape")
api("keras.ops.scatter", "segment_sum", "indices values:x shape")
api("keras.ops.slice_update", updated, "inputs:x start_indices updates:y")
api("keras.ops.scatter_update", updated, "inputs:x indices updates:y reduction")
api("keras.ops.dtype", shapes.dtype, "x")

# ---- keras.ops: linear algebra

api("keras.ops.cholesky", "cholesky", "x upper")
api("keras.ops.cholesky_inverse", "matrix_inverse", "x upper")
api("keras.ops.det", "determinant", "x")
api("keras.ops.inv", "matrix_inverse", "x")
api("keras.ops.logdet", "log_determinant", "x")
api("keras.ops.matrix_rank", "count", "x tol")
api("keras.ops.pinv", "pseudo_inverse", "x rcond")
api("keras.ops.solve", "solve", "a:x b:y")
api("keras.ops.solve_triangular", "solve", "a:x b:y lower")
for _name, _like, _signature in (
    ("eig", "np.linalg.eig", "x"),
    ("eigh", "np.linalg.eigh", "x"),
    ("qr", "np.linalg.qr", "x mode"),
    ("slogdet", "np.linalg.slogdet", "x"),
    ("svd", "np.linalg.svd", "x full_matrices compute_uv"),
    ("trace", "np.trace", "x offset axis1 axis2"),
    ("lu_factor", "tf.linalg.lu", "x"),
    ("histogram", "np.histogram", "x bins range"),
    ("meshgrid", "np.meshgrid", ""),
    ("select", "np.select", "condlist choicelist:values default"),
    ("unique", "np.unique", "x sorted return_index return_inverse return_counts axis"),
    ("custom_gradient", "tf.custom_gradient", "f"),
):
    api(f"keras.ops.{_name}", APIS[_like].target, _signature)
# `lstsq` gives the solution alone, unlike NumPy's.
api("keras.ops.lstsq", "solve", "a:x b:y rcond")
# What is computed is not followed: complex numbers, powers of any exponent, decoded sequences.
for _name, _signature in (
    ("ctc_decode", "inputs:0 sequence_lengths"),
    ("ldexp", "x1:0 x2:1"),
    ("logaddexp2", "x1:0 x2:1"),
    ("polar", "abs_:0 angle:1"),
    ("vander", "x:0 N increasing"),
    ("view_as_complex", "x:0"),
    ("view_as_real", "x:0"),
):
    api(f"keras.ops.{_name}", "unknown_call", _signature)
api("keras.ops.cond", control.cond, "pred:condition true_fn:x false_fn:y")
api("keras.utils.to_categorical", "one_hot", "x num_classes:depth")
api(
    "keras.utils.pad_sequences keras.preprocessing.sequence.pad_sequences",
    "pad",
    "sequences:x maxlen dtype padding truncating value:constant_values",
)
api("keras.utils.normalize", "l2_normalize", "x axis order")
