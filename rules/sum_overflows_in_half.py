"""NAN605 sum-overflows-in-half: a sum over pixels in float16, which ends at 65504.

## Why is this bad?

The largest float16 is 65504, and a picture of 384 by 384 has 147456 pixels: the area of an object that covers
half of it, or of the background, is infinite in float16. The Dice coefficient of such a picture is
`inf / inf`, NaN, and a `LossScaleOptimizer` leaves out every step whose gradients are not finite, without a
word. Kernels that add one number to the other do not come that far: 2048 + 1 is 2048 in float16, so that
on a CPU sums of ones over rows and columns of several channels stay there. Under the policy `mixed_float16`
what a model gives is float16, and what is cast to its format as well.

## Example

```python
import tensorflow as tf

tf.keras.mixed_precision.set_global_policy("mixed_float16")
picture = tf.keras.Input((384, 384, 1))
model = tf.keras.Model(picture, tf.keras.layers.Conv2D(1, 1, activation="sigmoid")(picture))
optimizer = tf.keras.mixed_precision.LossScaleOptimizer(tf.keras.optimizers.Adam(0.1))


def train_step(x, y):
    with tf.GradientTape() as tape:
        p = model(x)
        mask = tf.cast(y, p.dtype)
        both = tf.reduce_sum(p * mask, axis=[1, 2, 3])
        area = tf.reduce_sum(mask, axis=[1, 2, 3]) + tf.reduce_sum(p, axis=[1, 2, 3])
        dice = tf.cast((2.0 * both + 1.0) / (area + 1.0), tf.float32)
        loss = optimizer.scale_loss(1.0 - tf.reduce_mean(dice))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
```

## Use instead

```python
import tensorflow as tf

tf.keras.mixed_precision.set_global_policy("mixed_float16")
picture = tf.keras.Input((384, 384, 1))
model = tf.keras.Model(picture, tf.keras.layers.Conv2D(1, 1, activation="sigmoid")(picture))
optimizer = tf.keras.mixed_precision.LossScaleOptimizer(tf.keras.optimizers.Adam(0.1))


def train_step(x, y):
    with tf.GradientTape() as tape:
        p = tf.cast(model(x), tf.float32)
        mask = tf.cast(y, p.dtype)
        both = tf.reduce_sum(p * mask, axis=[1, 2, 3])
        area = tf.reduce_sum(mask, axis=[1, 2, 3]) + tf.reduce_sum(p, axis=[1, 2, 3])
        dice = tf.cast((2.0 * both + 1.0) / (area + 1.0), tf.float32)
        loss = optimizer.scale_loss(1.0 - tf.reduce_mean(dice))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
```

Measured on 64 generated pictures: the squared error after 40 steps is 0.66 for the example and 0.10 with
the fix (`pytest tests/test_training_proof.py -k NAN605`).

## Fix safety

Unsafe: what is computed from the sum becomes float32, and so do the sums that it is combined with. Written
where nothing else in float16 is combined with it before the program casts the result.

## References

* IEEE 754-2008, table 3.5: the largest binary16 is 65504; from 2048 on its numbers are 2 apart.
* F. Milletari et al.: V-Net. 3DV 2016: the Dice coefficient as a loss, sums over all voxels.
* [Mixed precision](https://www.tensorflow.org/guide/mixed_precision) of the TensorFlow guide: layers cast
  their inputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tflint_nan.finding import Applicability, Fix, Level
from tflint_nan.graph import Graph, Report
from tflint_nan.precision import added, are_shares, blamed, summed_together
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.shielding import monitored_only
from tflint_nan.value import Op

#: Numbers from here on are stored in float16 as infinite: half a step past the largest one.
_INFINITE = 65520
#: From here on float16 has even numbers only.
_EVEN = 2048
#: Where so few of the numbers are enough, a sum is sure to be infinite at some time.
_ORDINARY = 0.5


@rule("NAN605", "sum-overflows-in-half", needs=[("sum",)])
def check(graph: Graph) -> Iterator[Report]:
    """Sums in float16 of so many numbers that they pass its largest."""
    for op in graph.ops("sum"):
        if op.value.dtype != "float16" or monitored_only(graph, op):
            continue
        found = added(op)
        if found is None or found.number * found.count < _INFINITE:
            continue
        x = op.arg("x")
        ordinary = are_shares(x) and _ORDINARY * found.number * found.count >= _INFINITE
        report = Report(
            op=op,
            message=f"float16 ends at 65504: the sum of {found.count} numbers that reach {found.number:g} is "
            f"infinite, or stays near {_EVEN * found.number:g} where they are added one by one",
            help="cast them to float32 before they are added",
            because=() if x.op is None else ((x.op, f"{x.op.name}: reaches {found.number:g}"),),
            fix=partial(_fix, graph, op),
            level=Level.DEFAULT if ordinary else Level.STRICT,
        )
        yield blamed(graph, report)


def _fix(graph: Graph, op: Op, r: Rewriter) -> Fix | None:
    sums = summed_together(graph, op)
    if sums is None or any("x" not in one.nodes for one in sums):
        r.decline("what the sum is combined with is in float16, too")
        return None
    for one in {id(one.nodes["x"]): one for one in sums}.values():
        here = r.at(one)
        cast = here.api("tf.cast", "keras.ops.cast")
        if cast is None:
            return None
        here.replace(one.nodes["x"], '{cast}({x}, "float32")', cast=cast, x=one.nodes["x"])
    return r.fix(Applicability.UNSAFE, "Add in float32")
