"""Fixes of guards that do not guard: bounds that hold in the dtype of the tensor."""

from __future__ import annotations

import libcst as cst

from tflint_nan.evidence import Guard, Trail, complement, number
from tflint_nan.finding import Applicability, Fix
from tflint_nan.interval import DEFAULT_FORMAT, round_to
from tflint_nan.logs import BadLog
from tflint_nan.merging import loses
from tflint_nan.rewrite import Rewriter
from tflint_nan.stable import bounds, divisor_bound, spelled, written
from tflint_nan.value import Op

#: dtype -> how far the next number below 1 is, rounded up to a digit that rounds to it (IEEE 754-2008).
_NEXT = {"float16": "5e-4", "bfloat16": "4e-3", "float64": "1e-16"}
_NEXT_OF_SINGLE = "6e-8"
#: Ops whose slope is steeper than what they compute.
_DIVIDING = ("div", "reciprocal", "rsqrt")


def mended(bad: BadLog, r: Rewriter) -> Fix | None:
    """Let the guard of a log hold in the dtype of its operand; safe where nothing that was finite changes."""
    if bad.guard is not None:
        return held(bad.trail, (bad.guard,), r)
    sink = bad.trail.sink
    if bad.lost is not None:
        name = r.spell(bad.lost.arg("x"))
        if name is None or not name.isidentifier():
            return None
        r.replace(bad.lost.node, "{name} = {clip}", name=name, clip=bad.lost.node)
        return r.fix(Applicability.UNSAFE, "Keep the result of the clip")
    log, x = r.api(sink.api), sink.nodes.get("x")
    if not (bad.outside or bad.bounded) or log is None or x is None:
        return None
    low, bound = bounds(bad.trail.value)[0], spelled(r, sink, "maximum")
    # What is added to `1 - p` may be added to the 1 first, and is lost there in float16.
    template = (
        "{f}({x} + {low})" if bound is None or complement(sink.arg("x")) is None else "{f}({max}({x}, {low}))"
    )
    r.replace((bad.outside or sink).node, template, f=log, x=x, low=low, max=bound)
    return r.fix(Applicability.UNSAFE, "Add the epsilon inside the log")


def held(trail: Trail, guards: tuple[Guard, ...], r: Rewriter) -> Fix | None:
    """Let the guards of what has an edge hold in the dtype of its operand; see `mended`."""
    risks = [_mend(trail, guard, r) for guard in guards]
    given = [risk for risk in risks if risk is not None]
    if len(given) < len(risks):
        return None
    risk = Applicability.SAFE if all(risk is Applicability.SAFE for risk in given) else Applicability.UNSAFE
    bound = guards[0].kind in ("upper", "lower")
    return r.fix(risk, "Use a bound that holds in this dtype" if bound else "Bound the operand from below")


def _mend(trail: Trail, guard: Guard, r: Rewriter) -> Applicability | None:
    """Put a maximum in the place of an epsilon's sum, or another number in the place of a guard's own."""
    op, value, sink = guard.op, trail.value, trail.sink
    rest = "y" if guard.name == "x" else "x"
    own, other = op.nodes.get(guard.name), op.nodes.get(rest)
    low = divisor_bound(value) if sink.name in _DIVIDING else bounds(value)[0]
    whole = number(op.arg(guard.name))
    if guard.kind == "swallowed" and guard.name == "x":
        if op.name != "sub" or whole is None:
            return None
        epsilon = written(guard.given) if round_to(guard.given, value.dtype) else low
        return _bound(sink, op, f"{round(whole)} - {{x}}", other, epsilon, r, Applicability.SAFE)
    if own is None:
        return None
    late = guard.kind == "added" and (guard.stored != 0 or loses(op.arg(rest), float(low), value.dtype))
    if guard.kind == "merged" or late:
        risk = Applicability.SAFE if guard.kind == "merged" and guard.stored else Applicability.UNSAFE
        kept = own if guard.stored else low
        return _bound(sink, op, "{x}", other, kept, r, risk) if op.name == "add" else None
    gap = _NEXT.get(value.dtype or DEFAULT_FORMAT, _NEXT_OF_SINGLE)
    sign = "-" if guard.kind == "upper" else "+"
    r.replace(own, "{number}", number=f"{guard.stored:g} {sign} {gap}" if guard.stored else low)
    # A bound that was meant as it is had a value there.
    return Applicability.SAFE if guard.stored not in (0, guard.given) else Applicability.UNSAFE


def _bound(
    sink: Op,
    sum_: Op,
    template: str,
    x: cst.CSTNode | None,
    epsilon: cst.CSTNode | str,
    r: Rewriter,
    risk: Applicability,
) -> Applicability | None:
    """`maximum(x, epsilon)` in the place of a sum: the bound is no sum, so nothing is added to it first."""
    f = spelled(r, sink, "maximum")
    if f is None or x is None:
        return None
    r.replace(sum_.node, "{f}(" + template + ", {epsilon})", f=f, x=x, epsilon=epsilon)
    return risk
