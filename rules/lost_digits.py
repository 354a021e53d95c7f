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
from functools import partial

from tflint_nan.cancellation import Form, is_magnified, lost_in
from tflint_nan.finding import Applicability, Fix, Level, Severity
from tflint_nan.graph import Graph, Report
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.stable import spelled
from tflint_nan.value import Op, Value


@rule(
    "NAN111",
    "lost-digits",
    level=Level.STRICT,
    needs=[("sub", "log"), ("add", "sub"), ("exp", "cos", "mean", "log")],
)
def check(graph: Graph) -> Iterator[Report]:
    """Differences that have a form which keeps their digits."""
    for op in graph.ops("sub", "log"):
        found = lost_in(op)
        if found is None or graph.monitored_only(op):
            continue
        form, x = found
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
