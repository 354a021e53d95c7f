"""Differences of nearly equal numbers, and the forms that keep the digits which they lose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tflint_nan.evidence import Trail, ancestors, is_trained, number, onward, squasher
from tflint_nan.graph import Graph
from tflint_nan.interval import INTEGERS, epsilon
from tflint_nan.ops.points import same
from tflint_nan.value import Op, Value, Witness, sources
from tflint_nan.vectors import squared

#: Beyond this distance from 0 at most two of seven digits are lost.
_NEAR = 0.01
#: What takes the relative size of a number near 0.
_MAGNIFYING = ("reciprocal", "sqrt", "rsqrt", "log", "pow")
#: What hands a difference on with its size.
_HANDING_ON = ("mul", "neg", "mean", "sum", "expand_dims", "cast", "square")
#: Operands of which other rules speak: an exp, probabilities, what is clipped.
_OTHERS = ("exp", "clip", "maximum", "minimum", "prediction", "labels")


@dataclass(frozen=True, slots=True)
class Form:
    """An expression that loses digits of its operand `x`, and one that keeps them.

    Attributes:
        op: the name of the op that computes it.
        operand: what `x` is in such an op; None in one of another form.
        written: how the expression is called.
        losing: which digits it loses.
        stable: the functions of the form that keeps them, names of `stable.NAMES`, the one that does first.
        template: the text of that form; `options` are the axis and keepdims of the means.
        inner: the argument that has to be written in the op, as the text takes its place, too; None for any.
    """

    op: str
    operand: Callable[[Op], Value | None]
    written: str
    losing: str
    stable: tuple[str, ...]
    template: str
    inner: str | None


def lost_in(op: Op) -> tuple[Form, Value] | None:
    """The form that `op` is written in, and the operand whose digits it loses; None where it loses none."""
    for form in _FORMS:
        x = form.operand(op) if form.op == op.name else None
        if x is not None:
            # Python's own numbers have sixteen digits, more than are missed.
            python = any(made.api.startswith("math.") for made in (op, *op.operands))
            return None if x.dtype in INTEGERS or python else (form, x)
    return None


def is_magnified(graph: Graph, op: Op, x: Value) -> bool:
    """Whether digits that are lost near 0 are missed: in a root, a log, a divisor, in what goes to 0 over 0.

    In a sum, as of a loss or a rotation, or in a window they are under the digits of the other terms.
    """
    for taker in onward(graph, op, lambda step: step.name in _HANDING_ON):
        if taker.name == "div":
            below = {source.serial for made in sources(taker.arg("y")) for source, _ in ancestors(made)}
            if op.serial in below or (x.op is not None and x.op.serial in below):
                return True
        elif taker.name in _MAGNIFYING:
            return True
    return False


def vanishing(graph: Graph, op: Op, x: Value) -> Trail | None:
    """The trail to a log in a loss of `exp(x) - 1`, which is 0 for an x that 1 + x is 1 for.

    Weights compute x, and nothing keeps it from 0; where it is known to be 0 or less, another rule speaks.
    """
    made, power = x.op, op.arg("x").op
    small = epsilon(op.value.dtype) / 4
    if made is None or power is None or power.name != "exp" or small not in x.interval:
        return None
    for log in graph.consumers(op):
        known = log.arg("x").reaches(lambda v: v <= 0) is not None
        if log.name == "log" and not known and graph.differentiated(log) and is_trained(made):
            return Trail(op.value, Witness(0.0, ((made, small),)), (made, power, op, log), made, (power, op))
    return None


def _exp_less_one(op: Op) -> Value | None:
    power = _op(op.arg("x"), "exp")
    return _computed(power.arg("x")) if power is not None and number(op.arg("y")) == 1 else None


def _one_less_cos(op: Op) -> Value | None:
    turned = _op(op.arg("y"), "cos")
    return _near_0(turned.arg("x")) if turned is not None and number(op.arg("x")) == 1 else None


def _variance(op: Op) -> Value | None:
    """What `op` is the mean square of, less the square of its mean along the same axes."""
    squares, mean = _op(op.arg("x"), "mean"), squared(op.arg("y"))
    whole = None if mean is None else _op(mean, "mean")
    base = None if squares is None else squared(squares.arg("x"))
    if squares is None or whole is None or base is None or not same(base, whole.arg("x")):
        return None
    alike = all(squares.arg(name).literal == whole.arg(name).literal for name in ("axis", "keepdims"))
    return base if alike else None


def _log_of_one_more(op: Op) -> Value | None:
    total = _op(op.arg("x"), "add")
    if total is None:
        return None
    x, y = total.arg("x"), total.arg("y")
    return _computed(y) if number(x) == 1 else _computed(x) if number(y) == 1 else None


def _log_of_one_less(op: Op) -> Value | None:
    total = _op(op.arg("x"), "sub")
    return _computed(total.arg("y")) if total is not None and number(total.arg("x")) == 1 else None


def _computed(x: Value) -> Value | None:
    """`x`, if it may be near 0 and is no other rule's, nor the noise log(-log(1 - u)), nor kept from 0."""
    for made in x.producers():
        if made.name in _OTHERS or squasher(made) is not None or made.name.startswith("random_"):
            return None
    return None if x.op is None else _near_0(x)


def _op(value: Value, name: str) -> Op | None:
    """The op of this name that computes `value` itself."""
    return value.op if value.op is not None and value.op.name == name else None


def _near_0(x: Value) -> Value | None:
    """`x`, if it may be so near 0 that digits are lost."""
    near = x.interval.lo < _NEAR and x.interval.hi > -_NEAR
    return x if near and number(x) is None else None


_OF_X = "an x near 0"
_OF_VARIANCE = "a variance that is small against the mean"
_MEANS = "the mean of squares minus the square of the mean"
_FORMS = (
    Form("sub", _exp_less_one, "exp(x) - 1", _OF_X, ("expm1",), "{expm1}({x})", "x"),
    Form("sub", _one_less_cos, "1 - cos(x)", _OF_X, ("sin", "square"), "2 * {square}({sin}({x} / 2))", "y"),
    Form("sub", _variance, _MEANS, _OF_VARIANCE, ("variance",), "{variance}({x}{options})", None),
    Form("log", _log_of_one_more, "log(1 + x)", _OF_X, ("log1p",), "{log1p}({x})", "x"),
    Form("log", _log_of_one_less, "log(1 - x)", _OF_X, ("log1p",), "{log1p}(-{x})", "x"),
)
