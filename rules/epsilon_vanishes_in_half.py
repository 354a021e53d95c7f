"""NAN601 epsilon-vanishes-in-half: an optimizer's epsilon is 0 in float16, the format of the weights.

## Why is this bad?

Adam divides the mean of the gradients by the root of the mean of their squares plus an epsilon, in the format
of the weights. The smallest positive float16 is 6e-8: an epsilon of 1e-8, which TensorFlow 1's Adam has by
default, is stored as 0. A weight without a gradient (a dead unit, a row of an embedding that is not in the
batch) then moves by 0 / 0, NaN on the first step. Gradients under 2e-4 do the same: their squares are 0.

Weights under the policy `mixed_float16` are kept in float32, where such an epsilon works.

## Example

```python
import tensorflow as tf

x = tf.placeholder(tf.float16, [None, 4])
y = tf.placeholder(tf.float16, [None, 1])
w = tf.Variable(tf.zeros([4, 1], tf.float16))
prediction = tf.matmul(x, w)
loss = 16.0 * tf.reduce_mean(tf.square(prediction - y))
train = tf.train.AdamOptimizer(0.001).minimize(loss)
```

## Use instead

```python
import tensorflow as tf

x = tf.placeholder(tf.float16, [None, 4])
y = tf.placeholder(tf.float16, [None, 1])
w = tf.Variable(tf.zeros([4, 1], tf.float16))
prediction = tf.matmul(x, w)
loss = 16.0 * tf.reduce_mean(tf.square(prediction - y))
train = tf.train.AdamOptimizer(0.001, epsilon=1e-4).minimize(loss)
```

Measured on 2048 generated rows of 4 features: the squared error after 1000 steps is NaN for the example and
0.00 with the fix (`pytest tests/test_training_proof.py -k NAN601`).

## Fix safety

Unsafe: 1e-4 is what is used with float16, and steps become shorter where the gradient is small.

## References

* IEEE 754-2008, table 3.5: the smallest binary16 is 2^-24.
* P. Micikevicius et al.: Mixed precision training. ICLR 2018: a copy of the weights in float32.
* The default:
  [AdamOptimizer](https://www.tensorflow.org/api_docs/python/tf/compat/v1/train/AdamOptimizer)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tflint_nan.evidence import number
from tflint_nan.finding import Applicability, Fix
from tflint_nan.graph import Graph, Report
from tflint_nan.interval import round_to
from tflint_nan.precision import half_weights
from tflint_nan.registry import rule
from tflint_nan.remedies import replace_number
from tflint_nan.rewrite import Rewriter
from tflint_nan.steps import STEPS
from tflint_nan.value import Op

#: Optimizers that divide by a root plus epsilon.
_DIVIDING = ("adam", "adamw", "nadam", "adamax", "lamb", "rmsprop", "adadelta")
#: Defaults that are 0 in float16.
_DEFAULTS = {
    "tf.train.AdamOptimizer": 1e-8,
    "tf.train.RMSPropOptimizer": 1e-10,
    "tf.train.AdadeltaOptimizer": 1e-8,
}


@rule("NAN601", "epsilon-vanishes-in-half", needs=[("optimizer",), STEPS])
def check(graph: Graph) -> Iterator[Report]:
    """Optimizers of float16 weights whose epsilon is 0 there."""
    for optimizer in graph.ops("optimizer"):
        if optimizer.arg("algorithm").literal not in _DIVIDING:
            continue
        given = optimizer.arg("epsilon")
        epsilon = _DEFAULTS.get(optimizer.api) if given.literal is None else number(given)
        if epsilon is None or epsilon <= 0 or round_to(epsilon, "float16") > 0:
            continue
        if half_weights(graph, optimizer):
            yield Report(
                op=optimizer,
                message=f"epsilon {epsilon:g} is 0 in float16, the format of the weights: one without a "
                "gradient moves by 0 / 0, NaN",
                help="use epsilon=1e-4, or keep the weights in float32",
                fix=partial(_fix, graph, optimizer),
            )


def _fix(graph: Graph, optimizer: Op, r: Rewriter) -> Fix | None:
    if "epsilon" in optimizer.nodes:
        if not replace_number(graph, r, optimizer, "epsilon", "1e-4"):
            return None
    else:
        r.set_argument(optimizer.node, "epsilon", "1e-4", position=3)
    return r.fix(Applicability.UNSAFE, "Use an epsilon of 1e-4")
