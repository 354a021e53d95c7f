"""NAN105 division-by-zero: a divisor that is known to reach 0, and nothing keeps it off.

## Why is this bad?
`0 / 0` is NaN and everything else over 0 is infinite; the gradient is worse. A feature that is constant has
standard deviation 0, a sigmoid, softmax or relu output is exactly 0 for inputs that training reaches, and a
trained variable that may have either sign passes through 0: adding an epsilon only moves that place.

How many elements have to agree for the 0, and whether it is sure to come, decides who is told of it:

* Always: one element (a saturated sigmoid or `elu(x) + 1`, a relu), or one feature that is constant: its
  standard deviation, its variance, its largest less its smallest value. So is the target that an error is
  relative to, where that is minimised: scaled data, demand at night and counts are 0 somewhere, and Keras's
  own relative errors do not divide by less than 1e-7; and target and prediction together, where the
  prediction ends in a relu. So is the number of events by which a partial likelihood of Cox is divided: a
  batch may have none; the number of rows of a segment that the program itself chooses for them (a bin of a
  prediction, the nearest cluster); and what chance keeps of the elements of a row that data allows. So is a
  setting of the command line that is 0 by default; and sums of masked numbers of a row to which a number is
  added that the program sets to 0. So is what weights make that start at 0, a whole row or all of it: the
  first step divides by it.
* With `--strict`: the number of rows of a segment that data fills, a row of elements (sums, counts and
  norms of each row, the spread of a whole array without an axis, the largest less the smallest of each
  row), differences and outputs of linear layers, labels, what stands in a program that only predicts,
  variables whose training is not seen, one trained number that starts elsewhere (a temperature, the logit
  of a dropout rate), one statistic over another, and what a test around the division asks about.
* Only when the code is selected: everything there is (a count, an energy or a norm over all axes, or over
  the examples and others; the spread of all data, of which parts are divided; a total variance; a
  histogram, which is 0 where nothing of the kind is there), masks that are mixed with other numbers, rows
  that were chosen by what they hold (`x[(x > 0).sum(1) > 1]`), and what has two doubts of the second kind.

A bound behind a division (`minimum(1 / x, 10.0)`) keeps its value finite. Its gradient is NaN where the
divisor is exactly 0, since the 0 that the bound hands back is multiplied with an infinite slope.

## Example
```python
import tensorflow as tf

counts = tf.placeholder(tf.int32, [None, 8])
features = tf.cast(counts, tf.float32)
mean, variance = tf.nn.moments(features, axes=[0])
scaled = (features - mean) / tf.sqrt(variance)
w = tf.Variable(tf.zeros([8, 1]))
loss = tf.reduce_mean(tf.matmul(scaled, w))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Use instead
```python
import tensorflow as tf

counts = tf.placeholder(tf.int32, [None, 8])
features = tf.cast(counts, tf.float32)
mean, variance = tf.nn.moments(features, axes=[0])
scaled = (features - mean) / tf.sqrt(variance + 1e-7)
w = tf.Variable(tf.zeros([8, 1]))
loss = tf.reduce_mean(tf.matmul(scaled, w))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Fix safety
`divide_no_nan` is safe where the dividend is 0 whenever the divisor is, which is so for a deviation from the
mean over the standard deviation of data: the same value wherever the original is finite, 0 where it was
`0 / 0`. Elsewhere an epsilon is added to the divisor (inside of its root, since the root has no gradient
at 0), the variable is bounded from below, or a count by 1: unsafe, since the values change. So is
`divide_no_nan` for a divisor of either sign, which an epsilon would not keep off 0; NumPy has no such
function, and there such a divisor is left to you.

## References
* [tf.math.divide_no_nan](https://www.tensorflow.org/api_docs/python/tf/math/divide_no_nan)
* IEEE 754-2008, 7.3: division by zero; 7.2: 0/0 is invalid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import libcst as cst

from tflint_nan.agreeing import SPREADS, is_count
from tflint_nan.divisors import DIVISIONS, ZeroDivisor, is_spread, zero_divisors
from tflint_nan.evidence import guard, is_trained
from tflint_nan.finding import Applicability, Fix, Level
from tflint_nan.graph import Graph, Report
from tflint_nan.interval import FORMATS, INTEGERS
from tflint_nan.ops.arithmetic import is_span
from tflint_nan.precision import blamed, is_lost_in_half
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.stable import bounds, divisor_bound, spelled, written
from tflint_nan.trace import explained
from tflint_nan.value import Op


@rule("NAN105", "division-by-zero", needs=[DIVISIONS])
def check(graph: Graph) -> Iterator[Report]:
    """Divisors that reach 0."""
    for zero in zero_divisors(graph):
        what = "reaches 0, so this division is infinite or NaN"
        if zero.crosses:
            what = "has either sign and passes 0 despite the added epsilon"
        elif zero.initial:
            what = "is 0 before the first step, so this division is infinite or NaN"
        elif zero.bounded:
            what = "reaches 0, and a bound behind it leaves its gradient NaN"
        tried, dtype = guard(zero.trail), zero.trail.value.dtype
        lost = is_lost_in_half(tried, dtype)
        if tried is not None and lost:
            what = f"{what}: {written(tried.given)} is 0 in {dtype}"
        about = f"the divisor, made by {_made(zero.trail.producer)}, {what}"
        help = "use divide_no_nan where 0 / 0 should be 0, or keep the divisor above 0"
        if lost:
            help = "use a larger epsilon, or compute this in float32"
        if zero.off:
            about = f"{about}: the number that is added to it is 0"
        if zero.told is not None:
            about, help = zero.told.message, zero.told.help or help
        report = explained(
            zero.trail,
            zero.quotient,
            message=about,
            help=help,
            fix=partial(_fix, zero),
            # That it gets to 0 is what the epsilon says.
            level=Level.DEFAULT if lost and zero.level is Level.STRICT else zero.level,
            asked=zero.told is not None or zero.off,
        )
        if zero.told is not None:
            report = replace(report, because=(*zero.told.because, *report.because))
        yield blamed(graph, report) if lost else report


def _made(op: Op) -> str:
    return "max - min" if is_span(op) else op.name


def _fix(zero: ZeroDivisor, r: Rewriter) -> Fix | None:
    trail, name = zero.trail, zero.argument
    sink, producer, node = trail.sink, trail.producer, trail.sink.nodes.get(name)
    if node is None:
        return None
    if zero.told is not None and not zero.told.known:
        r.decline("what to do without the setting is not known")
        return None
    low = bounds(trail.value)[0]
    # The root of a variance has no gradient at 0, whatever is done afterwards.
    trained = producer.name in SPREADS and is_trained(producer)
    divisor = sink.arg(name)
    whole = divisor.dtype in INTEGERS
    counted = is_count(trail) or (whole and divisor.interval.lo >= 0)
    safe = spelled(r, sink, "divide_no_nan") if sink.name == "div" and not whole else None
    if "x" not in sink.nodes:
        safe = None
    if is_spread(trail) and not trained and safe is not None:
        _divide(r, sink, node, safe)
        return r.fix(Applicability.SAFE, f"Use {safe}: 0 where it was 0 / 0")
    root = next((step for step in trail.steps if step.name == "sqrt" and step.scope is sink.scope), None)
    bound = spelled(r, sink, "maximum")
    if root is not None and "x" in root.nodes:
        r.replace(root.nodes["x"], "{x} + {low}", x=root.nodes["x"], low=low)
    elif producer.name == "variable" and bound is not None:
        r.replace(node, "{f}({x}, {low})", f=bound, x=node, low=low)
    elif counted and bound is not None and (safe is None or not isinstance(sink.node, cst.Call)):
        one = "1.0" if divisor.dtype in FORMATS else "1"
        r.replace(node, "{f}({x}, {one})", f=bound, x=node, one=one)
    elif not counted and divisor.interval.lo >= 0:
        r.replace(node, "{x} + {low}", x=node, low=divisor_bound(trail.value))
    elif not counted and divisor.interval.hi <= 0:
        r.replace(node, "{x} - {low}", x=node, low=low)
    elif safe is not None and any(api.startswith(("tf.", "keras.ops.")) for api in r.graph.apis(sink.source)):
        _divide(r, sink, node, safe)
        return r.fix(Applicability.UNSAFE, f"Use {safe}: 0 where the divisor is 0")
    else:
        r.decline("the divisor may have either sign")
        return None
    return r.fix(Applicability.UNSAFE, "Keep the divisor away from 0")


def _divide(r: Rewriter, sink: Op, divisor: cst.CSTNode, function: str) -> None:
    """Divide by another function."""
    if isinstance(sink.node, cst.Call):
        r.replace(sink.node.func, function)  # it takes the same arguments
    else:
        r.replace(sink.node, "{f}({x}, {y})", f=function, x=sink.nodes["x"], y=divisor)
