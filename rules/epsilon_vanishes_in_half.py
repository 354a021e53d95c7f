"""NAN601 epsilon-vanishes-in-half: an epsilon is too small for float16, an optimizer's or a default.

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

Weights under the policy `mixed_float16` are kept in float32, where such an epsilon works. What layers compute
is float16 there: `tf.math.l2_normalize` keeps the square of a length off 0 with an epsilon of 1e-12, which is
0. A row of zeros becomes `0 * inf`, NaN, and a row of numbers under 1.7e-4, whose squares are 0, infinite. So
it is with `keras.layers.UnitNormalization`, and with `keras.ops.normalize`, where the reciprocal of 1e-7 is
infinite. This is reported by default where rows of zeros are shown, by `--strict` elsewhere: convolutions
without a bias make them of every part of a picture that is 0.

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

Unsafe: 1e-4 is what is used with float16, and steps become shorter where the gradient is small; rows shorter
than 0.01 are not made as long as 1.

## References

* IEEE 754-2008, table 3.5: the smallest binary16 is 2^-24.
* P. Micikevicius et al.: Mixed precision training. ICLR 2018: a copy of the weights in float32.
* The default:
  [AdamOptimizer](https://www.tensorflow.org/api_docs/python/tf/compat/v1/train/AdamOptimizer)
* [tf.math.l2_normalize](https://www.tensorflow.org/api_docs/python/tf/math/l2_normalize), and its epsilon
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from tflint_nan.blank import is_blank_for_blanks
from tflint_nan.evidence import number, takes
from tflint_nan.finding import Applicability, Fix, Level
from tflint_nan.graph import Graph, Report
from tflint_nan.interval import round_to
from tflint_nan.ops.optimizers import BETAS, DIVIDING, default_epsilon
from tflint_nan.ops.points import is_given
from tflint_nan.ops.rows import length_guard, loses_length_guard
from tflint_nan.precision import HALF, beta, blamed, weights_in
from tflint_nan.registry import rule
from tflint_nan.remedies import give_number
from tflint_nan.rewrite import Rewriter
from tflint_nan.shielding import monitored_only
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
#: What divides rows by their length.
_UNIT = "l2_normalize"
#: Numbers up to this one are 0 in float16.
_LOST = 2.0**-25


@rule("NAN601", "epsilon-vanishes-in-half", needs=[("optimizer", _UNIT), (*STEPS, _UNIT)])
def check(graph: Graph) -> Iterator[Report]:
    """Optimizers of float16 weights, and normalisations in float16, whose epsilon is too small there."""
    yield from _lengths(graph)
    for optimizer in graph.ops("optimizer"):
        problem = _problem(graph, optimizer)
        if problem is not None and weights_in(graph, optimizer, HALF):
            yield Report(
                op=optimizer,
                message=problem,
                help="use epsilon=1e-4, or keep the weights in float32",
                fix=partial(_fix, graph, optimizer),
            )


def _lengths(graph: Graph) -> Iterator[Report]:
    """Rows that reach 0 and are divided by their length, which float16 does not keep off 0."""
    for op in graph.ops(_UNIT):
        guard, made = length_guard(op), op.arg("x").op
        if op.value.dtype not in HALF or not guard or not loses_length_guard(op, op.value.dtype):
            continue
        if made is None or op.value.reaches(math.isnan) is None or monitored_only(graph, op):
            continue
        blank = is_blank_for_blanks(graph, op.arg("x"))
        why = "0 where the input is, since no layer adds a bias" if blank else "may be 0"
        report = Report(
            op=op,
            message=f"epsilon {guard:g} is lost in float16: a row of zeros becomes 0 * inf, NaN, and one of "
            f"numbers under {math.sqrt(_LOST):.2g} infinite",
            help="use epsilon=1e-4, or normalize in float32",
            because=((made, f"{made.name}: {why}"),),
            fix=partial(_fix, graph, op) if takes(op, "epsilon") else None,
            level=Level.DEFAULT if blank else Level.STRICT,
        )
        yield blamed(graph, report)


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


def _fix(graph: Graph, op: Op, r: Rewriter) -> Fix | None:
    if not give_number(graph, r, op, "epsilon", "1e-4"):
        return None
    return r.fix(Applicability.UNSAFE, "Use an epsilon of 1e-4")
