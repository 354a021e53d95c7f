"""NumPy's names, and those of Python's `math`."""

from __future__ import annotations

import math
from collections.abc import Callable

from tflint_nan.interval import FORMATS, epsilon, largest, smallest
from tflint_nan.ops import functions, indices, linalg, nn, shapes
from tflint_nan.ops.names import entries
from tflint_nan.ops.points import dtype_named
from tflint_nan.ops.special_functions import trunc, truncatemod
from tflint_nan.ops.table import CONSTANTS, Call, Handler, Machine, api
from tflint_nan.value import NONE, UNKNOWN, Const, Value

CONSTANTS.update(
    {
        "np.pi": Const(math.pi),
        "np.e": Const(math.e),
        "np.inf": Const(math.inf),
        "np.Inf": Const(math.inf),
        "np.infty": Const(math.inf),
        "np.nan": Const(math.nan),
        "np.NaN": Const(math.nan),
        "np.NAN": Const(math.nan),
        "np.newaxis": NONE,
        "np.euler_gamma": Const(0.5772156649015329),
        "math.pi": Const(math.pi),
        "math.tau": Const(math.tau),
        "math.e": Const(math.e),
        "math.inf": Const(math.inf),
        "math.nan": Const(math.nan),
        "sys.float_info.epsilon": Const(2.0**-52),
        "sys.float_info.min": Const(2.0**-1022),
        "sys.float_info.max": Const(largest("float64")),
    }
)

# ---- element by element


def ufunc(operator: str) -> Handler:
    """A ufunc: with `where`, only chosen elements are computed, so nothing is known of the result."""

    def emit(machine: Machine, call: Call) -> Value:
        args = {key: value for key, value in call.args.items() if key in ("x", "y")}
        if call.arg("where") is not NONE or "where" in call.extra:
            return machine.emit("unknown_call", args, call=call)
        return machine.emit(operator, args, call=call)

    return emit


for _operator, _short in entries(
    "abs abs:absolute abs:fabs acos:arccos acosh:arccosh asin:arcsin asinh:arcsinh atan:arctan "
    "atanh:arctanh ceil cos cosh exp expm1 floor is_finite:isfinite is_inf:isinf is_nan:isnan log log10 "
    "log1p log2 logical_not neg:negative reciprocal round:rint sign sin sinh sqrt square tan tanh"
):
    api(f"np.{_short}", ufunc(_operator), "x out where dtype")
for _operator, _short in entries(
    "add sub:subtract mul:multiply div:divide div:true_divide floordiv:floor_divide mod mod:remainder "
    "pow:power pow:float_power maximum minimum maximum:fmax minimum:fmin greater less greater_equal "
    "less_equal equal not_equal logical_and logical_or logical_xor matmul"
):
    api(f"np.{_short}", ufunc(_operator), "x1:x x2:y out where dtype")
api("np.round np.around", "round", "a:x decimals out")
api("np.round_", "round", "a:x decimals out", removed="2.16")
api("np.clip", "clip", "a:x a_min:min a_max:max out")
api("np.where", "where", "condition x y")
api("np.nan_to_num", "nan_to_num", "x copy nan posinf neginf")
api("keras.ops.nan_to_num", "nan_to_num", "x nan posinf neginf")

# ---- reductions

for _operator, _short in entries("sum prod sum:nansum"):
    api(f"np.{_short}", _operator, "a:x axis dtype out keepdims")
api("np.mean np.nanmean", "mean", "a:x axis dtype out keepdims")
api("np.average", "mean", "a:x axis weights returned")
api("np.median", "mean", "a:x axis out overwrite_input keepdims", middle=Const(True))
api("np.percentile np.quantile", "sort", "a:x q axis out")
api("np.std np.nanstd", "std", "a:x axis dtype out ddof keepdims")
api("np.var np.nanvar", "variance", "a:x axis dtype out ddof keepdims")
api("np.max np.amax np.nanmax", "max", "a:x axis out keepdims")
api("np.min np.amin np.nanmin", "min", "a:x axis out keepdims")
api("np.any", "any", "a:x axis out keepdims")
api("np.all", "all", "a:x axis out keepdims")
api("np.argmax", "argmax", "a:x axis out")
api("np.argmin", "argmin", "a:x axis out")
api("np.cumsum", "cumsum", "a:x axis dtype out")
api("np.cumprod", "cumprod", "a:x axis dtype out")
api("np.count_nonzero", "count_nonzero", "a:x axis")
api("np.linalg.norm", "norm", "x ord axis keepdims")

# ---- products

api("np.dot", "matmul", "a:x b:y out")
api("np.inner np.outer", "tensordot", "a:x b:y")
api("np.tensordot", "tensordot", "a:x b:y axes")
api("np.einsum", nn.einsum, "equation")

# ---- sources

api("np.array", "constant", "object:value dtype")
api("np.asarray np.asanyarray np.ascontiguousarray", "constant", "a:value dtype")
api("np.asfarray", "constant", "a:value dtype", removed="2.16")
api("np.zeros", "zeros", "shape dtype")
api("np.ones", "ones", "shape dtype")
api("np.zeros_like", "zeros", "a:x dtype")
api("np.ones_like", "ones", "a:x dtype")
api("np.full", "constant", "shape fill_value:value dtype")
api("np.full_like", "constant", "a:like fill_value:value dtype")
api("np.eye", "eye", "N M k dtype")
api("np.identity", "eye", "n dtype")
api("np.arange", "range", "start stop:limit step:delta dtype")
api("np.linspace", "linspace", "start stop num endpoint retstep dtype axis")

