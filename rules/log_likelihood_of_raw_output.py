"""NAN113 log-likelihood-of-raw-output: a linear output in a clipped cross entropy or a Poisson loss.

## Why is this bad?

A cross entropy takes the log of a probability. A linear layer's output is none: it gets below 0 and above 1.
The clip that keeps the log finite hides that the softmax or sigmoid is missing, and has no gradient where it
clips: an output below its lower bound costs -log(1e-10) = 23, whatever it is, and is never pulled up again.
In between, a larger output costs less whatever the other classes say, so all of them grow to the upper bound.

Keras's `poisson` takes the log of the output plus 1e-7. What it wants is a rate, which is above 0; about half
of what a linear layer outputs before it is trained is below, and one such number makes the loss NaN.

Without a clip, or with one that does not hold, NAN103 and NAN104 report the log itself.

## Example

```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 784])
y_ = tf.placeholder(tf.float32, [None, 10])
y = tf.layers.dense(x, 10)
loss = -tf.reduce_mean(tf.reduce_sum(y_ * tf.log(tf.clip_by_value(y, 1e-10, 1.0)), axis=1))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Use instead

```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 784])
y_ = tf.placeholder(tf.float32, [None, 10])
logits = tf.layers.dense(x, 10)
loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=y_, logits=logits))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Fix safety

Unsafe: the loss is another one. The softmax (one of several classes) or sigmoid (a single output, or one with
a term for the label 0) is put inside of the clip; the fused cross entropy from the logits is better still.
Before `poisson` the last layer gets `activation="softplus"`; `"exponential"`, the link function of Poisson
regression, overflows for inputs that are not scaled.

## References

* C. Bishop, "Pattern Recognition and Machine Learning", 2006, section 4.3: the likelihood of classes.
* P. McCullagh, J. Nelder, "Generalized Linear Models", 2nd edition, 1989, chapter 6: rates of counts.
* N. Humbatova et al., "Taxonomy of Real Faults in Deep Learning Systems", ICSE 2020: missing softmax layer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from tflint_nan.finding import Applicability, Fix, Level
from tflint_nan.graph import DIFFERENTIATING, Graph, Report
from tflint_nan.interval import round_to
from tflint_nan.registry import rule
from tflint_nan.remedies import activate
from tflint_nan.rewrite import Rewriter
from tflint_nan.targets import counted, inside, is_label
from tflint_nan.training import WEIGHTED, trained_output, units
from tflint_nan.value import Op, Value


@rule(
    "NAN113",
    "log-likelihood-of-raw-output",
    needs=[("log", "poisson"), ("mul", "poisson"), DIFFERENTIATING, WEIGHTED],
)
def check(graph: Graph) -> Iterator[Report]:
    """Labels times the log of a linear output: one that is clipped, or in the loss of a rate."""
    yield from _rates(graph)
    for log in graph.ops("log"):
        operand = log.arg("x")
        output, _ = inside(operand)
        linear = trained_output(output) if operand.interval.lo > 0 else None
        if linear is None or not graph.in_loss(log) or not _weighs_labels(graph, log):
            continue
        probable = operand.interval.hi <= 1 or counted(graph, linear)
        yield Report(
            op=log,
            message="cross entropy of a linear output: the clip hides that it is no probability, and where "
            "it clips there is no gradient",
            help="put a softmax or sigmoid before the log, or use the fused cross entropy from these logits",
            because=((linear, f"{linear.name}: no activation, nothing bounds it"),),
            witness=_witness(operand, linear),
            fix=partial(_fix, graph, log),
            level=Level.DEFAULT if probable else Level.STRICT,
        )


def _rates(graph: Graph) -> Iterator[Report]:
    """Poisson losses of linear outputs."""
    for op in graph.ops("poisson"):
        linear = trained_output(op.arg("y_pred"))
        if linear is None or not graph.in_loss(op):
            continue
        yield Report(
            op=op,
            message="poisson takes the log of what it is given, and these outputs are linear: one below 0 "
            "makes the loss NaN",
            help='give the last layer activation="softplus" or "exponential": a rate is above 0',
            because=((linear, f"{linear.name}: no activation, nothing bounds it"),),
            witness="output = -1, label = 1 -> loss = nan",
            fix=partial(_bound, graph, linear),
        )


def _bound(graph: Graph, linear: Op, r: Rewriter) -> Fix | None:
    fits = activate(graph, r, linear, "softplus")
    return r.fix(Applicability.UNSAFE, "Give the last layer a softplus") if fits else None


def _witness(operand: Value, linear: Op) -> str:
    """An output that the clip replaces by a number next to 0."""
    low = min(witness.value for witness in linear.value.witnesses)
    bound = round_to(operand.interval.lo, operand.dtype)
    return f"output = {low:g} -> clipped = {bound:.3g} -> -log = {-math.log(bound):.4g}, gradient = 0"


def _weighs_labels(graph: Graph, log: Op) -> bool:
    """True where the log is multiplied with something that can be a label."""
    for consumer in graph.consumers(log):
        if consumer.name == "neg" and _weighs_labels(graph, consumer):
            return True
        factors = [consumer.arg(name) for name in ("x", "y")] if consumer.name == "mul" else []
        if any(factor.op is not log and is_label(inside(factor)[0]) for factor in factors):
            return True
    return False


def _fix(graph: Graph, log: Op, r: Rewriter) -> Fix | None:
    output, node = inside(log.arg("x"), log, "x")
    linear = trained_output(output)
    n = units(linear, output) if linear is not None else None
    terms = [other for other in graph.ops("log") if inside(other.arg("x"))[0].op is output.op]
    kind = "sigmoid" if n == 1 or len(terms) > 1 else "softmax" if n is not None else None
    function = r.api(f"tf.nn.{kind}") if kind is not None else None
    if function is None or node is None:
        return None
    r.replace(node, "{f}({x})", f=function, x=node)
    return r.fix(Applicability.UNSAFE, f"Take the log of a {kind}")
