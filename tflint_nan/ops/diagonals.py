"""The diagonal of a matrix: of what was put there, not of what stands beside it."""

from __future__ import annotations

from dataclasses import replace

from tflint_nan.interval import Interval, smallest
from tflint_nan.ops.points import is_given
from tflint_nan.ops.table import OPERATORS, Facts, operator
from tflint_nan.value import Op, Tensor, Value, Witness

#: Ops that compute each element from those at its place.
_PLACEWISE = frozenset(
    {"add", "sub", "mul", "div", "neg", "maximum", "minimum", "clip", "where", "cast", "abs", "square"}
    | {"exp", "log", "softplus", "relu", "sqrt", "sigmoid", "tanh"}
)
#: Ops that leave the diagonal as it is; whatever stands beside it does not count.
_KEEPING = frozenset({"identity", "stop_gradient", "refine", "band_part"})
#: Ops that put other numbers beside the diagonal than on it.
_APART = frozenset({"band_part", "diag", "eye", "set_diag"})
#: Names of arguments that mean another diagonal, by how far it is off.
_OFFSETS = ("k", "offset")
#: Terms of terms: looked at as far as this.
_DEEP = 8


@operator("diag_part", flow=("x",))
def _diag_part(op: Op) -> Facts:
    """What stands on the diagonal. That of a Cholesky factor is positive: the kernels refuse other pivots."""
    x = op.arg("x")
    if x.op is not None and x.op.name == "cholesky":
        least = smallest(x.dtype)
        return Facts(Interval(least, max(x.interval.hi, least)), (), x.dtype)
    if _is_off(op):
        return Facts(x.interval, _anywhere(x), x.dtype)
    on = _on_diagonal(x, _DEEP)
    return Facts(on.interval, on.witnesses, x.dtype)


def _on_diagonal(x: Value, depth: int) -> Facts:
    """The numbers that `x` has on its diagonal; without witnesses where that is not followed."""
    op = x.op
    if op is None or not isinstance(x, Tensor):
        return Facts(x.interval, x.witnesses, x.dtype)
    if not depth or (op.name in _APART and _is_off(op)) or op.arg("either").literal is True:
        return Facts(x.interval, (), x.dtype)
    if op.name == "eye":
        return Facts(Interval(1.0, 1.0), (Witness(1.0),), x.dtype)
    if op.name in ("diag", "set_diag"):
        put = op.arg("x" if op.name == "diag" else "diagonal")
        return Facts(put.interval, put.witnesses, x.dtype)
    if op.name in _KEEPING:
        return replace(_on_diagonal(op.arg("x"), depth - 1), dtype=x.dtype)
    if op.name in _PLACEWISE:
        args = {name: _narrowed(value, depth - 1) for name, value in op.args.items()}
        return OPERATORS[op.name].transfer(replace(op, args=args))
    return Facts(x.interval, _anywhere(x), x.dtype)


def _anywhere(x: Value) -> tuple[Witness, ...]:
    """The witnesses of a matrix, where none of them need be for what stands beside the diagonal."""
    return () if any(made.name in _APART for made in x.producers()) else x.witnesses


def _narrowed(value: Value, depth: int) -> Value:
    if not isinstance(value, Tensor):
        return value
    on = _on_diagonal(value, depth)
    return replace(value, interval=on.interval, witnesses=on.witnesses)


def _is_off(op: Op) -> bool:
    """Whether another diagonal than the main one may be meant."""
    given = [op.arg(name) for name in _OFFSETS if is_given(op.arg(name))]
    return any(value.literal != 0 for value in given)
