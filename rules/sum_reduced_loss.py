"""NAN212 sum-reduced-loss: the sum over the whole batch is minimised.

## Why is this bad?

The gradient of a sum grows with the number of examples, and so does every step: a learning rate that is right
for batches of 32 is 8 times too large for 256, and the last, smaller batch of an epoch is weighted less. With
a mean the rate stays what it is. Not wrong where the rate was found for this batch, which is why `--strict`
reports it, and a default run only what no rate was found for: steps of gradient descent, not clipped, whose
rate times the known size of the batch is above ten times `learning-rate-sgd` of
NAN401, what even a single layer of weights does not bear for a mean. Adam and its
relatives, whose steps do not grow with the gradient, take a sum as they take a mean.

## Example

```python
import tensorflow as tf

(x_train, y_train), (x_test, y_test) = tf.keras.datasets.mnist.load_data()
x_train, x_test = x_train / 255.0, x_test / 255.0
model = tf.keras.Sequential([
    tf.keras.layers.Flatten(input_shape=(28, 28)),
    tf.keras.layers.Dense(128, activation="relu"),
    tf.keras.layers.Dense(10),
])
loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")
model.compile(tf.keras.optimizers.SGD(0.1, momentum=0.9), loss)
model.fit(x_train, y_train, batch_size=256, epochs=20)
```

## Use instead

```python
import tensorflow as tf

(x_train, y_train), (x_test, y_test) = tf.keras.datasets.mnist.load_data()
x_train, x_test = x_train / 255.0, x_test / 255.0
model = tf.keras.Sequential([
    tf.keras.layers.Flatten(input_shape=(28, 28)),
    tf.keras.layers.Dense(128, activation="relu"),
    tf.keras.layers.Dense(10),
])
loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(tf.keras.optimizers.SGD(0.1, momentum=0.9), loss)
model.fit(x_train, y_train, batch_size=256, epochs=20)
```

Measured on 2048 generated digits: the accuracy after 160 steps is 0.10 for the example and 0.93 with the fix
(`pytest tests/test_training_proof.py -k NAN212`).

## Fix safety

Unsafe: gradients become smaller by the size of the batch, and the learning rate may have to be found again.
Offered where the sum is over one axis, so that only the batch is averaged, and where a loss of Keras is told
in its call to sum up.

## References

* P. Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017: the rate goes with the
  batch size, for a mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import libcst as cst

from tflint_nan.batches import strides
from tflint_nan.descent import LOSSES
from tflint_nan.finding import Applicability, Fix, Level, Severity
from tflint_nan.graph import Graph, Report
from tflint_nan.rates import SINGLE_LAYER
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.steps import STEPS
from tflint_nan.training import made_only_by
from tflint_nan.value import NONE, Object, Op, Symbol

_HELP = "minimise the mean over the batch"


@rule("NAN212", "sum-reduced-loss", needs=[(*STEPS, "gradients"), ("sum", *LOSSES)])
def check(graph: Graph) -> Iterator[Report]:
    """Sums over the batch that are minimised as they are."""
    limit, said = SINGLE_LAYER * graph.threshold("learning-rate-sgd"), set[int]()
    for stride in strides(graph):
        if stride.for_mean > limit:
            said.add(stride.total.op.serial)
            yield Report(
                op=stride.step.op,
                message=f"the loss is a sum over {stride.size} examples: the learning rate {stride.rate:.6g} "
                f"is as {stride.for_mean:.6g} would be for their mean, above {limit:g}: steps this long "
                "leave the minimum behind",
                help=_HELP,
                because=(
                    (stride.total.op, "sums up the batch"),
                    (stride.step.optimizer, "the learning rate"),
                ),
                fix=partial(_fix, stride.total.op),
                severity=Severity.WARNING,
            )
    for op in graph.ops("minimize", "gradients"):
        summed = made_only_by(op.arg("loss"), "sum")
        shape = summed.arg("x").shape if summed is not None else None
        if summed is None or not shape or shape[0] is not None or summed.arg("axis") is not NONE:
            continue
        if summed.serial not in said:
            yield Report(
                op=summed,
                message="the sum over the whole batch is minimised: every step grows with the size of the "
                "batch",
                help=_HELP,
                because=((op, "minimised here"),),
                fix=partial(_fix, summed),
                level=Level.STRICT,
                severity=Severity.WARNING,
            )


def _fix(summed: Op, r: Rewriter) -> Fix | None:
    """The mean: of what has one axis, so that only the batch is averaged, or that a loss takes by itself."""
    loss = summed.arg("loss")
    if isinstance(loss, Object):
        made, told = loss.made, summed.arg("reduction")
        if made is None or not (
            isinstance(told, Symbol) or isinstance(made.nodes.get("reduction"), cst.SimpleString)
        ):
            return None
        r.at(made).remove_argument(made.node, "reduction")
        return r.fix(Applicability.UNSAFE, "Minimise the mean")
    shape = summed.arg("x").shape
    mean = r.api("tf.reduce_mean") if summed.api == "tf.reduce_sum" and len(shape or ()) == 1 else None
    if mean is None or not isinstance(summed.node, cst.Call):
        return None
    r.replace(summed.node.func, mean)
    return r.fix(Applicability.UNSAFE, "Minimise the mean")
