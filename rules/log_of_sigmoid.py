"""NAN102 log-of-sigmoid: a sigmoid output, which reaches exactly 0 and 1, goes into a log.

## Why is this bad?
`sigmoid(-104)` is under half of the smallest float32 and rounds to 0, and from an input of 18 on
`1 - sigmoid` is 0. The log of it is `-inf`, times a label of 0 it is NaN, and the gradient is NaN from there
on. `log_sigmoid` and the fused binary cross entropy compute the same number from the logits and stay finite.

## Example
```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 20])
labels = tf.placeholder(tf.float32, [None, 1])
w = tf.Variable(tf.random_normal([20, 1], stddev=0.1))
logits = tf.matmul(x, w)
p = tf.sigmoid(logits)
loss = -tf.reduce_mean(labels * tf.log(p) + (1 - labels) * tf.log(1 - p))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Use instead
```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 20])
labels = tf.placeholder(tf.float32, [None, 1])
w = tf.Variable(tf.random_normal([20, 1], stddev=0.1))
logits = tf.matmul(x, w)
loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Fix safety
Safe: `log(sigmoid(z))` is `log_sigmoid(z)`, `log(1 - sigmoid(z))` and `log1p(-sigmoid(z))` are
`log_sigmoid(-z)`, and `-(y * log(s) + (1 - y) * log(1 - s))` is `sigmoid_cross_entropy_with_logits`, value
and gradient, for every label. Logits get a name where they have none, and are fetched out of other
functions of a script as NAN101 does. Where that would change what others see (a layer of a Keras model) the
output is clipped: unsafe, since a clipped output has no gradient.

## References
* tf.nn.sigmoid_cross_entropy_with_logits, whose
  [page](https://www.tensorflow.org/api_docs/python/tf/nn/sigmoid_cross_entropy_with_logits) derives the form.
* [tf.math.log_sigmoid](https://www.tensorflow.org/api_docs/python/tf/math/log_sigmoid)
* IEEE 754-2008, table 3.5, for the smallest subnormal and the precision of each format.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tflint_nan.entropy import fused, sigmoid_cross_entropy
from tflint_nan.evidence import at
from tflint_nan.finding import Fix
from tflint_nan.graph import Graph, Report
from tflint_nan.interval import DEFAULT_FORMAT
from tflint_nan.inward import log_sigmoid
from tflint_nan.logs import LOGS, BadLog, bad_logs
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.stable import clipped, overflows
from tflint_nan.trace import explained


@rule("NAN102", "log-of-sigmoid", needs=[LOGS, ("sigmoid", "exp")])
def check(graph: Graph) -> Iterator[Report]:
    """Logs of sigmoid outputs without a guard."""
    for bad in bad_logs(graph):
        if bad.cause != "sigmoid":
            continue
        sigmoid, sink = bad.trail.producer, bad.trail.sink
        side = "positive" if at(sigmoid, bad.trail.witness) == 1 else "negative"
        edge = "1" if side == "positive" else "0"
        yield explained(
            bad.trail,
            float(bad.result),
            message=f"sigmoid reaches exactly {edge} in {sigmoid.value.dtype or DEFAULT_FORMAT} for large "
            f"{side} inputs, so this {sink.name} is {bad.result}",
            help="compute the log from the logits: log_sigmoid, or the fused cross entropy",
            fix=partial(_fix, graph, bad),
            level=bad.level,
        )


def _fix(graph: Graph, bad: BadLog, r: Rewriter) -> Fix | None:
    sink, sigmoid = bad.trail.sink, bad.trail.producer
    # One that is written by hand becomes a sigmoid by the fix of NAN107.
    if overflows(sigmoid):
        return None
    whole = sigmoid_cross_entropy(graph, sink) if sigmoid.name == "sigmoid" and sink.name == "log" else None
    return (
        fused(r.trial(), whole, sigmoid, sink)
        or log_sigmoid(r.trial(), sink, sigmoid)
        or (clipped(r, sink, "x") if sink.name == "log" else None)
    )
