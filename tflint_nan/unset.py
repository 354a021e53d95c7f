"""Divisors that are a setting of the command line, which is 0 where nobody sets it."""

from __future__ import annotations

import math

from tflint_nan.denominators import Denominator
from tflint_nan.evidence import LIBRARIES, Trail, ancestors, at, number
from tflint_nan.finding import Level
from tflint_nan.graph import Graph
from tflint_nan.ops.points import bare
from tflint_nan.shielding import is_asked_about, monitored_only, shielded
from tflint_nan.value import Op, Value, Witness


def unset(graph: Graph, sink: Op, name: str) -> Denominator | None:
    """What is known of the divisor `name` that is a setting, 0 by default, which nothing asks for.

    Python's own division raises an exception, so one of the operands has to be an array. The quotient is NaN
    where what is divided is known to be 0 at some time, else an infinity.
    """
    divisor = sink.arg(name)
    if number(divisor) != 0:
        return None
    option = _option(graph, divisor)
    named = (op.api for op, _ in ancestors(sink))
    if option is None or not any(api.startswith(prefix) for api in named for _, prefix in LIBRARIES):
        return None
    started = _started(graph, sink) if sink.name == "div" else None
    trail = started or Trail(divisor, Witness(0.0), (sink,), sink, ())
    if shielded(graph, trail, nan=started is not None) or is_asked_about(graph, trail):
        return None
    if monitored_only(graph, sink):
        return None
    return Denominator(
        trail,
        "the divisor is a setting that is 0 by default, so this division is infinite or NaN",
        Level.DEFAULT,
        quotient=math.inf if started is None else math.nan,
        help="give the setting a default above 0, or keep the divisor at 1 or more with maximum",
        because=((option, "0 by default"),),
        known=False,
    )


def _option(graph: Graph, value: Value) -> Op | None:
    """The declaration of the setting whose default `value` is, in whatever format."""
    value = bare(value)
    return next((option for option in graph.ops("option") if option.arg("default") is value), None)


def _started(graph: Graph, sink: Op) -> Trail | None:
    """The trail from the steps of training, if what is divided is 0 before the first one."""
    dividend = sink.arg("x")
    if dividend.op is None:
        return None
    for op, _ in ancestors(dividend.op):
        if op.name == "iterations":
            start = Witness(0.0, ((op, 0.0),))
            chain = (*graph.path(op, dividend.op), sink)
            return Trail(dividend, start, chain, op, chain[1:-1]) if at(dividend.op, start) == 0 else None
    return None
