"""The log of elements that were taken out of an activation's output, as elements of its stable log."""

from __future__ import annotations

from itertools import islice
from typing import Final

import libcst as cst

from tflint_nan.evidence import NEAR, ancestors, complement
from tflint_nan.expression import assemble
from tflint_nan.finding import Applicability, Fix
from tflint_nan.lift import is_asked_for, logits_at
from tflint_nan.rewrite import Rewriter
from tflint_nan.stable import axis_of, spelled
from tflint_nan.value import Op, Value

#: Ops whose results are elements of their operand `x` and nothing else.
_SELECTING: Final = frozenset(
    {"reshape", "squeeze", "expand_dims", "transpose", "slice", "gather", "tile", "identity", "reverse"}
    | {"stop_gradient", "diag_part"}
)
#: Below this a logit counts as shut out.
_LOWEST: Final = -1e37


def log_softmax(r: Rewriter, sink: Op, softmax: Op) -> Fix | None:
    """The log of a softmax, or of elements of it, from its logits; safe."""
    axis = softmax.arg("axis").literal if "axis" in softmax.args else None
    if not isinstance(axis, (int, type(None))) or _turns(r, sink, softmax) != 0:
        return None
    return _stable_log(r, sink, softmax, "" if axis is None else f", axis={axis}")


def log_sigmoid(r: Rewriter, sink: Op, sigmoid: Op) -> Fix | None:
    """The log of a sigmoid, of one minus it, or of elements of these, from its logits; safe."""
    return None if _turns(r, sink, sigmoid) is None else _stable_log(r, sink, sigmoid)


def _stable_log(r: Rewriter, sink: Op, squashed: Op, options: str = "") -> Fix | None:
    """The stable log in the place of `sink`, the log of elements of what `squashed` computes."""
    f, logits = spelled(r, sink, f"log_{squashed.name}"), logits_at(r, squashed, sink)
    if f is None or logits is None:
        return None
    minus = "-" if _turns(r, sink, squashed) else ""
    inner = assemble([(f"{f}({minus}", False), (logits, True), (f"{options})", False)])
    text = None if inner is None else _written(r, sink.arg("x"), squashed, inner, sink)
    if text is None:
        return None
    r.replace(sink.node, "{text}", text=text)
    return r.fix(Applicability.SAFE, f"Use {f}")


def _turns(r: Rewriter, sink: Op, squashed: Op) -> int | None:
    """How often (0 or 1) the operand of a log is one minus elements of what an activation computes.

    None where it is no such elements, or not in the function of the sink.
    """
    turns, op = 0, sink.arg("x").op
    if sink.name == "log1p" and (op is None or op.name != "neg"):
        return None
    while op is not squashed:
        if op is None or op.scope is not sink.scope or is_asked_for(r.graph, op):
            return None
        rest, value = _rest(op, sink), op.arg("x")
        if rest is not None and squashed.name == "sigmoid":
            turns, value = turns + 1, rest
        elif op.name == "sum" and squashed.name == "softmax":
            product, chosen = value.op, _chosen(op, squashed)
            if product is None or chosen is None or product.scope is not sink.scope:
                return None
            value = product.arg(chosen)
        elif op.name not in _SELECTING:
            return None
        op = value.op
    return turns if squashed.name in ("softmax", "sigmoid") and turns < 2 else None


def _rest(op: Op, sink: Op) -> Value | None:
    """What one is taken minus of: `1 - s`, and the `-s` in `log1p(-s)`."""
    if op.name == "neg" and sink.name == "log1p" and sink.arg("x").op is op:
        return op.arg("x")
    return complement(op.value)


def _chosen(total: Op, squashed: Op) -> str | None:
    """Which factor of `sum(p * one_hot)` over the classes is the output: the sum is one element of it.

    Not where a logit may be -inf: 0 times its share is 0, and 0 times its log is not.
    """
    product = total.arg("x").op
    if product is None or product.name != "mul":
        return None
    if axis_of(squashed, squashed.value.shape) != -1 or _shuts_out(squashed.arg("x")):
        return None
    for name, other in (("x", "y"), ("y", "x")):
        hot = product.arg(other).op
        while hot is not None and hot.name in ("cast", "identity", "stop_gradient"):
            hot = hot.arg("x").op
        if hot is None or hot.name != "one_hot" or hot.arg("axis").literal not in (None, -1):
            continue
        ids, shares = hot.arg("x").shape, product.arg(name).shape
        shape = shares if ids is not None and shares is not None and len(ids) == len(shares) - 1 else None
        one = hot.arg("on_value").literal is None and hot.arg("off_value").literal is None
        if one and axis_of(total, shape) == -1:
            return name
    return None


def _shuts_out(logits: Value) -> bool:
    """Whether logits are set to -inf somewhere, as masks do."""
    if logits.op is None:
        return True
    return any(
        value.op is None and value.interval.is_point and value.interval.lo <= _LOWEST
        for op, _ in islice(ancestors(logits.op), NEAR)
        for value in op.args.values()
    )


def _written(r: Rewriter, value: Value, squashed: Op, log: str, sink: Op) -> str | None:
    """The text of `value` with `log` in the place of the activation's output."""
    op = value.op
    if op is None or op is squashed:
        return log
    rest = _rest(op, sink)
    if rest is not None:
        return _written(r, rest, squashed, log, sink)
    name = "x"
    if op.name == "mul":
        name = next(side for side in ("x", "y") if any(made is squashed for made in op.arg(side).producers()))
    node = op.nodes.get(name)
    if node is None and isinstance(op.node, cst.Subscript):
        node = op.node.value
    inner = _written(r, op.arg(name), squashed, log, sink)
    if inner is None or node is None or not r.holds_around(op, node):
        return None
    r.spare(op.statement, op.scope)
    before, after = r.pieces(op.node, node)
    return assemble([(before, False), (inner, True), (after, False)])
