"""NAN209 one-sided-cross-entropy: a sigmoid's cross entropy without the term for the label 0.

## Why is this bad?

The cross entropy of a sigmoid output p has two terms, -(y log p + (1 - y) log(1 - p)). With the first one
alone an example whose label is 0 gives a loss of 0 and no gradient, whatever p is; the others are served
best by p = 1 everywhere, which is what training finds. (A softmax needs one term only: its outputs share
one sum.)

## Example

```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 8])
y = tf.placeholder(tf.float32, [None, 1])
p = tf.clip_by_value(tf.sigmoid(tf.layers.dense(x, 1)), 1e-7, 1.0)
loss = -tf.reduce_mean(y * tf.log(p))
train = tf.train.AdamOptimizer(0.001).minimize(loss)
accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.round(p), y), tf.float32))
```

## Use instead

```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 8])
y = tf.placeholder(tf.float32, [None, 1])
logits = tf.layers.dense(x, 1)
p = tf.sigmoid(logits)
loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logits))
train = tf.train.AdamOptimizer(0.001).minimize(loss)
accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.round(p), y), tf.float32))
```

Measured on 2048 generated rows of 8 features: the accuracy after 5000 steps is 0.56 for the example and 0.90
with the fix (`pytest tests/test_training_proof.py -k NAN209`).

## What is silent

A log of a sigmoid without a label factor (the halves of a GAN's loss), a second term anywhere in what is
minimised, and anything else in it that depends on the output. A factor that is not shown to be a label
(it may be an advantage or a weight) is reported by `--strict` only.

## Fix safety

Unsafe: another loss is minimised, the whole cross entropy, computed from the logits.

## References

* M. Nielsen, "Neural Networks and Deep Learning", 2015, chapter 3, equation 57.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from tflint_nan.finding import Applicability, Fix, Level
from tflint_nan.graph import DIFFERENTIATING, Graph, Report
from tflint_nan.interval import round_to
from tflint_nan.ops.functions import sigmoid as logistic_function
from tflint_nan.ops.points import FAR
from tflint_nan.registry import rule
from tflint_nan.remedies import Pair, cross_entropy
from tflint_nan.rewrite import Rewriter
from tflint_nan.targets import Targets, compared, examples, is_label, targets
from tflint_nan.training import ends, guarded, logistic, made_only_by, minimised
from tflint_nan.value import Op, Value, sources

#: What another term of the same loss would contain.
TERMS = (
    *("log", "log1p", "log_sigmoid", "log_softmax", "softplus", "xlogy"),
    *("binary_crossentropy", "categorical_crossentropy", "sigmoid_cross_entropy_with_logits"),
    *("softmax_cross_entropy_with_logits", "sparse_softmax_cross_entropy_with_logits"),
    "weighted_cross_entropy_with_logits",
)


@rule(
    "NAN209",
    "one-sided-cross-entropy",
    needs=[("mul",), ("log", "log_sigmoid"), ("sigmoid", "log_sigmoid", "exp"), DIFFERENTIATING],
)
def check(graph: Graph) -> Iterator[Report]:
    """Products of a label and the log of a sigmoid that are all there is in a loss."""
    for op in graph.ops("mul"):
        for one, other in ((op.arg("x"), op.arg("y")), (op.arg("y"), op.arg("x"))):
            labels, log = _positive(one), made_only_by(_positive(other), "log", "log_sigmoid")
            found = _sigmoid(log) if log is not None and is_label(labels) else None
            if log is None or found is None or not graph.in_loss(op):
                continue
            sigmoid, logits = found
            if not _alone(graph, op, log, sigmoid, logits):
                continue
            yield Report(
                op=op,
                message="cross entropy of a sigmoid with one term: the term for the label 0 is missing, so "
                "such an example gives no loss and no gradient whatever is predicted",
                help="train with both terms: the fused cross entropy, from the logits",
                because=((sigmoid, f"{sigmoid.name}: an output that the label 0 should pull down"),),
                witness=_witness(logits),
                fix=partial(_fix, graph, op, Pair(sigmoid.value, logits, labels)),
                level=Level.DEFAULT if _classes(graph, op, sigmoid, labels) else Level.STRICT,
            )
            break


def _positive(value: Value) -> Value:
    negation = made_only_by(value, "neg")
    return negation.arg("x") if negation else value


def _sigmoid(log: Op) -> tuple[Op, Value] | None:
    return (log, log.arg("x")) if log.name == "log_sigmoid" else logistic(guarded(log.arg("x")))


def _witness(logits: Value) -> str:
    """The output that is most wrong for the label 0."""
    worst = max((w.value for w in logits.witnesses if math.isfinite(w.value)), default=FAR)
    s = round_to(logistic_function(worst), logits.dtype)
    return f"label = 0, logit = {worst:g} -> sigmoid = {s:g} -> loss = 0, gradient = 0"


def _alone(graph: Graph, product: Op, log: Op, sigmoid: Op, logits: Value) -> bool:
    """True where no loss that contains the product has another term that the output could be in."""
    losses = [ops for ops in minimised(graph) if product.serial in ops]
    for ops in losses:
        if any(op.name in TERMS and op is not log for op in ops.values()):
            return False
        for start in (sigmoid, *sources(logits)):
            for consumer in graph.consumers(start):
                if consumer.serial in ops and not graph.path(consumer, product):
                    return False
    return bool(losses)


def _classes(graph: Graph, op: Op, sigmoid: Op, labels: Value) -> bool:
    """True where the factor is shown to be a label: by its values, or by a comparison with a prediction."""
    shown = [targets(target) for _, target in examples(graph, op, sigmoid, labels)]
    return Targets.CLASSES in shown or any(compared(graph, label) for label in ends(labels))


def _fix(graph: Graph, op: Op, pair: Pair, r: Rewriter) -> Fix | None:
    text, outer = cross_entropy(r, pair), _negation(graph, op)
    if text is None:
        return None
    whole = r.text(outer.nodes["x"]) if outer is not None and "x" in outer.nodes else ""
    if outer is not None and whole.count(r.text(op.node)) == 1:
        r.replace(outer.node, whole.replace(r.text(op.node), text))
    else:
        negative = any(made_only_by(op.arg(side), "neg") for side in ("x", "y"))
        r.replace(op.node, text if negative else f"-{text}")
    return r.fix(Applicability.UNSAFE, "Use the whole cross entropy")


def _negation(graph: Graph, op: Op) -> Op | None:
    """The minus before the sum or mean of `op`, where nothing else is done with it."""
    consumers = graph.consumers(op)
    while len(consumers) == 1 and consumers[0].name in ("sum", "mean"):
        consumers = graph.consumers(consumers[0])
    return consumers[0] if len(consumers) == 1 and consumers[0].name == "neg" else None
