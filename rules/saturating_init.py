"""NAN502 saturating-init: weights start so far from 0 that the activation behind them is flat.

## Why is this bad?

A unit sums up its inputs times its weights. With n inputs of about unit size and weights with the
standard deviation s, the sum has the standard deviation s * sqrt(n): with s = 2 and 784 inputs, 56. A
sigmoid has the slope 4e-25 there, a softmax gives one class everything (its log is -inf), and relus pass
numbers on that grow by as much from layer to layer. Such a layer stays as it was drawn; a very wide one
still gives the next enough to go by, a narrow one does not. Usual scales keep the sum near 1: He's
sqrt(2 / n) for relu, Glorot's sqrt(2 / (n + m)) for tanh, LeCun's sqrt(1 / n) for sigmoid and softmax.

The same happens to a single neuron: a sigmoid that starts from w = 2, b = 2 with the input 1 gets 4,
where its slope is 0.018; with the squared error it hardly moves for 150 steps.

## Example

```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 784])
labels = tf.placeholder(tf.float32, [None, 10])
w1 = tf.Variable(tf.random_normal([784, 32], stddev=2.0))
b1 = tf.Variable(tf.zeros([32]))
hidden = tf.nn.sigmoid(tf.matmul(x, w1) + b1)
logits = tf.layers.dense(hidden, 10)
loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Use instead

```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 784])
labels = tf.placeholder(tf.float32, [None, 10])
w1 = tf.Variable(tf.random_normal([784, 32], stddev=0.036))
b1 = tf.Variable(tf.zeros([32]))
hidden = tf.nn.sigmoid(tf.matmul(x, w1) + b1)
logits = tf.layers.dense(hidden, 10)
loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

Measured on 2048 generated digits: the accuracy after 300 steps is 0.66 for the example and 0.91 with the fix
(`pytest tests/test_training_proof.py -k NAN502`).

## Thresholds

| threshold | default | what is reported |
|---|---|---|
| `initial-scale` | 1 | by default, weights past the ratio that are spread further than this |
| `initial-scale-ratio` | 5 | with `--strict`, weights spread more times further than is usual |
| `initial-slope` | 0.1 | a sigmoid or tanh that starts at a smaller share of its largest slope |

The spread is the root mean square. Weights whose fan-in is not known are silent, and so are layers that a
normalisation follows, embeddings, frozen weights, and what sines and cosines are taken of (Fourier
features). Without `stddev`, `tf.random_normal` has 1: that is 28 times too far for 784 inputs and stands
in so many tutorials, which train all the same, that only `--strict` says so. Constants count where a
sigmoid or tanh is known to start flat for every input that is fed, and the loss is not one whose gradient
makes up for it (the cross entropy of that sigmoid).

## Fix safety

Unsafe: training starts elsewhere. The standard deviation becomes the usual one for the fan-in and the
activation, where it is written as a number. Constants are left to you: start near 0.

## References

* H. Ben Braiek, F. Khomh, "TheDeepChecker", TOSEM 2022: initial standard deviations are compared with
  He's, Glorot's and LeCun's for the activation.
* Y. LeCun, L. Bottou, G. Orr, K.-R. Müller, "Efficient BackProp", 1998; X. Glorot, Y. Bengio, AISTATS
  2010; K. He et al., ICCV 2015: the three scales.
* The share of 5 and the literal above 1: 199 healthy tutorials leave out the `stddev` of `random_normal`;
  none was seen that writes a number above 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from tflint_nan.architecture import LAYERS, Network, fan_in, is_trained, readers, units
from tflint_nan.evidence import onward
from tflint_nan.finding import Level, Severity
from tflint_nan.graph import Graph, Report
from tflint_nan.registry import rule
from tflint_nan.remedies import redraw
from tflint_nan.starts import RELUS, Beginning, Start, kernel_start, usual_deviation
from tflint_nan.value import Op

#: Activations that are flat far from 0, and losses that apply one of them.
_SQUASHED = (
    *("sigmoid", "hard_sigmoid", "softmax", "tanh", "sigmoid_cross_entropy_with_logits"),
    *("softmax_cross_entropy_with_logits", "sparse_softmax_cross_entropy_with_logits"),
)
#: Losses whose gradient does not shrink with the slope of the sigmoid that they are given.
_BY_LOG = ("log", "log1p", "binary_crossentropy", "binary_focal_crossentropy")


@rule(
    "NAN502",
    "saturating-init",
    thresholds={"initial-scale": 1.0, "initial-scale-ratio": 5.0, "initial-slope": 0.1},
    needs=[(*LAYERS, "sigmoid", "tanh")],
)
def check(graph: Graph) -> Iterator[Report]:
    """Kernels spread too far for their fan-in; sigmoids and tanhs that start where they are flat."""
    for op in Network(graph).layers:
        start, inputs = kernel_start(op), fan_in(op)
        if start is not None and start.drawn is not None and inputs and is_trained(op):
            yield from _spread(graph, op, start, start.drawn, inputs)
    yield from _flat(graph)


def _flat(graph: Graph) -> Iterator[Report]:
    """Sigmoids and tanhs that start far from 0 for every input that is fed."""
    beginning = Beginning(graph)
    for op in graph.ops("sigmoid", "tanh"):
        low = beginning.of(op.arg("x"))
        nearest = max(low.lo, -low.hi)
        slope = _slope(op.name, nearest)
        if nearest <= 0 or slope >= graph.threshold("initial-slope") or not graph.differentiated(op):
            continue
        if op.arg("x").made_by("variable"):
            continue  # a gate or mask that starts open
        if any(reader.name in _BY_LOG for reader in onward(graph, op, _keeps)):
            continue
        yield Report(
            op=op,
            message=f"{op.name} starts at {nearest if low.lo > 0 else -nearest:g} or further from 0, where "
            f"its slope is {slope:.2g} of its largest: it hardly learns until it comes back",
            help="start the weights and the bias near 0",
            severity=Severity.WARNING,
        )


def _slope(name: str, z: float) -> float:
    """The slope at `z` as a share of the slope at 0."""
    half = z / 2 if name == "sigmoid" else z
    return 1 - math.tanh(half) ** 2


def _keeps(step: Op) -> bool:
    return bool(step.flow) or step.name in ("add", "sub", "clip", "maximum", "minimum", "neg")


def _spread(graph: Graph, op: Op, start: Start, drawn: Op, inputs: int) -> Iterator[Report]:
    """A kernel that is spread further than is usual before what reads the layer."""
    found = readers(graph, op)
    if any(reader.name not in (*RELUS, *_SQUASHED) for reader in found) or not found:
        return
    reader = found[0]
    usual = usual_deviation(reader, inputs, units(op))
    ratio, sums = start.spread / usual, start.spread * math.sqrt(inputs)
    if ratio <= graph.threshold("initial-scale-ratio") or graph.differentiated(op) is False:
        return
    yield Report(
        op=drawn,
        message=f"initial weights of {start.spread:.3g} for {inputs} inputs, {ratio:.3g} times the usual "
        f"{usual:.2g}: {reader.name} gets numbers near {sums:.3g} for inputs near 1",
        help=f"use a standard deviation of {usual:.2g}, or the library's own initializer",
        because=((reader, f"{reader.name}: takes the sums"),),
        fix=partial(redraw, graph, drawn, usual) if start.direct else None,
        level=Level.DEFAULT if start.spread > graph.threshold("initial-scale") else Level.STRICT,
        severity=Severity.WARNING,
    )
