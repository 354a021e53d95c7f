"""NAN111 lost-digits: a difference of nearly equal numbers, of which the digits that matter are gone.

## Why is this bad?

In float32 a number near 1 has steps of 1e-7. `exp(x) - 1` is 0 for an x below 6e-8 and has two right digits
at 1e-5; `log(1 + x)` forgets x in the same way, and `1 - cos(x)` is 0 below 2e-4. A variance as
`E[x²] - E[x]²` subtracts two numbers as large as the squared mean: with a mean of 1000 and a deviation of 0.1
nothing is left, and what comes out may be negative, NaN under the root. Each has a form that keeps them.

`--strict` reports such variances, what a root, log or divisor is made of, and what goes to 0 over 0, as in
`(exp(x) - 1) / x`; elsewhere, where a sum may have larger terms, only when the code is selected.

## Example

```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None])
mean = tf.reduce_mean(x)
variance = tf.reduce_mean(tf.square(x)) - tf.square(mean)
loss = tf.log(variance + 1e-6)
```

## Use instead

```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None])
variance = tf.math.reduce_variance(x)
loss = tf.log(variance + 1e-6)
```

## Fix safety

Safe: `expm1`, `log1p`, `2 * square(sin(x / 2))` and `reduce_variance` are the same value and gradient up
to the digits that were lost.

## References

* N. J. Higham: Accuracy and Stability of Numerical Algorithms. SIAM 2002, sections 1.7 (cancellation), 1.9
  (variance), 1.14 (exp(x) - 1).
* [tf.math.expm1](https://www.tensorflow.org/api_docs/python/tf/math/expm1),
  [tf.math.log1p](https://www.tensorflow.org/api_docs/python/tf/math/log1p)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from tflint_nan.evidence import ancestors, number, onward, same, squasher
from tflint_nan.finding import Applicability, Fix, Level, Severity
from tflint_nan.graph import Graph, Report
from tflint_nan.interval import INTEGERS
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.stable import spelled
from tflint_nan.value import Op, Value, sources

#: Beyond this distance from 0 at most two of seven digits are lost.
_NEAR = 0.01
#: What takes the relative size of a number near 0.
_MAGNIFYING = ("reciprocal", "sqrt", "rsqrt", "log", "pow")
_OTHERS = ("exp", "clip", "maximum", "minimum", "prediction", "labels")


@dataclass(frozen=True, slots=True)
class _Form:
    """An expression that loses digits, what it is called, and the stable form of `x`."""

    written: str
    stable: str
    x: Value
    axis: Op | None = None
    negated: bool = False


@rule(
    "NAN111",
    "lost-digits",
    level=Level.STRICT,
    needs=[("sub", "log"), ("add", "sub"), ("exp", "cos", "mean", "log")],
)
def check(graph: Graph) -> Iterator[Report]:
    """Differences that have a form which keeps their digits."""
    for op in graph.ops("sub", "log"):
        form = _difference(graph, op) if op.name == "sub" else _log(op)
        if form is None or form.x.dtype in INTEGERS or graph.monitored_only(op):
            continue
        yield Report(
            op=op,
            message=f"{form.written} loses the digits of "
            + ("a variance that is small against the mean" if form.axis else "an x near 0"),
            help=f"use {'sin' if form.stable == 'sin' else form.stable}, which keeps them",
            fix=partial(_fix, op, form),
            level=Level.STRICT
            if form.axis is not None or _is_magnified(graph, op, form.x)
            else Level.OPTIONAL,
            severity=Severity.WARNING,
        )


def _difference(graph: Graph, op: Op) -> _Form | None:
    left, right = op.arg("x"), op.arg("y")
    power = left.op
    if power is not None and power.name == "exp" and number(right) == 1 and _may_be_near_0(power.arg("x")):
        return _Form("exp(x) - 1", "expm1", power.arg("x"))
    turned = right.op
    small = (
        turned is not None and turned.name == "cos" and number(left) == 1 and _may_be_near_0(turned.arg("x"))
    )
    if turned is not None and small and (graph.escapes(op) or _is_magnified(graph, op, turned.arg("x"))):
        return _Form("1 - cos(x)", "sin", turned.arg("x"))
    mean, inner = left.op, _square(right)
    outer = inner.op if inner is not None else None
    base = _square(mean.arg("x")) if mean is not None and mean.name == "mean" else None
    if (
        base is None
        or mean is None
        or outer is None
        or outer.name != "mean"
        or not same(base, outer.arg("x"))
    ):
        return None
    if not all(mean.arg(name).literal == outer.arg(name).literal for name in ("axis", "keepdims")):
        return None
    return _Form("the mean of squares minus the square of the mean", "variance", base, axis=mean)


def _is_magnified(graph: Graph, op: Op, x: Value) -> bool:
    """Whether digits that are lost near 0 are missed: in a root, a log, a divisor, in what goes to 0 over 0.

    In a sum, as of a loss or a rotation, or in a window they are under the digits of the other terms.
    """
    through = ("mul", "neg", "mean", "sum", "expand_dims", "cast", "square")
    for taker in onward(graph, op, lambda step: step.name in through):
        if taker.name == "div":
            below = {source.serial for made in sources(taker.arg("y")) for source, _ in ancestors(made)}
            if op.serial in below or (x.op is not None and x.op.serial in below):
                return True
        elif taker.name in _MAGNIFYING:
            return True
    return False


def _square(value: Value) -> Value | None:
    """What `value` is the square of."""
    op = value.op
    if op is None:
        return None
    if op.name == "square" or (op.name == "pow" and number(op.arg("y")) == 2):
        return op.arg("x")
    return op.arg("x") if op.name == "mul" and same(op.arg("x"), op.arg("y")) else None


def _log(op: Op) -> _Form | None:
    total = op.arg("x").op
    if total is None or total.name not in ("add", "sub"):
        return None
    x, y = total.arg("x"), total.arg("y")
    if number(x) == 1:
        rest, negated = y, total.name == "sub"
    elif number(y) == 1 and total.name == "add":
        rest, negated = x, False
    else:
        return None
    # Of an exp, of probabilities and of what is clipped other rules speak.
    if any(made.name in _OTHERS or squasher(made) is not None for made in rest.producers()):
        return None
    # The noise log(-log(1 - u)) has no digits to lose.
    if any(made.name.startswith("random_") for made in rest.producers()):
        return None
    if rest.op is None or not _may_be_near_0(rest):
        return None
    return _Form("log(1 - x)" if negated else "log(1 + x)", "log1p", rest, negated=negated)


def _may_be_near_0(value: Value) -> bool:
    interval = value.interval
    return number(value) is None and interval.lo < _NEAR and interval.hi > -_NEAR


def _fix(op: Op, form: _Form, r: Rewriter) -> Fix | None:
    part = "y" if form.stable == "sin" else "x"
    inner = op.arg(part).op
    if form.axis is None and inner is not None and op.nodes.get(part) is not inner.node:
        r.decline("what digits are lost of has a name of its own")
        return None
    f, x = spelled(r, op, form.stable), r.spell(form.x, "x")
    if f is None or x is None:
        return None
    if form.stable == "sin":
        square = spelled(r, op, "square")
        if square is None:
            return None
        r.replace(op.node, "2 * {square}({f}({x} / 2))", square=square, f=f, x=x)
    elif form.axis is not None:
        given = {name: form.axis.arg(name) for name in ("axis", "keepdims") if name in form.axis.args}
        texts = {name: r.spell(value) for name, value in given.items()}
        if None in texts.values():
            return None
        r.replace(op.node, "{f}({x}" + "".join(f", {n}={t}" for n, t in texts.items()) + ")", f=f, x=x)
    else:
        r.replace(op.node, "{f}(-{x})" if form.negated else "{f}({x})", f=f, x=x)
    return r.fix(Applicability.SAFE, f"Use {f}")
