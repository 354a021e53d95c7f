"""What comes back to a root whose operand is 0: where exactly 0 does, its gradient is 0 and not infinite."""

from __future__ import annotations

from tflint_nan.evidence import BINARY, NEAR, number
from tflint_nan.graph import Graph
from tflint_nan.ops.points import same
from tflint_nan.value import Op
from tflint_nan.vectors import on_diagonal
from tflint_nan.zeros import bounded, is_deviation

#: Ops whose gradient may be infinite where their operand is 0.
ROOTS = ("sqrt", "norm", "std", "pow")
#: Reductions, behind which a matrix of pairs is none.
_REDUCING = ("sum", "mean", "max", "min", "prod", "logsumexp")
#: Functions of each element, so that a mask of pairs may stand behind them.
_ELEMENTWISE = ("exp", "softplus", "sigmoid", "tanh", "log1p", "square", "pow", "mul", "div")


def passes(graph: Graph, root: Op, zero: tuple[Op, ...], *, paired: bool = False) -> bool:
    """Whether a gradient other than 0 may come back to `root` where it is 0.

    Where exactly 0 comes back, TensorFlow gives 0 for the gradient of a root, whatever its operand is (2.21
    on a CPU; XLA does not).

    Args:
        graph: the program.
        root: the root.
        zero: the ops that are 0 as well.
        paired: `root` is a matrix of pairs, and 0 on its diagonal: what a mask leaves out is not asked for.
    """
    return _passes(graph, root, 0.0, zero, {root.serial}, paired)


def _passes(
    graph: Graph, op: Op, value: float | None, zero: tuple[Op, ...], seen: set[int], paired: bool
) -> bool:
    """As `passes`, of an op that is `value` there (None: not known)."""
    consumers = graph.consumers(op)
    takers = [taker for taker in consumers if graph.differentiated(taker) is not False]
    for taker in takers:
        if taker.serial in seen or len(seen) > NEAR:
            continue
        seen.add(taker.serial)
        if paired and _leaves_diagonal_out(taker, op, value):
            continue
        after = _after(taker, op, value, zero, paired)
        still = paired and taker.name not in _REDUCING
        if after == "passes" and still and taker.name in _ELEMENTWISE:
            after = None
        if after == "passes":
            return True
        if not isinstance(after, str) and _passes(graph, taker, after, zero, seen, still):
            return True
    compared = consumers and all(taker.name in BINARY for taker in consumers)
    return not takers and (not compared or graph.escapes(op))


def _leaves_diagonal_out(taker: Op, op: Op, value: float | None) -> bool:
    """Whether no gradient of `taker` comes back to the diagonal of `op`, which is `value` there."""
    x, y = taker.arg("x"), taker.arg("y")
    if taker.name == "mul":
        return on_diagonal(y if x.op is op else x) == 0
    if x.op is not op:
        return False
    if taker.name in ("max", "min"):
        if value == 0:
            return taker.name == "max" and op.name in ROOTS  # no distance is smaller
        # A number that a mask has added moves the diagonal past the others.
        return value is not None and (value < 0) is (taker.name == "max")
    return taker.name == "set_diag" or (taker.name == "gather" and on_diagonal(taker.arg("indices")) == 0)


def _after(taker: Op, op: Op, value: float | None, zero: tuple[Op, ...], paired: bool) -> float | str | None:
    """What `taker` makes of `value`, where it hands the gradient on as it is; else "stops" or "passes"."""
    x, y = taker.arg("x"), taker.arg("y")
    other = y if x.op is op else x
    constant = on_diagonal(other) if paired else number(other)
    if taker.name in ("where", "select", "multiply_no_nan", "divide_no_nan"):
        return "stops"  # somebody thought of it
    if (
        taker.name == "square"
        or (taker.name == "pow" and (number(y) or 0) > 1)
        or (taker.name == "mul" and same(x, y))
    ):
        return "stops" if value == 0 else "passes"
    if taker.name == "relu" or (taker.name in ("maximum", "minimum", "clip")):
        return bounded(taker, op, value)
    if taker.name == "div" and y.op is op:
        # x / (norm(x) + epsilon), (x - mean) / (std + epsilon): the gradient by the divisor has the dividend
        # as a factor.
        vanishes = any(maker in zero or is_deviation(maker) for maker in x.producers())
        guarded = 0.0 not in y.interval and vanishes
        return "stops" if guarded else "passes"
    if taker.name in ("mul", "div"):
        return value if constant and value == 0 else None if constant else "passes"
    if taker.name == "neg":
        return None if value is None else -value
    if taker.name in ("add", "sub"):
        if constant is None or value is None:
            return None
        if taker.name == "add":
            return value + constant
        return value - constant if x.op is op else constant - value
    if taker.name in ("sum", "mean") or taker.flow:
        return value if value == 0 or taker.flow else None
    return "passes"
