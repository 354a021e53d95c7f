"""NAN402 learning-rate-diverges: gradient descent whose rate is provably past the limit of its loss.

## Why is this bad?

Gradient descent on a squared error multiplies what is left of the error, along each direction in which
the loss curves by λ, by 1 - rate · λ at each step. Past a rate of 2 / λmax the largest of these factors
is below -1: the error changes its sign and grows at every step, until it is inf and then NaN ("Nan in
summary histogram").

For a linear model λmax depends on the data alone: the Hessian of `mean((w * x + b - y) ** 2)` is 2/N ·
FᵀF, F having a row `(x, 1)` for each sample. Where the program writes its data itself (lists, `np.array`,
`np.linspace`, `np.arange` and arithmetic on these) λmax is computed, the reduction of the loss included:
a sum over N samples is N times as steep as their mean. Where steps are by batches (`fit` takes
32 samples where it is told nothing), the determinant of what a pass over all samples does decides, in nine of
ten orders of the samples.

Where the program draws its samples once, uniformly or from a normal distribution (`np.random.rand`,
`random.uniform`), they are drawn here as well, up to 100 times; a rate is reported that is past the limit
in nine of ten draws.

## Example

```python
import tensorflow as tf

x = tf.constant([1.0, 2.0, 3.0, 4.0])
y = tf.constant([2.0, 4.0, 6.0, 8.0])
w, b = tf.Variable(0.0), tf.Variable(0.0)
loss = tf.reduce_sum(tf.square(w * x + b - y))
train = tf.train.GradientDescentOptimizer(0.05).minimize(loss)
```

## Use instead

```python
import tensorflow as tf

x = tf.constant([1.0, 2.0, 3.0, 4.0])
y = tf.constant([2.0, 4.0, 6.0, 8.0])
w, b = tf.Variable(0.0), tf.Variable(0.0)
loss = tf.reduce_mean(tf.square(w * x + b - y))
train = tf.train.GradientDescentOptimizer(0.05).minimize(loss)
```

Measured on the data of the example: the loss after 1000 steps is NaN for the example and 0.00 with the fix
(`pytest tests/test_training_proof.py -k NAN402`).

## Fix safety

Unsafe: training takes another course, one that converges. The rate becomes 1 / λmax, rounded down to one
digit, where the number is written.

## References

* Y. LeCun, L. Bottou, G. Orr, K.-R. Müller: Efficient BackProp. 1998, section 5: the rate that diverges is
  2 / λmax, the best one for that direction 1 / λmax.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from tflint_nan.curvature import Divergence, divergences
from tflint_nan.descent import ERRORS
from tflint_nan.finding import Applicability, Fix
from tflint_nan.graph import Graph, Report
from tflint_nan.registry import rule
from tflint_nan.remedies import replace_number
from tflint_nan.rewrite import Rewriter
from tflint_nan.steps import STEPS


@rule("NAN402", "learning-rate-diverges", needs=[("optimizer",), STEPS, ERRORS])
def check(graph: Graph) -> Iterator[Report]:
    """Rates past 2 / λmax."""
    seen: set[int] = set()
    for found in divergences(graph):
        op, argument = found.place
        if op.serial in seen:
            continue
        seen.add(op.serial)
        what = "this loss"
        if found.batch is not None:
            what = "one sample's loss" if found.batch == 1 else f"the loss of {found.batch} samples at a time"
        where = "on this data"
        if found.share is not None:
            where = f"for the median of such data ({found.share:.0%} of the draws are past it)"
        yield Report(
            op=op,
            message=f"learning rate {found.rate:g} is past 2 / λmax = {found.limit:.3g} of {what} {where}: "
            f"the error grows about {found.factor:.3g} times at each step until it is NaN",
            help=f"use a rate under {2 / found.steepest:.2g}, or scale the data",
            because=((found.step, f"λmax = {found.curvature:.4g}"),),
            fix=partial(_fix, graph, found, argument),
        )


def _fix(graph: Graph, found: Divergence, argument: str, r: Rewriter) -> Fix | None:
    best = 1 / found.steepest
    digit = 10.0 ** math.floor(math.log10(best))
    rate = f"{math.floor(best / digit) * digit:.1g}"
    if not replace_number(graph, r, found.place[0], argument, rate):
        return None
    return r.fix(Applicability.UNSAFE, f"Use a learning rate of {rate}")
