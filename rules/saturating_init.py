"""NAN502 saturating-init: weights start so far from 0 that the activation behind them is flat.

## Why is this bad?

A unit sums up its inputs times its weights. With n inputs of about unit size and weights with the
standard deviation s, the sum has the standard deviation s * sqrt(n): with s = 2 and 784 inputs, 56. A
sigmoid has the slope 4e-25 there, a softmax gives one class everything (its log is -inf), and relus pass
numbers on that grow by as much from layer to layer. Such a layer stays as it was drawn; a very wide one
still gives the next enough to go by, a narrow one does not. Usual scales keep the sum near 1: He's
sqrt(2 / n) for relu, Glorot's sqrt(2 / (n + m)) for tanh, LeCun's sqrt(1 / n) for sigmoid and softmax.

Layers of relus multiply this: each whose weights have the standard deviation s makes what it gets
s * sqrt(n / 2) times as large. Behind two of them, s = 1 and n = 256, a sigmoid gets numbers near 128; what
bounds it by a clip, or takes a squared error, then gets no gradient from nearly all examples.

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
| `initial-sums` | 100 | a sigmoid that starts further from 0, behind layers each of which spreads further |

The spread is the root mean square. Weights whose fan-in is not known are silent, and so are layers that a
normalisation follows, embeddings, frozen weights, and what sines and cosines are taken of (Fourier
features). Without `stddev`, `tf.random_normal` has 1: that is 28 times too far for 784 inputs and stands in
so many tutorials, which train all the same, that only `--strict` says so. Three tanhs in a row, all of
whose weights are past the ratio, are reported by default: each tears neighbours further apart. With weights
of 1 for 256 inputs, what differs by a tenth differs by more than two thirds behind the third (with usual
weights by a tenth still), and what is learned of one input says little of the next. A sigmoid behind layers
that multiply is reported where the gradient of its loss goes through its slope or through a clip; of the
inputs of the first layer one is taken to be near 1. Constants count where a sigmoid or tanh is known to
start flat for every input that is fed, and the loss is not one whose gradient makes up for it (the cross
entropy of that sigmoid). So does a bias of a gate, whatever is drawn beside it, where it leaves less of the
slope than float32 rounds away, for sums of inputs near 1 that are four times as far out as is expected: with
usual weights, beyond -24 (the gate is closed to the last digit from -17 on; -1 to -5 are silent).

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

from collections.abc import Iterator
from functools import partial

from tflint_nan import slopes
from tflint_nan.architecture import LAYERS, Network, kernel
from tflint_nan.finding import Level, Severity
from tflint_nan.graph import Graph, Report
from tflint_nan.registry import rule
from tflint_nan.remedies import redraw
from tflint_nan.starts import Spread, spread
from tflint_nan.weights import belongs, loaded

#: So many layers of tanhs in a row that all start flat are too many.
ROW = 3


@rule(
    "NAN502",
    "saturating-init",
    thresholds={
        "initial-scale": 1.0,
        "initial-scale-ratio": 5.0,
        "initial-slope": 0.1,
        "initial-sums": 100.0,
    },
    needs=[(*LAYERS, "sigmoid", "tanh")],
)
def check(graph: Graph) -> Iterator[Report]:
    """Kernels spread too far for their fan-in; sigmoids and tanhs that start where they are flat."""
    network = Network(graph)
    limit, ratio = graph.threshold("initial-scale"), graph.threshold("initial-scale-ratio")
    set_first = loaded(graph)
    begun = (op for op in network.layers if not belongs(kernel(op) or op, set_first))
    found = [(op, known) for op in begun if (known := spread(graph, op)) is not None]
    wide = [(op, known) for op, known in found if known.ratio > ratio]
    rows = _in_rows(network, {known.reader.serial for _, known in wide})
    for op, known in wide:
        if graph.differentiated(op) is not False:
            sure = known.start.spread > limit or known.reader.serial in rows
            yield _report(graph, known, Level.DEFAULT if sure else Level.STRICT)
    yield from _flat(graph)
    yield from _grown(graph)


def _grown(graph: Graph) -> Iterator[Report]:
    """Sigmoids behind layers each of which makes what it gets several times as large."""
    for op, row in slopes.grown(graph, graph.threshold("initial-sums")):
        yield Report(
            op=op,
            message=f"{op.name} starts near {row[-1].size:.3g} from 0, where it is flat, for inputs near 1: "
            f"the weights of {len(row)} layers in a row are drawn so wide that sums grow from each to next",
            help="draw with a standard deviation of sqrt(2 / inputs), or leave the initializers out",
            because=tuple(
                (
                    one.layer,
                    f"weights of {one.start.deviation:.3g} for {one.inputs}: sums near {one.size:.3g}",
                )
                for one in row
            ),
        )


def _in_rows(network: Network, readers: set[int]) -> set[int]:
    """Those of the activations, by serial, that stand with others of them in a long row of tanhs."""
    rows = [{op.serial for op in row} & readers for row in network.rows(frozenset({"tanh"}))]
    return {serial for row in rows if len(row) >= ROW for serial in row}


def _flat(graph: Graph) -> Iterator[Report]:
    """Sigmoids and tanhs that start far from 0 for every input that is fed, or that is not huge."""
    everywhere = {op: (at, slope) for op, at, slope in slopes.flat(graph, graph.threshold("initial-slope"))}
    by_bias = {op: (at, slope) for op, at, slope in slopes.shut(graph) if op not in everywhere}
    for op, (start, slope) in (everywhere | by_bias).items():
        if op in by_bias:
            where, after = f"near {start:g}, by the bias of its layer,", "next to no gradient comes back"
        else:
            where, after = f"at {start:g} or further from 0,", "it hardly learns until it comes back"
        yield Report(
            op=op,
            message=f"{op.name} starts {where} where its slope is {slope:.2g} of its largest: {after}",
            help="start the weights and the bias near 0 (a gate that is closed at first, from -1 to -5)",
            severity=Severity.WARNING,
        )


def _report(graph: Graph, known: Spread, level: Level) -> Report:
    """Of a kernel that is spread further than is usual before what reads the layer."""
    name = known.reader.name
    return Report(
        op=known.drawn,
        message=f"initial weights of {known.start.spread:.3g} for {known.inputs} inputs, {known.ratio:.3g} "
        f"times the usual {known.usual:.2g}: {name} gets numbers near {known.sums:.3g} for inputs near 1",
        help=f"use a standard deviation of {known.usual:.2g}, or the library's own initializer",
        because=((known.reader, f"{name}: takes the sums"),),
        fix=partial(redraw, graph, known.drawn, known.usual) if known.start.direct else None,
        level=level,
        severity=Severity.WARNING,
    )
