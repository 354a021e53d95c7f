"""NAN212 sum-reduced-loss: the sum over the whole batch is minimised.

## Why is this bad?

The gradient of a sum grows with the number of examples, and so does every step: a learning rate that is right
for batches of 32 is 8 times too large for 256, and the last, smaller batch of an epoch is weighted less. With
a mean the rate stays what it is. Not wrong where the rate was found for this batch, which is why only
`--strict` reports it.

## Example

```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 20])
y = tf.placeholder(tf.float32, [None])
prediction = tf.squeeze(tf.layers.dense(x, 1), axis=1)
loss = tf.reduce_sum(tf.square(prediction - y))
train = tf.train.GradientDescentOptimizer(0.01).minimize(loss)
```

## Use instead

```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 20])
y = tf.placeholder(tf.float32, [None])
prediction = tf.squeeze(tf.layers.dense(x, 1), axis=1)
loss = tf.reduce_mean(tf.square(prediction - y))
train = tf.train.GradientDescentOptimizer(0.01).minimize(loss)
```

Measured on 2048 generated rows of 20 features: the squared error after 500 steps is NaN for the example and
0.00 with the fix (`pytest tests/test_training_proof.py -k NAN212`).

## Fix safety

Unsafe: gradients become smaller by the size of the batch, and the learning rate has to be found again.
Offered where the sum is over one axis, so that only the batch is averaged.

## References

* P. Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017: the rate goes with the
  batch size, for a mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import libcst as cst

from tflint_nan.finding import Applicability, Fix, Level, Severity
from tflint_nan.graph import Graph, Report
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.training import made_only_by
from tflint_nan.value import NONE, Op


@rule("NAN212", "sum-reduced-loss", Level.STRICT, needs=[("minimize", "gradients"), ("sum",)])
def check(graph: Graph) -> Iterator[Report]:
    """Sums over the batch that are minimised as they are."""
    for step in graph.ops("minimize", "gradients"):
        total = made_only_by(step.arg("loss"), "sum")
        shape = total.arg("x").shape if total is not None else None
        if total is None or not shape or shape[0] is not None or total.arg("axis") is not NONE:
            continue
        yield Report(
            op=total,
            message="the sum over the whole batch is minimised: every step grows with the size of the batch",
            help="minimise the mean over the batch",
            because=((step, "minimised here"),),
            fix=partial(_fix, total) if len(shape) == 1 else None,
            level=Level.STRICT,
            severity=Severity.WARNING,
        )


def _fix(total: Op, r: Rewriter) -> Fix | None:
    mean = r.api("tf.reduce_mean") if total.api == "tf.reduce_sum" else None
    if mean is None or not isinstance(total.node, cst.Call):
        return None
    r.replace(total.node.func, mean)
    return r.fix(Applicability.UNSAFE, "Minimise the mean")
