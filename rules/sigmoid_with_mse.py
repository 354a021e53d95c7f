"""NAN201 sigmoid-with-mse: a sigmoid output is trained with the squared error.

## Why is this bad?

The gradient of the squared error with respect to the logit is (σ - y) σ (1 - σ). Where the output is most
wrong (σ near 1 for y = 0) the factor σ (1 - σ) is near 0, in float32 exactly 0 from a logit of 17 on: the
worse the error, the smaller the step, and a neuron that starts on the wrong side stays there. The cross
entropy's gradient is σ - y: it is largest where the error is.

An output that is trained towards numbers between 0 and 1 (an autoencoder's pixels, box coordinates,
scaled prices) is no classification: the rule is silent where the targets are shown to be such numbers,
and where several outputs are trained and nothing shows classes.

## Example

```python
import tensorflow as tf

xs = tf.placeholder(tf.float32)
ys = tf.placeholder(tf.float32)
w = tf.Variable(tf.constant(2.0))
b = tf.Variable(tf.constant(2.0))
y = tf.nn.sigmoid(w * xs + b)
loss = tf.pow(ys - y, 2) / 2
train_step = tf.train.GradientDescentOptimizer(0.15).minimize(loss)
```

## Use instead

```python
import tensorflow as tf

xs = tf.placeholder(tf.float32)
ys = tf.placeholder(tf.float32)
w = tf.Variable(tf.constant(2.0))
b = tf.Variable(tf.constant(2.0))
logits = w * xs + b
y = tf.nn.sigmoid(logits)
loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=ys, logits=logits)
train_step = tf.train.GradientDescentOptimizer(0.15).minimize(loss)
```

Measured on the input 1 with the label 0: the output after 150 steps is 0.93 for the example and 0.03 with the
fix (`pytest tests/test_training_proof.py -k NAN201`).

## Fix safety

Unsafe: another loss is minimised. A squared error written by hand becomes
`tf.nn.sigmoid_cross_entropy_with_logits` over the logits (a factor 1/2 goes, it was there for the
square). Where the logits are inside a layer, and for the loss of a Keras model, it becomes Keras's binary
cross entropy, which takes the sigmoid's output.

## References

* M. Nielsen, "Neural Networks and Deep Learning", 2015, chapter 3, "The cross-entropy cost function".
* X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
  AISTATS 2010, section 4.1: plateaus of the quadratic cost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from tflint_nan.graph import DIFFERENTIATING, Graph, Report
from tflint_nan.interval import round_to
from tflint_nan.registry import rule
from tflint_nan.remedies import Pair, train_with_cross_entropy
from tflint_nan.targets import SQUARES, squared_classes
from tflint_nan.value import Value


@rule("NAN201", "sigmoid-with-mse", needs=[SQUARES, ("sigmoid", "exp"), DIFFERENTIATING])
def check(graph: Graph) -> Iterator[Report]:
    """Squared errors that are minimised between labels and a sigmoid."""
    for error in squared_classes(graph):
        if error.kind != "sigmoid":
            continue
        sigmoid, logits = error.activation, error.logits
        yield Report(
            op=error.op,
            message="squared error of a sigmoid: where the output is most wrong the sigmoid is flat, so "
            "the gradient vanishes and training stalls",
            help="train with the cross entropy, from the logits",
            because=((sigmoid, "sigmoid: its slope σ(1 - σ) is 0 at both ends of [0, 1]"),),
            witness=_witness(sigmoid.value.dtype, logits),
            fix=partial(train_with_cross_entropy, graph, error.op, Pair(sigmoid.value, logits, error.labels)),
        )


def _witness(dtype: str | None, logits: Value) -> str | None:
    """A logit that saturates the sigmoid on the wrong side, with the loss and its gradient there."""

    def output(logit: float) -> float:
        return round_to(1 / (1 + math.exp(-max(logit, -700.0))), dtype)

    found = logits.reaches(lambda v: math.isfinite(v) and output(v) * (1 - output(v)) == 0)
    if found is None:
        return None
    s = output(found.value)
    label = 1 - s
    gradient = abs(2 * (s - label) * s * (1 - s))
    return (
        f"logit = {found.value:g}, label = {label:g} -> sigmoid = {s:g}, "
        f"squared error = {(s - label) ** 2:g}, |gradient| = {gradient:g} "
        f"(of the cross entropy: {abs(s - label):g})"
    )
