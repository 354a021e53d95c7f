"""NAN111 lost-digits: a difference of nearly equal numbers, of which the digits that matter are gone.

## Why is this bad?

In float32 a number near 1 has steps of 1e-7. `exp(x) - 1` is 0 for an x below 6e-8 and has two right digits
at 1e-5; `log(1 + x)` forgets x in the same way, and `1 - cos(x)` is 0 below 2e-4. A variance as
`E[x²] - E[x]²` subtracts two numbers as large as the squared mean: with a mean of 1000 and a deviation of 0.1
nothing is left, and what comes out may be negative, NaN under the root. Each has a form that keeps them.

Every run tells of the log of `exp(x) - 1` in a loss, for an x that weights compute: there it is `-inf`.
`--strict` reports such variances, what a root, log or divisor is made of, and what goes to 0 over 0, as in
`(exp(x) - 1) / x`; elsewhere, where a sum may have larger terms, only when the code is selected.

## Example

```python
import tensorflow as tf

time = tf.placeholder(tf.float32, [None])
scale = tf.Variable(tf.ones([1]))
hazards = tf.pow((time + 1) / tf.exp(scale), 1.5) - tf.pow(time / tf.exp(scale), 1.5)
loss = -tf.reduce_mean(tf.log(tf.exp(hazards) - 1))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Use instead

```python
import tensorflow as tf

time = tf.placeholder(tf.float32, [None])
scale = tf.Variable(tf.ones([1]))
hazards = tf.pow((time + 1) / tf.exp(scale), 1.5) - tf.pow(time / tf.exp(scale), 1.5)
loss = -tf.reduce_mean(tf.log(tf.math.expm1(hazards)))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
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

import math
from collections.abc import Iterator
from functools import partial

from tflint_nan.cancellation import Form, is_magnified, lost_in, vanishing
from tflint_nan.finding import Applicability, Fix, Level, Severity
from tflint_nan.graph import Graph, Report
from tflint_nan.interval import epsilon
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.stable import spelled, written
from tflint_nan.trace import explained
from tflint_nan.value import Op, Value


@rule(
    "NAN111",
    "lost-digits",
    needs=[("sub", "log"), ("add", "sub"), ("exp", "cos", "mean", "log")],
)
def check(graph: Graph) -> Iterator[Report]:
    """Differences that have a form which keeps their digits."""
    for op in graph.ops("sub", "log"):
        found = lost_in(op)
        if found is None or graph.monitored_only(op):
            continue
        form, x = found
        trail = vanishing(graph, op, x)
        if trail is not None:
            least = epsilon(op.value.dtype) / 2
            yield explained(
                trail,
                -math.inf,
                message=f"{form.written} is 0 for an x below {written(least)}, so this log is -inf",
                help=f"use {form.stable[0]}, which is x there",
                fix=partial(_fix, op, form, x),
            )
            continue
        missed = "variance" in form.stable or is_magnified(graph, op, x)
        if "sin" in form.stable and not missed and not graph.escapes(op):
            continue  # a window, a schedule
        yield Report(
            op=op,
            message=f"{form.written} loses the digits of {form.losing}",
            help=f"use {form.stable[0]}, which keeps them",
            fix=partial(_fix, op, form, x),
            level=Level.STRICT if missed else Level.OPTIONAL,
            severity=Severity.WARNING,
        )


def _fix(op: Op, form: Form, x: Value, r: Rewriter) -> Fix | None:
    inner = op.arg(form.inner).op if form.inner else None
    if inner is not None and op.nodes.get(form.inner or "") is not inner.node:
        r.decline("what digits are lost of has a name of its own")
        return None
    parts = {name: spelled(r, op, name) for name in form.stable}
    parts |= {"x": r.spell(x, "x"), "options": _options(op, r)}
    if None in parts.values():
        return None
    r.replace(op.node, form.template, **parts)
    return r.fix(Applicability.SAFE, f"Use {parts[form.stable[0]]}")


def _options(op: Op, r: Rewriter) -> str | None:
    """The axis and keepdims of the mean that a number is subtracted from, as arguments."""
    mean = op.arg("x").op
    args = {} if mean is None or mean.name != "mean" else mean.args
    given = {name: args[name] for name in ("axis", "keepdims") if name in args}
    texts = {name: r.spell(value) for name, value in given.items()}
    return None if None in texts.values() else "".join(f", {name}={text}" for name, text in texts.items())
