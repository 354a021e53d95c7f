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

from tflint_nan.evidence import number
from tflint_nan.finding import Applicability, Fix
from tflint_nan.graph import Graph, Report
from tflint_nan.interval import round_to
from tflint_nan.registry import rule
from tflint_nan.remedies import Pair, cross_entropy, replace_loss
from tflint_nan.rewrite import Rewriter
from tflint_nan.training import logistic, squared_errors, trains_classes
from tflint_nan.value import NONE, Op, Value

MESSAGE = "Train with the cross entropy"


@rule("NAN201", "sigmoid-with-mse")
def check(graph: Graph) -> Iterator[Report]:
    """Squared errors that are minimised between labels and a sigmoid."""
    for op, *sides in squared_errors(graph):
        for labels, prediction in (sides, sides[::-1]):
            found = logistic(prediction) if graph.in_loss(op) else None
            if found is None or not trains_classes(graph, op, *found, labels):
                continue
            sigmoid, logits = found
            yield Report(
                op=op,
                message="squared error of a sigmoid: where the output is most wrong the sigmoid is flat, so "
                "the gradient vanishes and training stalls",
                help="train with the cross entropy, from the logits",
                because=((sigmoid, "sigmoid: its slope σ(1 - σ) is 0 at both ends of [0, 1]"),),
                witness=_witness(sigmoid.value.dtype, logits),
                fix=partial(_fix, graph, op, Pair(sigmoid.value, logits, labels)),
            )
            break


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


def _fix(graph: Graph, op: Op, pair: Pair, r: Rewriter) -> Fix | None:
    if op.name == "mean_squared_error" and not op.api.startswith("tf."):
        return r.fix(Applicability.UNSAFE, MESSAGE) if replace_loss(r, op, "binary_crossentropy") else None
    fix = _from_logits(graph, op, pair, r)
    return _from_output(graph, op, pair, Rewriter(graph, op)) if fix is None else fix


def _from_logits(graph: Graph, op: Op, pair: Pair, r: Rewriter) -> Fix | None:
    """TensorFlow's cross entropy, element by element."""
    text = cross_entropy(r, pair)
    if text is None:
        return None
    if op.name == "mean_squared_error":
        mean = r.api("tf.reduce_mean") if op.nodes.keys() == {"y_true", "y_pred"} else None
        if mean is None:
            return None
        text = f"{mean}({text})"
    r.replace(_halved(graph, op).node, text)
    return r.fix(Applicability.UNSAFE, MESSAGE)


def _from_output(graph: Graph, op: Op, pair: Pair, r: Rewriter) -> Fix | None:
    """Keras's cross entropy, the mean over the last axis: for logits that stay in a layer or a loop."""
    f, labels, output = (
        r.api("keras.losses.binary_crossentropy"),
        r.spell(pair.labels),
        r.spell(pair.output, "outputs"),
    )
    if f is None or labels is None or output is None:
        return None
    whole = _halved(graph, op)
    mean = next(iter(graph.consumers(whole)), whole)
    if op.name == "mean_squared_error" and op.nodes.keys() == {"y_true", "y_pred"}:
        r.replace(op.node, f"{r.api('tf.reduce_mean')}({f}({labels}, {output}))")
    elif mean.name == "mean" and number(mean.arg("axis")) == -1 and mean.arg("keepdims") is NONE:
        r.replace(mean.node, f"{f}({labels}, {output})")
    elif mean.name == "mean" and mean.arg("axis") is NONE:
        r.replace(whole.node, f"{f}({labels}, {output})")
    else:
        return None
    return r.fix(Applicability.UNSAFE, MESSAGE)


def _halved(graph: Graph, op: Op) -> Op:
    """The op that takes half of `op`, where that is all that is done with it; else `op`."""
    consumers = graph.consumers(op)
    if len(consumers) == 1:
        whole = consumers[0]
        half = number(whole.arg("y")) == 2 if whole.name == "div" else number(whole.arg("y")) == 0.5
        if half and whole.name in ("div", "mul"):
            return whole
        if whole.name == "mul" and number(whole.arg("x")) == 0.5:
            return whole
    return op
