"""NAN601 epsilon-vanishes-in-half: an optimizer's epsilon is too small for weights in float16.

## Why is this bad?

Adam divides the mean of the gradients by the root of the mean of their squares plus an epsilon, in the format
of the weights. The smallest positive float16 is 6e-8: an epsilon of 1e-8, which TensorFlow 1's Adam has by
default, is stored as 0. A weight without a gradient (a dead unit, a row of an embedding that is not in the
batch) then moves by 0 / 0, NaN on the first step. Gradients under 2e-4 do the same: their squares are 0.

Keras's default of 1e-7 is not 0 there, and too small for some. Its Adamax multiplies it by `1 - beta_1`,
which gives 0. Adam and Nadam store 0.001 times the square of a gradient: 0 for gradients under 5e-3, which
the epsilon alone divides then, so that one step is more than a thousand learning rates long. Of ten
trainings of small networks in float16, Nadam broke all and Adam four, with NaN or a loss that rises, and
neither broke any with an epsilon of 1e-4. RMSprop and Adadelta trained all; of them only an epsilon that is
0 is reported.

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

import math
from collections.abc import Iterator
from functools import partial

from tflint_nan.evidence import number
from tflint_nan.finding import Applicability, Fix
from tflint_nan.graph import Graph, Report
from tflint_nan.interval import round_to
from tflint_nan.ops.optimizers import BETAS, DIVIDING, default_epsilon
from tflint_nan.ops.points import is_given
from tflint_nan.precision import HALF, beta, weights_in
from tflint_nan.registry import rule
from tflint_nan.remedies import give_number
from tflint_nan.rewrite import Rewriter
from tflint_nan.steps import STEPS
from tflint_nan.value import Op

#: TensorFlow 1 starts the mean of squares of this one at 1, and float16 does not get it to 0.
_FROM_ONE = "tf.train.RMSPropOptimizer"
#: Keras 3 multiplies the epsilon by `1 - beta_1 ** t` there, `1 - beta_1` in the first step.
_ADAMAX = ("keras.optimizers.Adamax", "tf.optimizers.Adamax")
#: Algorithms that correct the mean of squares, and whether that shortens a step whose mean is 0: Adam
#: multiplies by `sqrt(1 - beta_2 ** t)`, Nadam divides the mean by the square of that.
_SHORTENED = {"adam": True, "adamw": True, "nadam": False}
#: Steps of so many learning rates: networks of several layers broke with 1400 and learned with 360.
_LONG = 1000.0
#: Numbers up to this one are 0 in float16.
_LOST = 2.0**-25


@rule("NAN601", "epsilon-vanishes-in-half", needs=[("optimizer",), STEPS])
def check(graph: Graph) -> Iterator[Report]:
    """Optimizers of float16 weights whose epsilon is too small there."""
    for optimizer in graph.ops("optimizer"):
        problem = _problem(graph, optimizer)
        if problem is not None and weights_in(graph, optimizer, HALF):
            yield Report(
                op=optimizer,
                message=problem,
                help="use epsilon=1e-4, or keep the weights in float32",
                fix=partial(_fix, graph, optimizer),
            )


def _problem(graph: Graph, optimizer: Op) -> str | None:
    """What an optimizer's epsilon does in float16; None where it is large enough or not known."""
    algorithm = str(optimizer.arg("algorithm").literal)
    if algorithm not in DIVIDING or optimizer.api == _FROM_ONE:
        return None
    given = optimizer.arg("epsilon")
    if is_given(given):
        epsilon = number(given)
    elif "keras.backend.set_epsilon" in graph.apis(optimizer.source):
        epsilon = None  # whether it is the default depends on the version
    else:
        epsilon = default_epsilon(optimizer.api)
    if epsilon is None or epsilon <= 0:
        return None
    stored, weights = round_to(epsilon, "float16"), "float16, the format of the weights"
    if stored == 0:
        return f"epsilon {epsilon:g} is 0 in {weights}: one without a gradient moves by 0 / 0, NaN"
    beta_1, beta_2 = (beta(optimizer, name) for name in BETAS)
    if optimizer.api in _ADAMAX and beta_1 is not None and (1 - beta_1) * stored <= _LOST:
        return f"epsilon {epsilon:g} times 1 - beta_1 is 0 in {weights}: one without gradient moves by 0 / 0"
    if algorithm in _SHORTENED and beta_2 is not None and beta_2 < 1:
        small = math.sqrt(_LOST / (1 - beta_2))
        longest = (math.sqrt(_LOST) if _SHORTENED[algorithm] else small) / stored
        if longest > _LONG:
            return (
                f"epsilon {epsilon:g} is all that a gradient under {small:.2g} is divided by, since its mean "
                f"square is 0 in {weights}: a step of up to {longest:.0f} learning rates"
            )
    return None


def _fix(graph: Graph, optimizer: Op, r: Rewriter) -> Fix | None:
    if not give_number(graph, r, optimizer, "epsilon", "1e-4"):
        return None
    return r.fix(Applicability.UNSAFE, "Use an epsilon of 1e-4")
