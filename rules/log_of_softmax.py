"""NAN101 log-of-softmax: a softmax output, which reaches exactly 0, goes into a log.

## Why is this bad?
`softmax` divides by a sum: as soon as one logit is 104 or more above another (746 in float64, 18 in
float16), the smaller one's share is under half of the smallest float and rounds to 0. Its log is `-inf`,
`0 * -inf` is NaN, and the gradient is NaN from there on. Confident networks get there after hours. The
fused forms compute the same number from the logits and never leave the floats.

## Example
```python
import tensorflow as tf

images = tf.placeholder(tf.float32, [None, 784])
labels = tf.placeholder(tf.float32, [None, 10])
kernel = tf.Variable(tf.truncated_normal([784, 10], stddev=0.1))
logits = tf.matmul(images, kernel)
probabilities = tf.nn.softmax(logits)
loss = -tf.reduce_mean(tf.reduce_sum(labels * tf.log(probabilities), axis=1))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Use instead
```python
import tensorflow as tf

images = tf.placeholder(tf.float32, [None, 784])
labels = tf.placeholder(tf.float32, [None, 10])
kernel = tf.Variable(tf.truncated_normal([784, 10], stddev=0.1))
logits = tf.matmul(images, kernel)
loss = -tf.reduce_mean(tf.reduce_sum(labels * tf.nn.log_softmax(logits), axis=1))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

A mixture, `log(sum(softmax * density))`, is summed in log space: `reduce_logsumexp(log_softmax(logits) +
log_density)`, in which a density that underflows is a large negative number.

## Fix safety
`log_softmax` of the logits is safe: the same value and the same gradient wherever both are finite, of a
softmax that is written by hand as well. Where the labels are known to be one-hot, the whole
`-sum(labels * log(softmax(logits)))` becomes `softmax_cross_entropy_with_logits`, whose gradient,
`softmax - labels`, is the same exactly when the labels sum to 1. Logits get a name where they have none.
Where the softmax stands in another function of a script, that function returns the logits and all of its
calls apply the softmax; where it is kept in `self`, the logits are kept beside it. Where nothing of that
can be done without changing what others see (a layer of a Keras model, a function of a module that is
imported), the output is clipped: unsafe, since a clipped output has no gradient.

## References
* [tf.nn.log_softmax](https://www.tensorflow.org/api_docs/python/tf/nn/log_softmax)
* Blanchard, Higham, Higham: Accurately computing the log-sum-exp and softmax functions. IMA J. Numer.
  Anal. 41(4), 2021.
* IEEE 754-2008, table 3.5, for the smallest subnormal of each format.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tflint_nan.entropy import fused, softmax_cross_entropy
from tflint_nan.evidence import Trail, ancestors, at, gap
from tflint_nan.finding import Applicability, Fix
from tflint_nan.graph import Graph, Report
from tflint_nan.interval import DEFAULT_FORMAT
from tflint_nan.inward import log_softmax
from tflint_nan.logs import LOGS, BadLog, bad_logs
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.stable import clipped, options_of, overflows, spelled, written_softmax
from tflint_nan.trace import explained

_OF_LOGITS = "compute the log from the logits: log_softmax, or the fused cross entropy"
_IN_LOG_SPACE = "sum in log space: reduce_logsumexp(log_softmax(logits) + the logs of the densities)"


@rule("NAN101", "log-of-softmax", needs=[LOGS, ("softmax", "exp")])
def check(graph: Graph) -> Iterator[Report]:
    """Logs of softmax outputs without a guard."""
    for bad in bad_logs(graph):
        if bad.cause != "softmax":
            continue
        softmax, sink = bad.trail.producer, bad.trail.sink
        dtype = softmax.value.dtype or DEFAULT_FORMAT
        edge = "1" if at(softmax, bad.trail.witness) == 1 else "0"
        yield explained(
            bad.trail,
            float(bad.result),
            message=f"softmax reaches exactly {edge} in {dtype} when one logit is {gap(softmax.value)} "
            f"or more above another, so this {sink.name} is {bad.result}",
            help=_IN_LOG_SPACE if _is_mixture(bad.trail) else _OF_LOGITS,
            fix=partial(_fix, graph, bad),
            level=bad.level,
        )


def _is_mixture(trail: Trail) -> bool:
    """Whether shares weigh densities, which an `exp` makes, and are summed."""
    products = [step for step in trail.steps if step.name == "mul"]
    factors = [op for product in products for op in product.operands if op not in trail.chain]
    weighed = any(op.name == "exp" for factor in factors for op, _ in ancestors(factor))
    return weighed and any(step.name == "sum" for step in trail.steps)


def _fix(graph: Graph, bad: BadLog, r: Rewriter) -> Fix | None:
    sink, softmax = bad.trail.sink, bad.trail.producer
    fix = _of_written(bad, r.trial())
    if fix is not None or overflows(softmax):
        # Written by hand, in another function, it becomes a softmax by the fix of NAN107.
        return fix
    whole = softmax_cross_entropy(graph, sink) if sink.arg("x").op is softmax else None
    return (
        fused(r.trial(), whole, softmax, sink)
        or log_softmax(r.trial(), sink, softmax)
        or (clipped(r, sink, "x") if sink.name == "log" else None)
    )


def _of_written(bad: BadLog, r: Rewriter) -> Fix | None:
    """The log of a softmax that is written by hand in the same activation, from its logits."""
    sink, softmax = bad.trail.sink, bad.trail.producer
    form = written_softmax(softmax) if sink.name == "log" and sink.arg("x").op is softmax else None
    if form is None or sink.scope is not softmax.scope:
        return None
    f, logits, options = spelled(r, sink, "log_softmax"), r.spell(form.logits, "logits"), options_of(form, r)
    if f is None or logits is None or options is None:
        return None
    r.spare(softmax.statement, softmax.scope)
    r.replace(sink.node, "{f}({logits}{options})", f=f, logits=logits, options=options)
    return r.fix(Applicability.SAFE, f"Use {f}")
