"""Linear algebra: factors, inverses, determinants, eigenvalues, norms, diagonals.

An inverse or a solution is any number: its operators keep format and shape and claim no more.
"""

from __future__ import annotations

import math

from tflint_nan.interval import EVERYTHING, NON_NEGATIVE, Interval, epsilon
from tflint_nan.ops.arithmetic import ends, operands
from tflint_nan.ops.bounds import bounded, complex_of, moved_freely, real_part
from tflint_nan.ops.functions import mul
from tflint_nan.ops.names import entries
from tflint_nan.ops.nn import added
from tflint_nan.ops.points import broadcast, corners, dtype_of, facts, fresh, is_unbounded, rank, unbounded
from tflint_nan.ops.table import Call, Facts, Handler, Machine, api, operator
from tflint_nan.value import Const, Items, Op, Shape, Value

_INF = math.inf

# ---- shapes


def same_shape(*shapes: Shape) -> Shape:
    """The first operand's."""
    return shapes[0] if shapes else None


def _batch(*shapes: Shape) -> Shape:
    """One number for each matrix."""
    return shapes[0][:-2] if shapes and shapes[0] and len(shapes[0]) >= 2 else None


def _columns(*shapes: Shape) -> Shape:
    """One number for each column of a matrix."""
    return shapes[0][:-1] if shapes and shapes[0] else None


# ---- solutions: any number

bounded("matrix_inverse matrix_exp matrix_log matrix_sqrt", EVERYTHING, "x", shape=same_shape)
bounded(
    "pseudo_inverse", EVERYTHING, "x", shape=lambda x: x if x and len(x) >= 2 and x[-1] == x[-2] else None
)
bounded("determinant log_determinant", EVERYTHING, "x", shape=_batch)
bounded("eigenvalues", EVERYTHING, "x", shape=_columns)
bounded("factor", EVERYTHING, "x", shape=same_shape)
bounded("matrix_product", EVERYTHING, "x", "y", shape=lambda x, y: None)
#: Solutions are linear in the right side: moved freely where that is.
moved_freely("solve", "y", shape=same_shape)


@operator("eigenvalues_complex")
def _eigenvalues_complex(op: Op) -> Facts:
    """Of a matrix that need not be symmetric."""
    x = op.arg("x")
    return Facts(dtype=complex_of(real_part(x.dtype)), shape=_columns(x.shape))


@operator("factor_complex")
def _factor_complex(op: Op) -> Facts:
    x = op.arg("x")
    return Facts(dtype=complex_of(real_part(x.dtype)), shape=x.shape)


@operator("orthogonal")
def _orthogonal(op: Op) -> Facts:
    """Columns of length 1: a component can pass 1 by rounding."""
    x = op.arg("x")
    slack = 1.0 + 1024.0 * epsilon(x.dtype)
    complex_one = real_part(x.dtype) != x.dtype
    return Facts(EVERYTHING if complex_one else Interval(-slack, slack), (), x.dtype, None)


bounded("determinant_sign", Interval(-1.0, 1.0), "x", shape=_batch, differentiable=False)
bounded("singular_values", NON_NEGATIVE, "x", shape=lambda x: None)


@operator("cholesky")
def _cholesky(op: Op) -> Facts:
    """A triangle; the zeros above the diagonal are no numbers that anyone computes with."""
    x = op.arg("x")
    reach = math.sqrt(x.interval.hi) if 0.0 <= x.interval.hi < _INF else _INF
    # A row's squares add up to the diagonal's element, so none of its numbers is larger than its root.
    interval = Interval(-reach, reach).stored(x.dtype, 1024)
    return Facts(interval, (), x.dtype, x.shape)


@operator("diag", flow=("x",))
def _diag(op: Op) -> Facts:
    """A diagonal put into a matrix of zeros; or taken out of one (NumPy's `diag` does either)."""
    x = op.arg("x")
    zero = () if op.arg("either").literal is True else fresh(op, 0.0)
    kept = [w for w in x.witnesses if w.inputs or x.interval.is_point]
    return facts(x.interval.hull(Interval(0.0, 0.0)), (*kept, *zero), x.dtype)


@operator("set_diag", flow=("x", "diagonal"))
def _set_diag(op: Op) -> Facts:
    """Another diagonal in a matrix."""
    x, diagonal = op.arg("x"), op.arg("diagonal")
    dtype = dtype_of(op, x, diagonal)
    return facts(x.interval.hull(diagonal.interval).stored(dtype), diagonal.witnesses, dtype, x.shape)


