"""NAN103 unclipped-log: a value that is known to reach 0 or less goes into a log.

## Why is this bad?
The log of 0 is `-inf` and the log of a negative number is NaN; both destroy every weight that their gradient
reaches. It is reported where something on the way is known to get there: a relu, a one-hot label, a square, a
sum of these, the spectrum of silence, or the output of a trained layer that nothing bounds. Recordings hold
silence whose samples are all 0, and are padded with zeros: the spectrum of such a piece is exactly 0.

Labels that the program itself tests against 0, to multiply what it computes from their log with the
answer, are 0 somewhere: 0 times `-inf` is NaN, so such a mask stops nothing; a `where` in the log does.

Weights whose training is not seen are for `--strict`, as are sums of all there is. How often something occurs
in data (a count, a sum of tests or one-hot labels), and what else is doubtful and has to be 0 in all of a row
or a batch, is reported when the code is selected, as is a mask in log space, whose `-inf` is meant.

## Example
```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 4])
counts = tf.placeholder(tf.float32, [None, 1])
w = tf.Variable(tf.truncated_normal([4, 1], stddev=0.1))
rate = tf.nn.relu(tf.matmul(x, w))
loss = tf.reduce_mean(rate - counts * tf.log(rate))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Use instead
```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 4])
counts = tf.placeholder(tf.float32, [None, 1])
w = tf.Variable(tf.truncated_normal([4, 1], stddev=0.1))
rate = tf.nn.softplus(tf.matmul(x, w)) + 1e-7
loss = tf.reduce_mean(rate - counts * tf.log(rate))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Fix safety
The operand is clipped from below: unsafe, since a clipped operand has no gradient, and what was NaN is now a
number.

## References
* [tf.math.xlogy](https://www.tensorflow.org/api_docs/python/tf/math/xlogy)
* IEEE 754-2008, 9.2.1: log(0) is -inf and signals a division by zero; of a negative number it is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from tflint_nan.agreeing import ROLES, Agreeing, agreeing
from tflint_nan.evidence import BINARY, PASSING, Trail, is_made_up, library, number, onward
from tflint_nan.finding import Fix, Level
from tflint_nan.graph import Graph, Report
from tflint_nan.logs import BadLog, bad_logs
from tflint_nan.ops.arithmetic import is_minimum_of
from tflint_nan.ops.points import bare, same
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.stable import clipped
from tflint_nan.trace import explained
from tflint_nan.value import Value

#: Reach 0 only where the data does not vary, or has none of what is counted.
_WEAK = frozenset({"std", "variance", "norm", "max", "min", "count", "count_nonzero", "sub"}) | ROLES
#: What is 0 or 1.
_INDICATORS = BINARY | {"eye", "mask"}
_TERMS = frozenset({"add", "sub", "neg"})
#: Positive, and 0 only by underflow.
_POSITIVE = frozenset({"exp", "softplus"})
_SUMS = frozenset({"sum", "mean"})
_ABOVE_ZERO = "keep the operand above 0: maximum(x, 1e-7), or a form that is positive by construction"
_IN_LOG_SPACE = "sum in log space: reduce_logsumexp of the logs of the terms"
_TRAINING = ("fit", "minimize", "gradients")


@rule("NAN103", "unclipped-log", needs=[("log",)])
def check(graph: Graph) -> Iterator[Report]:
    """Logs of values that reach 0 or less, neither softmax nor sigmoid, without a guard."""
    for bad in bad_logs(graph):
        producer, sink = bad.trail.producer, bad.trail.sink
        # log(sum(exp(z))) is NAN107's, which has a better answer than a clip.
        lone = producer.name == "exp" and all(step.name in _SUMS or step.flow for step in bad.trail.steps)
        if bad.cause != "other" or lone or sink.name == "log1p":  # that one is NAN109's
            continue
        yield explained(
            bad.trail,
            float(bad.result),
            message=f"the operand, made by {producer.name}, reaches {bad.trail.witness.value + 0.0:g}"
            f"{' for silence or zero padding' * _is_silence(bad.trail)}, so this {sink.name} is {bad.result}",
            help=_IN_LOG_SPACE if _is_underflow(bad.trail) else _ABOVE_ZERO,
            fix=partial(_fix, bad),
            level=_level(graph, bad.trail),
            asked=_is_masked(graph, bad.trail),
        )


def _level(graph: Graph, trail: Trail) -> Level:
    """One step down for each of: an author need not expect the number; everything there is has to be 0.

    Two, where that would be a whole prediction that equals its labels. Who masks labels expects the 0.
    """
    if _is_mask(graph, trail):
        return Level.OPTIONAL
    if _is_masked(graph, trail):
        return Level.DEFAULT
    guessed = any(op.name in ROLES for op, _ in trail.witness.inputs)
    doubts = (not _is_strong(graph, trail)) + (agreeing(trail) is Agreeing.ALL) * (1 + guessed)
    return (Level.DEFAULT, Level.STRICT, Level.OPTIONAL)[min(doubts, 2)]


def _is_masked(graph: Graph, trail: Trail) -> bool:
    """Whether the program asks which labels are above 0 and multiplies the rest's -inf with the answer, a 0.

    Who asks for the others has met them; 0 * -inf is NaN, and so is its gradient.
    """
    if trail.producer.name != "labels" or trail.witness.value != 0:
        return False
    products = (op for op in onward(graph, trail.sink, lambda op: op.name not in _SUMS) if op.name == "mul")
    return any(
        product.value.reaches(math.isnan)
        and any(_asks(value, trail.value) for value in product.args.values())
        for product in products
    )


def _asks(answer: Value, value: Value) -> bool:
    """Whether `answer` is that of a test of `value` against 0."""
    test = bare(answer).op
    pair = [test.arg("x"), test.arg("y")] if test is not None and test.name in BINARY else []
    return any(number(other) == 0 and same(one, value) for one, other in zip(pair, pair[::-1], strict=True))


def _is_mask(graph: Graph, trail: Trail) -> bool:
    """Whether this is a mask in log space, whose -inf is meant: what is 0 or 1, and its log no factor."""
    indicator = trail.producer.name in _INDICATORS and all(step.flow == ("x",) for step in trail.steps)
    takers = onward(graph, trail.sink, lambda op: op.name in _TERMS or bool(op.flow)) if indicator else ()
    return indicator and not any(taker.name in ("mul", "matmul", "einsum") for taker in takers)


def _is_strong(graph: Graph, trail: Trail) -> bool:
    """Whether an author has to expect the number: not of literals, not where only underflow gets there.

    The log of a weight keeps it from 0 itself, so what else trains it has to be seen.
    """
    if trail.chain[0].name == "variable" and not graph.differentiated(trail.sink):
        return False
    if _is_silence(trail) and not _is_of_features(graph, trail):
        return False
    summed = any(step.name in _SUMS for step in trail.steps)
    alone = all(step.name in _SUMS or step.flow == ("x",) for step in trail.steps)
    if trail.producer.name in BINARY and summed and alone:
        return False  # how often something occurs in the data
    made = trail.producer
    underflow = made.name in _POSITIVE and not summed
    # The smallest of the data is always among them.
    weak = (
        made.name in _WEAK and bool(trail.witness.inputs) and not is_minimum_of(made.arg("y"), made.arg("x"))
    )
    return not weak and not underflow and not is_made_up(made)


def _is_underflow(trail: Trail) -> bool:
    """Whether densities are summed, each of which is 0 only as it is rounded."""
    return trail.producer.name == "exp" and any(step.name in _SUMS for step in trail.steps)


def _is_silence(trail: Trail) -> bool:
    return any(op.name == "spectrum" for op, _ in trail.witness.inputs)


def _is_of_features(graph: Graph, trail: Trail) -> bool:
    """Whether a silent piece of a recording takes the -inf into training.

    NumPy's spectra are drawn as well, and decibels are bounded by those of the loudest piece.
    """
    if library(trail.sink) == "np" and not any(graph.ops(*_TRAINING)):
        return False
    takers = onward(graph, trail.sink, lambda op: op.name in PASSING or bool(op.flow))
    return all(taker.name != "maximum" for taker in takers)


def _fix(bad: BadLog, r: Rewriter) -> Fix | None:
    sink = bad.trail.sink
    if sink.name != "log":
        return None
    return clipped(r, sink, "x")
