"""NAN203 activation-before-logits-loss: a softmax or sigmoid output is given to a loss that applies one
itself.

## Why is this bad?

`*_with_logits` and `from_logits=True` apply the softmax (or sigmoid) themselves. Outputs that went
through one already lie in [0, 1], so the second sees logits at most 1 apart: ten perfect outputs, 1 for
the label and 0 for the rest, are read as a probability of 0.23, the loss never falls under 1.46, and the
gradient passes through two flat activations. Gradient descent is slow, without an error; Adam, which divides
by the size of the gradient, makes up for much of it.

A mean or a product of several sigmoids is as little a logit as each of them.

Keras's TensorFlow backend notices the case inside its own losses, warns, ignores the activation and takes
the logits (measured with Keras 3.15 on TensorFlow 2.21). Other backends, losses that are called eagerly
on the output of `tf.nn.softmax`, and all of them where another layer follows the activation apply both.

## Example

```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 784])
labels = tf.placeholder(tf.float32, [None, 10])
y = tf.nn.softmax(tf.layers.dense(x, 10))
loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=y))
train = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
```

## Use instead

```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 784])
labels = tf.placeholder(tf.float32, [None, 10])
logits = tf.layers.dense(x, 10)
y = tf.nn.softmax(logits)
loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits))
train = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
```

Measured on 2048 generated digits: the accuracy after 100 steps is 0.61 for the example and 0.89 with the fix
(`pytest tests/test_training_proof.py -k NAN203`).

## Fix safety

In `compile`, `from_logits=True` is dropped, so that the loss says what the model outputs. With the
TensorFlow backend that is the number which Keras computes anyway if the activation comes last, and the fix is
safe. Elsewhere the logits are passed to the fused loss, or `from_logits` is dropped, and the fix is unsafe:
the value of the loss changes, for the better; a learning rate that was raised to make up for the flat
gradients has to come down again. The logits come out of another function as for NAN101. Where a layer of
Keras applies the activation, the layer loses it, and the model returns logits. Of two softmaxes in a row the
second is dropped where it is a layer, and gets the logits where it is a function: unsafe.

## References

* `tf.nn.softmax_cross_entropy_with_logits`: "This op expects unscaled logits, since it performs a softmax
  on logits internally for efficiency. Do not call this op with the output of softmax".
* N. Humbatova et al., "Taxonomy of Real Faults in Deep Learning Systems", ICSE 2020: wrong pairs of
  activation and loss.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from tflint_nan.evidence import number
from tflint_nan.finding import Applicability, Fix
from tflint_nan.graph import Graph, Report
from tflint_nan.registry import rule
from tflint_nan.remedies import drop_from_logits, pass_logits, remove_activation
from tflint_nan.rewrite import Rewriter
from tflint_nan.training import ENTROPIES, Entropy, entropies, guarded, made_only_by, mixed, units
from tflint_nan.value import NONE, Op


@rule(
    "NAN203",
    "activation-before-logits-loss",
    needs=[(*ENTROPIES, "ctc_loss", "softmax", "log_softmax"), ("softmax", "sigmoid")],
)
def check(graph: Graph) -> Iterator[Report]:
    """Activated outputs where logits are expected."""
    of_sequences = (Entropy(op, "softmax", "labels", "logits", True) for op in graph.ops("ctc_loss"))
    for entropy in (*entropies(graph), *of_sequences):
        op, own = entropy.op, entropy.kind
        activation = made_only_by(guarded(entropy.output), "softmax", "sigmoid")
        mixture = entropy.output.op if activation is None else None
        activation = activation or mixed(entropy.output)
        if activation is None or entropy.logits is not True:
            continue
        if activation.name == "softmax" and not _over_last_axis(activation):
            continue
        twice = f"{own} twice" if own == activation.name else f"{own} of a {activation.name}"
        fused = entropy.operand == "logits"
        says = (
            "this loss applies its own to what it is given" if fused else "from_logits=True applies another"
        )
        because: tuple[tuple[Op, str], ...] = (
            (activation, f"{activation.name}: values in {activation.value.interval}, not logits"),
        )
        shown = f"the output of a {activation.name}"
        fix = partial(pass_logits, op, activation) if fused else partial(drop_from_logits, graph, entropy)
        if mixture is not None:
            shown = f"between 0 and 1, computed from a {activation.name}"
            because += ((mixture, f"{mixture.name}: values in {mixture.value.interval}"),)
        yield Report(
            op=op,
            message=f"{twice}: these are not logits but {shown}, and {says}, so the loss cannot come near 0",
            help="pass the logits" if fused else "drop from_logits=True, or the activation of the output",
            because=because,
            witness=_witness(own, activation),
            fix=None if fused and mixture is not None else fix,
        )
    for op in graph.ops("softmax", "log_softmax"):
        first = made_only_by(op.arg("x"), "softmax")
        if first is not None and _axis(first) == _axis(op):
            yield Report(
                op=op,
                message=f"{op.name.replace('_', '-')} of a softmax: the second sees values at most 1 apart "
                "and flattens the distribution",
                help="apply one of them",
                because=((first, f"softmax: values in {first.value.interval}"),),
                witness=_witness("softmax", first),
                fix=partial(_fix_twice, op, first),
            )


def _axis(op: Op) -> float:
    axis = number(op.arg("axis"))
    return -1.0 if op.arg("axis") is NONE or axis is None else axis


def _over_last_axis(op: Op) -> bool:
    shape = op.value.shape
    return _axis(op) == -1 or (shape is not None and _axis(op) == len(shape) - 1)


def _witness(own: str, activation: Op) -> str | None:
    """The least loss that is possible: the right output at 1, the others at 0."""
    n = units(activation) or 2
    if own == "sigmoid":
        least = _least(2)
        return f"{activation.name} = 1, label = 1 -> sigmoid = {math.exp(-least):.3g}, loss = {least:.3g}"
    if n < 2:
        return None
    least = _least(n)
    others = "0" if n == 2 else "0, ..."
    return (
        f"{activation.name} = [1, {others}], {n} classes -> softmax = {math.exp(-least):.3g}, "
        f"loss = {least:.3g} at best"
    )


def _least(n: int) -> float:
    """-log of the share that a second softmax gives to 1 beside n - 1 zeros: log(1 + (n - 1) / e)."""
    return math.log1p((n - 1) * math.exp(-1))


def _fix_twice(op: Op, first: Op, r: Rewriter) -> Fix | None:
    if "x" in op.nodes:
        return pass_logits(op, first, r)
    return r.fix(Applicability.UNSAFE, "Drop the second softmax") if remove_activation(r, op) else None
