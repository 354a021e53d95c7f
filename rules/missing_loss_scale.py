"""NAN603 missing-loss-scale: a loop of one's own trains in float16 and does not scale the loss.

## Why is this bad?

Where layers compute in float16 (the policy `mixed_float16`, float16 variables), so are the gradients that go
back through them, and float16 has no numbers between 0 and 6e-8: a gradient under 3e-8 is stored as 0, and
what lies before it learns nothing. Such gradients are ordinary: for the mean of the squared errors of 32
colour pictures of 256 by 256 pixels, the gradient of a pixel is 2 · error / 6291456, which is 0 for every
error under 0.09. Multiplied by a loss scale of 2^15 it is 1e-3, and divided again later, in float32.

Keras does both in its own `fit`: `compile` wraps the optimizer. A loop with a `GradientTape`, in a
`train_step` too, has to scale the loss itself. In Keras 3 the wrapped optimizer divides by the scale all the
same, so that without `scale_loss` each step of SGD is 2^-15 of what it should be. bfloat16 has the range of
float32 and needs no scale.

## Example

```python
import tensorflow as tf

tf.keras.mixed_precision.set_global_policy("mixed_float16")
model = tf.keras.Sequential([tf.keras.layers.Dense(64, activation="relu"), tf.keras.layers.Dense(1)])
optimizer = tf.keras.mixed_precision.LossScaleOptimizer(tf.keras.optimizers.SGD(0.01))


def train_step(x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(tf.cast(model(x), tf.float32) - y))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
```

## Use instead

```python
import tensorflow as tf

tf.keras.mixed_precision.set_global_policy("mixed_float16")
model = tf.keras.Sequential([tf.keras.layers.Dense(64, activation="relu"), tf.keras.layers.Dense(1)])
optimizer = tf.keras.mixed_precision.LossScaleOptimizer(tf.keras.optimizers.SGD(0.01))


def train_step(x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(tf.cast(model(x), tf.float32) - y))
        scaled_loss = optimizer.scale_loss(loss)
    gradients = tape.gradient(scaled_loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
```

Measured on 2048 generated rows of 20 features: the squared error after 1000 steps is 1.81 for the example and
0.03 with the fix (`pytest tests/test_training_proof.py -k NAN603`).

## Fix safety

Unsafe: gradients that were 0 move weights now, and a step whose gradients overflow is left out. Written for
Keras 3, where nothing in the file is of Keras 2: there `scale_loss` is `get_scaled_loss`, and the gradients
go through `get_unscaled_gradients`. Not written where gradients are clipped on their way, as they would be
clipped at their scale.

## References

* P. Micikevicius et al.: Mixed precision training. ICLR 2018, section 3.2: loss scaling.
* IEEE 754-2008, table 3.5: the smallest binary16 is 2^-24; half of it rounds to 0.
* [Mixed precision](https://www.tensorflow.org/guide/mixed_precision) of the TensorFlow guide;
  [LossScaleOptimizer](https://keras.io/api/optimizers/loss_scale_optimizer/), initial scale 2^15.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import libcst as cst

from tflint_nan.finding import Applicability, Fix, Severity
from tflint_nan.graph import Graph, Report
from tflint_nan.ops.policies import policy_of
from tflint_nan.precision import MIXED, computes_half, unscaled
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.steps import STEPS, Step, steps, taped
from tflint_nan.value import NONE, Object, sources

_NAME = "scaled_loss"
#: Names that Keras 3 has no more; a file that has them writes the rest of Keras 2 as well.
_KERAS_2 = ("keras.mixed_precision.experimental.", "optimizer.get_scaled_loss")


@rule("NAN603", "missing-loss-scale", needs=[("optimizer",), STEPS])
def check(graph: Graph) -> Iterator[Report]:
    """Steps along gradients of float16 that nothing scaled."""
    if not any(map(computes_half, graph.ops())):
        return
    by_name = {op.serial for wrap in graph.ops("loss_scale") for op in sources(wrap.arg("optimizer"))}
    by_compile = {
        op.serial
        for call in graph.ops("compile")
        for op in sources(call.arg("optimizer"))
        if isinstance(model := call.arg("model"), Object) and policy_of(model) == MIXED
    }
    for step in steps(graph):
        wrapped = step.optimizer.serial in by_name or step.optimizer.serial in by_compile
        by_itself = step.taken is step.op or step.taken.arg("optimizer") is not NONE
        if step.op.name == "compile" or (wrapped and by_itself):
            continue  # they scale what they differentiate
        half = unscaled(step.loss)
        if half is None:
            continue
        yield Report(
            op=step.taken,
            message="float16 stores a gradient under 3e-08 as 0, and this loss is not scaled"
            + (" as its optimizer expects" if wrapped else ""),
            help="take the gradient of optimizer.scale_loss(loss)"
            + ("" if wrapped else ", of an optimizer in a LossScaleOptimizer"),
            because=(
                (half, f"{half.name}: computed in float16"),
                (step.op, f"{step.op.name}: moves the weights"),
            ),
            fix=None if step.clipped else partial(_fix, graph, step, wrapped),
            severity=Severity.WARNING,
        )


def _fix(graph: Graph, step: Step, wrapped: bool, r: Rewriter) -> Fix | None:
    """Scale the loss where the tape sees it, and wrap the optimizer where it is made."""
    taken, call, found = step.taken, step.op.node, taped(step)
    if found is None or not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
        return None
    name, statement = found
    old = any(api.startswith(_KERAS_2) for api in graph.apis(taken.source))
    if old or _NAME in taken.source.names_in(taken.scope.node):
        return None
    r.insert_after(statement, f"{_NAME} = {r.text(call.func.value)}.scale_loss({name})")
    r.replace(taken.nodes["loss"], _NAME)
    if not wrapped:
        made, wrapper = step.optimizer, r.api("keras.mixed_precision.LossScaleOptimizer")
        if wrapper is None or not made.api.startswith(("keras.", "tf.optimizers.")):
            return None
        r.replace(made.node, "{wrapper}({inner})", wrapper=wrapper, inner=made.node)
    return r.fix(Applicability.UNSAFE, "Scale the loss")