@operator("cross")
def _cross(op: Op) -> Facts:
    """Differences of two products each."""
    x, y = operands(op)
    dtype = dtype_of(op, x, y)
    shape = broadcast(x.shape, y.shape)
    if is_unbounded(x) or is_unbounded(y):
        return Facts(EVERYTHING, unbounded(op, dtype), dtype, shape)
    a, b = ends(x, y, dtype)
    product = corners(mul, a, b).stored(dtype)
    span = product.hi - product.lo if product.lo < product.hi else 0.0
    return facts(Interval(-span, span).stored(dtype, 4), (), dtype, shape)


# ---- names


def several(*parts: str) -> Handler:
    """A call that returns a tuple of these operators' results."""

    def emit(machine: Machine, call: Call) -> Value:
        return Items(tuple(machine.emit(name, {"x": call.arg("x")}, call=call) for name in parts))

    return emit


def svd(machine: Machine, call: Call) -> Value:
    """`svd(tensor)`: TensorFlow's singular values come first, NumPy's in the middle."""
    values = machine.emit("singular_values", {"x": call.arg("x")}, call=call)
    wanted = call.arg("compute_uv").literal
    if wanted is False:
        return values
    u, v = (machine.emit("orthogonal", {"x": call.arg("x")}, call=call) for _ in range(2))
    return Items((u, values, v) if call.api.startswith("np.") else (values, u, v))


def normalize(machine: Machine, call: Call) -> Value:
    """`normalize(tensor, ord, axis)`: the rows over their norms, and the norms; nothing guards a zero row."""
    args = {name: call.arg(name) for name in ("x", "ord", "axis")}
    norm = machine.emit("norm", {**args, "keepdims": Const(True)}, call=call)
    if args["ord"].literal in (None, "euclidean", 2):
        unit = {"x": args["x"], "axis": args["axis"], "epsilon": Const(0.0)}
        return Items((machine.emit("l2_normalize", unit, call=call), norm))
    return Items((machine.emit("factor", {"x": args["x"]}, call=call), norm))


def global_norm(machine: Machine, call: Call) -> Value:
    """`global_norm(t_list)`: the root of all squares' sum."""
    tensors = machine.elements(call.arg("values"))
    if not tensors:
        together = machine.emit("concat", {"values": call.arg("values")}, call=call)
        return machine.emit("norm", {"x": together}, call=call)
    sums = [
        machine.emit("sum", {"x": machine.emit("square", {"x": one}, call=call)}, call=call)
        for one in tensors
    ]
    return machine.emit("sqrt", {"x": added(machine, call, sums)}, call=call)


def diag(machine: Machine, call: Call) -> Value:
    """NumPy's `diag(v)`: of a matrix the diagonal, of a vector a matrix."""
    x = call.arg("x")
    args = {"x": x, "k": call.arg("k")}
    if rank(x) == 2:
        return machine.emit("diag_part", args, call=call)
    return machine.emit("diag", {**args, "either": Const(rank(x) != 1)}, call=call)


def trace(machine: Machine, call: Call) -> Value:
    """`trace(x)`: the sum of the diagonal."""
    diagonal = machine.emit("diag_part", {"x": call.arg("x")}, call=call)
    return machine.emit("sum", {"x": diagonal, "axis": Const(-1)}, call=call)


def squares(machine: Machine, call: Call) -> Value:
    """`lstsq` of NumPy: solution, residuals, rank, singular values."""
    solution = machine.emit("solve", call.args, call=call)
    x = {"x": call.arg("x")}
    values = machine.emit("singular_values", x, call=call)
    rank_of_x = machine.emit("count", {"dtype": Const("int32")}, call=call)
    return Items((solution, machine.emit("singular_values", x, call=call), rank_of_x, values))


for _operator, _short in entries(
    "matrix_inverse:inv matrix_exp:expm matrix_log:logm matrix_sqrt:sqrtm determinant:det "
    "cholesky log_determinant:logdet"
):
    _first = "matrix:x" if _short == "logdet" else "input:x"
    _adjoint = " adjoint" if _short == "inv" else ""
    api(f"tf.linalg.{_short}", _operator, f"{_first}{_adjoint} name")