# ---- shapes

api("np.reshape", "reshape", "a:x shape order newshape:shape")
api("np.ravel", "reshape", "a:x order", shape=Const(-1))
api("np.squeeze", "squeeze", "a:x axis")
api("np.expand_dims", "expand_dims", "a:x axis")
api("np.transpose", "transpose", "a:x axes:perm")
api("np.swapaxes np.moveaxis", "swap", "a:x")
api("np.take", "gather", "a:x indices axis")
api("np.delete", "gather", "arr:x obj axis")
api("np.unique", indices.unique, "ar:x return_index return_inverse return_counts axis")
api("np.tile", "tile", "A:x reps")
api("np.repeat", "tile", "a:x repeats axis")
api("np.broadcast_to", "broadcast_to", "array:x shape")
api("np.stack", "stack", "arrays:values axis out")
api("np.concatenate", "concat", "arrays:values axis out")
for _short in ("vstack", "hstack", "dstack", "column_stack"):
    api(f"np.{_short}", shapes.side_by_side(_short), "tup:values")
api("np.row_stack", shapes.side_by_side("vstack"), "tup:values")
api("np.append", shapes.concat_pair, "arr:x values:y axis")
api("np.split np.array_split", shapes.split, "ary:x indices_or_sections:num axis")
api("np.flip", "reverse", "m:x axis")
api("np.fliplr np.flipud", "reverse", "m:x")
api("np.roll", "roll", "a:x shift axis")
api("np.sort", "sort", "a:x axis kind")
api("np.pad", "pad", "array:x pad_width:paddings mode")
api("np.copy", "identity", "a:x order subok")
api("np.tril np.triu", "band_part", "m:x k")
api("np.diag", linalg.diag, "v:x k")
api("np.shape", shapes.shape, "a:x")
api("np.size", "size", "a:x axis")
api("np.ndim", shapes.rank, "a:x")
for _name in ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8"):
    api(f"np.{_name}", "cast", "x", dtype=Const(_name))


def finfo(machine: Machine, call: Call) -> Value:
    """`np.finfo(dtype)`: the limits of a format."""
    name = dtype_named(call.arg("dtype"))
    if name not in FORMATS:
        return UNKNOWN
    normal = {"float16": 2.0**-14}.get(name, smallest(name))
    return machine.new(
        "finfo",
        call,
        eps=Const(epsilon(name)),
        tiny=Const(normal),
        smallest_normal=Const(normal),
        max=Const(largest(name)),
        min=Const(-largest(name)),
    )


api("np.finfo", finfo, "dtype")

# ---- math


def scalar(operator: str, point: Callable[..., float]) -> Handler:
    """A function of `math`: a literal of literals, else an op."""

    def compute(machine: Machine, call: Call) -> Value:
        numbers = [value.number if isinstance(value, Const) else None for value in call.args.values()]
        known = [number for number in numbers if number is not None]
        if known and len(known) == len(numbers):
            return Const(point(*known))
        return machine.emit(operator, call.args, call=call)

    return compute


for _name in ("exp", "expm1", "log1p", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "acos", "asin", "acosh"):
    api(f"math.{_name}", scalar(_name, getattr(functions, _name)), "x")
for _name in ("atan", "asinh", "tanh", "erf"):
    api(f"math.{_name}", scalar(_name, getattr(math, _name)), "x")
api("math.erfc", scalar("erfc", math.erfc), "x")
api("math.atanh", scalar("atanh", functions.atanh), "x")
api("math.lgamma", scalar("lgamma", functions.lgamma), "x")
api("math.fabs", scalar("abs", abs), "x")
api("math.log10", scalar("log10", functions.log10), "x")
api("math.log2", scalar("log2", functions.log2), "x")
api("math.floor", scalar("floor", functions.floor), "x")
api("math.ceil", scalar("ceil", functions.ceil), "x")
api("math.pow", scalar("pow", functions.power), "x y")
api("math.fmod", scalar("truncatemod", truncatemod), "x y")
api("math.trunc", scalar("trunc", trunc), "x")
api("math.atan2", scalar("atan2", math.atan2), "y x")
api("math.hypot", scalar("hypot", math.hypot), "x y")
api("math.copysign", scalar("copysign", math.copysign), "x y")


def logarithm(machine: Machine, call: Call) -> Value:
    """`math.log(x, base)`."""
    top = scalar("log", functions.log)(machine, _only_x(call, "x"))
    if call.arg("base") is NONE:
        return top
    bottom = scalar("log", functions.log)(machine, _only_x(call, "base"))
    if isinstance(top, Const) and isinstance(bottom, Const) and top.number is not None and bottom.number:
        return Const(top.number / bottom.number)
    return machine.emit("div", {"x": top, "y": bottom}, call=call)


def _only_x(call: Call, name: str) -> Call:
    return Call(call.api, {"x": call.arg(name)}, {}, call.node)


api("math.log", logarithm, "x base")
