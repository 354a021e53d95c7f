"""Fixes of guards that do not guard: bounds that hold in the dtype of the tensor."""

from __future__ import annotations

import libcst as cst

from tflint_nan.evidence import Guard, complement
from tflint_nan.finding import Applicability, Fix
from tflint_nan.interval import DEFAULT_FORMAT, round_to
from tflint_nan.logs import BadLog
from tflint_nan.rewrite import Rewriter
from tflint_nan.stable import bounds, spelled, written
from tflint_nan.value import Op

#: dtype -> how far the next number below 1 is, rounded up to a digit that rounds to it (IEEE 754-2008).
_NEXT = {"float16": "5e-4", "bfloat16": "4e-3", "float64": "1e-16"}
_NEXT_OF_SINGLE = "6e-8"


def mended(bad: BadLog, r: Rewriter) -> Fix | None:
    """Let the guard of a log hold in the dtype of its operand; safe where nothing that was finite changes."""
    if bad.guard is not None:
        return _mend(bad, bad.guard, r)
    sink = bad.trail.sink
    if bad.lost is not None:
        name = r.spell(bad.lost.arg("x"))
        if name is None or not name.isidentifier():
            return None
        r.replace(bad.lost.node, "{name} = {clip}", name=name, clip=bad.lost.node)
        return r.fix(Applicability.UNSAFE, "Keep the result of the clip")
    log, x = r.api(sink.api), sink.nodes.get("x")
    if bad.outside is None or log is None or x is None:
        return None
    low, bound = bounds(bad.trail.value)[0], spelled(r, sink, "maximum")
    # What is added to `1 - p` may be added to the 1 first, and is lost there in float16.
    template = (
        "{f}({x} + {low})" if bound is None or complement(sink.arg("x")) is None else "{f}({max}({x}, {low}))"
    )
    r.replace(bad.outside.node, template, f=log, x=x, low=low, max=bound)
    return r.fix(Applicability.UNSAFE, "Add the epsilon inside the log")


def _mend(bad: BadLog, guard: Guard, r: Rewriter) -> Fix | None:
    """Put a maximum in the place of an epsilon's sum, or another number in the place of a guard's own."""
    op, value = guard.op, bad.trail.value
    own, other = op.nodes.get(guard.name), op.nodes.get("y" if guard.name == "x" else "x")
    low = bounds(value)[0]
    if guard.kind == "swallowed" and guard.name == "x":
        epsilon = written(guard.given) if round_to(guard.given, value.dtype) else low
        return _bounded(bad, op, "1 - {x}", other, epsilon, r) if op.name == "sub" else None
    if own is None:
        return None
    if guard.kind == "merged" or (guard.kind == "added" and guard.stored != 0):
        risk = Applicability.SAFE if guard.kind == "merged" else Applicability.UNSAFE
        return _bounded(bad, op, "{x}", other, own, r, risk) if op.name == "add" else None
    upper = guard.kind == "upper"
    gap = _NEXT.get(value.dtype or DEFAULT_FORMAT, _NEXT_OF_SINGLE)
    r.replace(own, "{number}", number=f"1 - {gap}" if upper else low)
    risk = Applicability.SAFE if upper else Applicability.UNSAFE
    return r.fix(risk, "Use a bound that holds in this dtype")


def _bounded(
    bad: BadLog,
    sum_: Op,
    template: str,
    x: cst.CSTNode | None,
    epsilon: cst.CSTNode | str,
    r: Rewriter,
    risk: Applicability = Applicability.SAFE,
) -> Fix | None:
    """`maximum(x, epsilon)` in the place of a sum: the bound is no sum, so nothing is added to it first."""
    f = spelled(r, bad.trail.sink, "maximum")
    if f is None or x is None:
        return None
    r.replace(sum_.node, "{f}(" + template + ", {epsilon})", f=f, x=x, epsilon=epsilon)
    return r.fix(risk, "Bound the operand from below")