api("tf.matrix_inverse", "matrix_inverse", "input:x adjoint name")
api("tf.matrix_square_root", "matrix_sqrt", "input:x name")
api("tf.matrix_determinant", "determinant", "input:x name")
api("tf.cholesky", "cholesky", "input:x name")
api("tf.linalg.pinv", "pseudo_inverse", "a:x rcond validate_args name")
_SOLVE = "matrix:x rhs:y"
api("tf.linalg.solve tf.matrix_solve", "solve", f"{_SOLVE} adjoint name")
api("tf.linalg.triangular_solve tf.matrix_triangular_solve", "solve", f"{_SOLVE} lower adjoint name")
api("tf.linalg.lstsq tf.matrix_solve_ls", "solve", f"{_SOLVE} l2_regularizer fast name")
api("tf.linalg.cholesky_solve tf.cholesky_solve", "solve", "chol:x rhs:y name")
api("tf.linalg.banded_triangular_solve", "solve", "bands:x rhs:y lower adjoint name")
api("tf.linalg.lu_solve", "solve", "lower_upper:x perm rhs:y validate_args name")
api("tf.linalg.tridiagonal_solve", "solve", "diagonals:x rhs:y diagonals_format transpose_rhs")
api("tf.linalg.tridiagonal_matmul", "matrix_product", "diagonals:x rhs:y diagonals_format name")
api("tf.linalg.lu_reconstruct", "factor", "lower_upper:x perm validate_args name")
api("tf.linalg.lu_matrix_inverse", "matrix_inverse", "lower_upper:x perm validate_args name")
api("tf.linalg.lu", several("factor", "index"), "input:x output_idx_type name")
api("tf.linalg.qr tf.qr", several("orthogonal", "factor"), "input:x full_matrices name")
api("tf.linalg.svd tf.svd", svd, "tensor:x full_matrices compute_uv name")
api("tf.linalg.eigh tf.self_adjoint_eig", several("eigenvalues", "orthogonal"), "tensor:x name")
api("tf.linalg.eigvalsh tf.self_adjoint_eigvals", "eigenvalues", "tensor:x name")
api("tf.linalg.eig tf.eig", several("eigenvalues_complex", "factor_complex"), "tensor:x name")
api("tf.linalg.eigvals tf.eigvals", "eigenvalues_complex", "tensor:x name")


def eigh_tridiagonal(machine: Machine, call: Call) -> Value:
    """`eigh_tridiagonal(alpha, beta)`: eigenvalues, and vectors where they are asked for."""
    values = machine.emit("factor", {"x": call.arg("x")}, call=call)
    if call.arg("eigvals_only").literal is not False:
        return values
    return Items((values, machine.emit("orthogonal", {"x": call.arg("x")}, call=call)))


api("tf.linalg.eigh_tridiagonal", eigh_tridiagonal, "alpha:x beta eigvals_only select select_range tol name")
api("tf.linalg.slogdet", several("determinant_sign", "log_determinant"), "input:x name")
api("tf.linalg.cross tf.cross", "cross", "a:x b:y name")
api("tf.linalg.adjoint", "swap", "matrix:x name")
api("tf.linalg.transpose", "swap", "a:x name conjugate")
api("tf.linalg.set_diag tf.matrix_set_diag", "set_diag", "input:x diagonal name k align")
api("tf.linalg.tensor_diag tf.diag tf.linalg.diag tf.matrix_diag", "diag", "diagonal:x name")
api("tf.linalg.matrix_rank", "count", "a:x tol validate_args name")
api("tf.linalg.normalize", normalize, "tensor:x ord axis name")
api("tf.linalg.global_norm tf.global_norm", global_norm, "t_list:values name")
api("tf.linalg.trace tf.trace", trace, "x name")

# ---- NumPy

for _operator, _short in entries("matrix_inverse:inv determinant:det cholesky"):
    api(f"np.linalg.{_short}", _operator, "a:x")
api("np.linalg.pinv", "pseudo_inverse", "a:x rcond hermitian")
api("np.linalg.solve", "solve", "a:x b:y")
api("np.linalg.lstsq", squares, "a:x b:y rcond")
api("np.linalg.qr", several("orthogonal", "factor"), "a:x mode")
api("np.linalg.svd", svd, "a:x full_matrices compute_uv hermitian")
api("np.linalg.eigh", several("eigenvalues", "orthogonal"), "a:x UPLO")
api("np.linalg.eigvalsh", "eigenvalues", "a:x UPLO")
# A matrix of real eigenvalues has real ones here: nothing is known of the format.
api("np.linalg.eig", several("factor", "factor"), "a:x")
api("np.linalg.eigvals", "factor", "a:x")
api("np.linalg.slogdet", several("determinant_sign", "log_determinant"), "a:x")
api("np.linalg.matrix_rank", "count", "A:x tol hermitian")
api("np.linalg.matrix_power", "factor", "a:x n")
api("np.linalg.cond", "singular_values", "x p")
api("np.cross", "cross", "a:x b:y")
api("np.trace", trace, "a:x offset")
