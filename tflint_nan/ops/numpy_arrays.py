"""NumPy's names beside arithmetic: orders, sets, statistics, pieces of arrays; what else `np.linalg` has."""

from __future__ import annotations

import math

from tflint_nan.interval import EVERYTHING, NON_NEGATIVE, Interval, epsilon
from tflint_nan.ops import shapes
from tflint_nan.ops.bounds import bounded, unshaped
from tflint_nan.ops.names import entries
from tflint_nan.ops.numpy import ufunc
from tflint_nan.ops.picks import spreads_are_asked_for
from tflint_nan.ops.points import facts, fresh, is_given, real_dtype
from tflint_nan.ops.reductions import reduced_shape
from tflint_nan.ops.special import polyval
from tflint_nan.ops.table import Call, Facts, Handler, Machine, api, operator
from tflint_nan.value import Const, Items, Op, Value

_INF = math.inf

# ---- element by element

for _operator, _short in entries(
    "acos acosh asin asinh atan atanh cbrt exp2 trunc trunc:fix conj conj:conjugate identity:positive"
):
    api(f"np.{_short}", ufunc(_operator), "x out where dtype")
for _operator, _short in entries(
    "pow truncatemod:fmod logaddexp hypot copysign bits:bitwise_and bits:bitwise_or bits:bitwise_xor "
    "bits:left_shift bits:right_shift bits:gcd bits:lcm"
):
    api(f"np.{_short}", ufunc(_operator), "x1:x x2:y out where dtype")
for _operator, _short in entries("bits:invert bits:bitwise_not"):
    api(f"np.{_short}", ufunc(_operator), "x out where dtype")
for _name in ("arctan2", "atan2"):
    api(f"np.{_name}", "atan2", "x1:y x2:x out")
api("np.nextafter", "nextafter", "x1:x x2:y out")
api("np.sinc", "sinc", "x")
api("np.i0", "bessel_i0", "x")
api("np.real", "real", "val:x")
api("np.imag", "imag", "val:x")
api("np.angle", "angle", "z:x deg")


def times(factor: float) -> Handler:
    """Degrees and radians: the argument times a constant."""

    def emit(machine: Machine, call: Call) -> Value:
        return machine.emit("mul", {"x": call.arg("x"), "y": Const(factor)}, call=call)

    return emit


api("np.degrees np.rad2deg", times(180.0 / math.pi), "x out")
api("np.radians np.deg2rad", times(math.pi / 180.0), "x out")


def with_remainder(machine: Machine, call: Call) -> Value:
    """`divmod(x, y)`: quotient and remainder."""
    return Items(tuple(machine.emit(name, call.args, call=call) for name in ("floordiv", "mod")))


api("np.divmod", with_remainder, "x1:x x2:y")
for _name in ("isposinf", "isneginf", "signbit", "isreal", "iscomplex"):
    api(f"np.{_name}", "mask", "x out", dtype=Const("bool"))
for _name in ("isclose", "allclose", "array_equal"):
    _params = "a1:x a2:y" if _name == "array_equal" else "a:x b:y"
    api(f"np.{_name}", "mask", _params, dtype=Const("bool"))
api("np.isin", "mask", "element:x test_elements", dtype=Const("bool"))

# ---- statistics


@operator("peak_to_peak")
def _peak_to_peak(op: Op) -> Facts:
    """The largest element less the smallest: 0 of a feature that is constant."""
    x = op.arg("x")
    dtype = real_dtype(op, x)
    span = x.interval.hi - x.interval.lo
    interval = Interval(0.0, _INF if span != span else span).stored(dtype)
    alike = () if spreads_are_asked_for(x) else fresh(op, 0.0)
    return facts(interval, alike, dtype, reduced_shape(op, x))


@operator("difference")
def _difference(op: Op) -> Facts:
    """Neighbours subtracted from one another, once."""
    x, times = op.arg("x"), op.arg("n")
    span = x.interval.hi - x.interval.lo
    dtype = real_dtype(op, x)
    if (is_given(times) and times.literal != 1) or span != span:
        return Facts(dtype=dtype)
    return Facts(Interval(-span, span).stored(dtype), (), dtype)


bounded(
    "correlation",
    Interval(-1.0 - 64.0 * epsilon("float64"), 1.0 + 64.0 * epsilon("float64")),
    dtype="float64",
    shape=lambda: None,
)
bounded("covariance", EVERYTHING, "x", shape=unshaped)
bounded("quadrature finite_difference polynomial_fit", EVERYTHING, "x", shape=unshaped)
bounded("uninitialised", EVERYTHING, shape=lambda: None)
bounded("density logspace", NON_NEGATIVE, shape=lambda: None, dtype="float64")
api("np.ptp", "peak_to_peak", "a:x axis out keepdims")
api("np.diff", "difference", "a:x n axis prepend append")
api("np.corrcoef", "correlation", "x y rowvar")
api("np.cov", "covariance", "m:x y rowvar")
api("np.gradient", "finite_difference", "f:x")
api("np.trapezoid", "quadrature", "y:x x:at dx axis")
api("np.trapz", "quadrature", "y:x x:at dx axis", removed="2.16")
api("np.nanprod", "prod", "a:x axis dtype out keepdims")
api("np.nancumsum", "cumsum", "a:x axis dtype out")
api("np.nancumprod", "cumprod", "a:x axis dtype out")
api("np.nanmedian", "mean", "a:x axis out overwrite_input keepdims", middle=Const(True))
api("np.nanpercentile np.nanquantile", "sort", "a:x q axis out")
api("np.nanargmax", "argmax", "a:x axis out")
api("np.nanargmin", "argmin", "a:x axis out")
api("np.bincount", "count", "x weights minlength")


