"""Names of `tf.experimental.numpy` and of TensorFlow Probability."""

from __future__ import annotations

from tflint_nan.ops.names import entries
from tflint_nan.ops.table import api

_NUMPY = "tf.experimental.numpy"

for _operator, _short in entries(
    "abs abs:absolute ceil cos exp expm1 floor log log10 log1p log2 neg:negative reciprocal sign sin sqrt "
    "square tanh is_nan:isnan is_finite:isfinite"
):
    api(f"{_NUMPY}.{_short}", _operator, "x")
for _operator, _short in entries(
    "add sub:subtract mul:multiply div:divide div:true_divide mod pow:power maximum minimum matmul greater "
    "less equal"
):
    api(f"{_NUMPY}.{_short}", _operator, "x1:x x2:y")
for _operator, _short in entries("sum prod"):
    api(f"{_NUMPY}.{_short}", _operator, "a:x axis dtype keepdims")
for _operator, _short in entries("max min any all std"):
    api(f"{_NUMPY}.{_short}", _operator, "a:x axis keepdims")
for _operator, _short in entries("max:amax min:amin"):
    api(f"{_NUMPY}.{_short}", _operator, "a:x axis out keepdims")
api(f"{_NUMPY}.mean", "mean", "a:x axis dtype out keepdims")
api(f"{_NUMPY}.var", "variance", "a:x axis dtype out ddof keepdims")
api(f"{_NUMPY}.argmax", "argmax", "a:x axis")
api(f"{_NUMPY}.argmin", "argmin", "a:x axis")
api(f"{_NUMPY}.cumsum", "cumsum", "a:x axis dtype")
api(f"{_NUMPY}.clip", "clip", "a:x a_min:min a_max:max")
api(f"{_NUMPY}.where", "where", "condition x y")
api(f"{_NUMPY}.round", "round", "a:x decimals")
api(f"{_NUMPY}.dot", "matmul", "a:x b:y")
api(f"{_NUMPY}.tensordot", "tensordot", "a:x b:y axes")
api(f"{_NUMPY}.array", "constant", "val:value dtype")
api(f"{_NUMPY}.asarray", "constant", "a:value dtype")
api(f"{_NUMPY}.zeros", "zeros", "shape dtype")
api(f"{_NUMPY}.ones", "ones", "shape dtype")
api(f"{_NUMPY}.reshape", "reshape", "a:x newshape:shape order")
api(f"{_NUMPY}.squeeze", "squeeze", "a:x axis")
api(f"{_NUMPY}.expand_dims", "expand_dims", "a:x axis")
api(f"{_NUMPY}.transpose", "transpose", "a:x axes:perm")
api(f"{_NUMPY}.stack", "stack", "arrays:values axis")
api(f"{_NUMPY}.concatenate", "concat", "arys:values axis")
api("tfp.math.clip_by_value_preserve_gradient", "clip", "t:x clip_value_min:min clip_value_max:max name")
