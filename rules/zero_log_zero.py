"""NAN114 zero-log-zero: `p * log(p)` of a p that reaches 0 is `0 * -inf`, NaN.

## Why is this bad?
The limit of `p log p` at 0 is 0; what a computer multiplies there is 0 and `-inf`, and that is NaN, in the
entropy or divergence and in its gradient. A softmax, a sigmoid and a one-hot vector are exactly 0 somewhere.
A `where` around the product does not stop the gradient. `xlogy(p, q)` is `p * log(q)`, and 0 where `p` is 0.

## Example
```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 4])
w = tf.Variable(tf.truncated_normal([4, 3], stddev=0.1))
p = tf.nn.softmax(tf.matmul(x, w))
entropy = -tf.reduce_sum(p * tf.log(p), axis=1)
train = tf.train.AdamOptimizer(1e-3).minimize(-tf.reduce_mean(entropy))
```

## Use instead
```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 4])
w = tf.Variable(tf.truncated_normal([4, 3], stddev=0.1))
p = tf.nn.softmax(tf.matmul(x, w))
entropy = -tf.reduce_sum(tf.math.xlogy(p, p), axis=1)
train = tf.train.AdamOptimizer(1e-3).minimize(-tf.reduce_mean(entropy))
```

## Fix safety
`p * log(q)` becomes `xlogy(p, q)`: safe, the same value and gradient wherever both are finite, and 0 where
`p` is 0. In Keras 3, which has no such function, the log of a softmax becomes `log_softmax` of the logits:
safe as well. Anything else is clipped inside of the log: unsafe.

## References
* [tf.math.xlogy](https://www.tensorflow.org/api_docs/python/tf/math/xlogy)
* Cover, Thomas: Elements of Information Theory, 2.1: the convention `0 log 0 = 0`, by continuity.
* Measured with TensorFlow 2.21 on a CPU: `p * log(p)` at 0 is NaN in value and gradient, `xlogy(p, p)` 0 in
  both; `multiply_no_nan(log(p), p)` is 0 and its gradient NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from tflint_nan.evidence import library
from tflint_nan.finding import Applicability, Fix
from tflint_nan.graph import Graph, Report
from tflint_nan.inward import log_softmax
from tflint_nan.logs import BadLog, bad_logs
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.stable import clipped
from tflint_nan.trace import explained, label


@rule("NAN114", "zero-log-zero", needs=[("log",), ("mul",)])
def check(graph: Graph) -> Iterator[Report]:
    """Products of a value that reaches 0 with its own log."""
    for bad in bad_logs(graph):
        if bad.cause != "product" or bad.product is None:
            continue
        yield explained(
            bad.trail,
            float(bad.result),
            message=f"the operand, made by {label(bad.trail.producer)}, reaches exactly 0, "
            "where its product with its own log is 0 * -inf, NaN",
            help="use xlogy, which is 0 there",
            fix=partial(_fix, bad),
            beyond=((bad.product, math.nan),),
        )


def _fix(bad: BadLog, r: Rewriter) -> Fix | None:
    sink, product = bad.trail.sink, bad.product
    f = r.api("tf.math.xlogy") if library(sink) in ("tf", "keras.backend") else None
    factors = () if product is None else (product.arg("x"), product.arg("y"))
    zero = next((factor for factor in factors if factor.op is not sink), None)
    # The sign or the shape between log and product would be lost.
    direct = any(factor.op is sink for factor in factors)
    if f is not None and product is not None and zero is not None and direct:
        p, q = r.spell(zero), r.spell(sink.arg("x"))
        if p is not None and q is not None:
            r.replace(product.node, "{f}({p}, {q})", f=f, p=p, q=q)
            return r.fix(Applicability.SAFE, f"Use {f}")
    quotient = sink.arg("x").op
    if quotient is not None and quotient.name == "div" and quotient.arg("y").reaches(lambda v: v == 0):
        return None  # A bound of 0 / 0 is no number; the fix of NAN105 comes first.
    return log_softmax(r.trial(), sink, bad.trail.producer) or clipped(r, sink, "x")