def histogram(machine: Machine, call: Call) -> Value:
    """`histogram(a, bins)`: counts (or densities), and the edges of the bins."""
    weights = call.arg("weights")
    density = call.arg("density").literal not in (None, False)
    counts = machine.emit("density" if density else "count", {"weights": weights}, call=call)
    return Items((counts, machine.emit("gather", {"x": call.arg("x")}, call=call)))


api("np.histogram", histogram, "a:x bins range density weights")
api("np.histogram_bin_edges", "gather", "a:x bins range weights")

# ---- orders and places

api("np.argsort", "argsort", "a:x axis kind order")
api("np.argpartition", "index", "a kth axis")
api("np.searchsorted", "index", "a v side sorter")
api("np.digitize", "index", "x:at bins right")
api("np.lexsort", "index", "keys axis")
api("np.argwhere np.nonzero np.flatnonzero", "index", "a")
api("np.unravel_index", "index", "indices shape order")
api("np.ravel_multi_index", "index", "multi_index dims mode order")
api("np.indices", "index", "dimensions dtype sparse")
api("np.partition", "sort", "a:x kth axis kind")
for _name in ("intersect1d", "union1d", "setdiff1d", "setxor1d"):
    api(f"np.{_name}", shapes.concat_pair if _name[0] == "u" else "gather", "ar1:x ar2:y")

# ---- products and polynomials

api("np.vdot", "tensordot", "a:x b:y")
api("np.kron", "tensordot", "a:x b:y")
api("np.vecdot np.matvec np.vecmat", "tensordot", "x1:x x2:y")
api("np.convolve np.correlate", "tensordot", "a:x v:y mode")
api("np.polyval", polyval, "p:coeffs x")
api("np.polyfit", "polynomial_fit", "x:at y:x deg rcond full w cov")
api("np.linalg.matmul", "matmul", "x1:x x2:y")
api("np.linalg.outer np.linalg.vecdot np.linalg.tensordot", "tensordot", "x1:x x2:y")
api("np.linalg.vector_norm np.linalg.matrix_norm", "norm", "x")
api("np.linalg.svdvals", "singular_values", "x")
api("np.linalg.diagonal", "diag_part", "x")

# ---- pieces of arrays


def at_least(machine: Machine, call: Call) -> Value:
    """`atleast_2d(*arrays)`: with more axes; one array for one, a list for several."""
    made = [machine.emit("gather", {"x": value}, call=call) for value in call.rest]
    return made[0] if len(made) == 1 else Items(tuple(made), "list")


def selected(machine: Machine, call: Call) -> Value:
    """`select(conditions, choices, default)`: numbers of the choices, or the default."""
    choices = machine.elements(call.arg("values"))
    default = call.arg("default")
    if choices is None:
        return machine.emit("unknown_call", {"0": call.arg("values")}, call=call)
    values = Items((*choices, default if is_given(default) else Const(0)))
    return machine.emit("gather", {"x": machine.emit("concat", {"values": values}, call=call)}, call=call)


def multiplied(machine: Machine, call: Call) -> Value:
    """`multi_dot(arrays)`: products from the left."""
    arrays = machine.elements(call.arg("values"))
    if not arrays:
        return machine.emit("unknown_call", {"0": call.arg("values")}, call=call)
    total = arrays[0]
    for array in arrays[1:]:
        total = machine.emit("matmul", {"x": total, "y": array}, call=call)
    return total


api("np.atleast_1d np.atleast_2d np.atleast_3d", at_least, "")
api("np.select", selected, "condlist choicelist:values default")
api("np.linalg.multi_dot", multiplied, "arrays:values")
api("np.concat", "concat", "arrays:values axis out")
api("np.insert", shapes.concat_pair, "arr:x obj values:y")
api("np.hsplit np.vsplit np.dsplit", shapes.split, "ary:x indices_or_sections:num")
api("np.resize", "tile", "a:x new_shape")
api("np.rot90", "swap", "m:x k axes")
api("np.rollaxis", "swap", "a:x axis start")
api("np.permute_dims", "transpose", "a:x axes:perm")
api("np.matrix_transpose np.linalg.matrix_transpose", "swap", "x")
api("np.take_along_axis", "gather", "arr:x indices axis")
api("np.compress np.extract", "gather", "condition a:x arr:x")
api("np.trim_zeros", "gather", "filt:x")
api("np.diagonal", "diag_part", "a:x offset axis1 axis2")
api("np.diagflat", "diag", "v:x k")
api("np.interp", "gather", "x:at xp fp:x")
api("np.asarray_chkfinite np.asfortranarray", "constant", "a:value dtype")
api("np.tri", "mask", "N M k dtype")
api("np.empty", "uninitialised", "shape dtype")
api("np.empty_like", "uninitialised", "prototype dtype")
api("np.geomspace", "linspace", "start stop num endpoint dtype axis")
api("np.logspace", "logspace", "start stop num endpoint base dtype axis")
for _name, _dtype in entries(
    "half:float16 single:float32 double:float64 longdouble:float64 bool_:bool int_:int64 intc:int32 "
    "intp:int64 uint:uint64 uint16:uint16 uint32:uint32 uint64:uint64"
):
    api(f"np.{_name}", "cast", "x", dtype=Const(_dtype))
