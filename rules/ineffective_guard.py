"""NAN104 ineffective-guard: a guard before a log, a divisor or an atanh that does not guard in its dtype.

## Why is this bad?
Guards are written over the real numbers and run in floats. In float32 `1e-10 + 1` is 1, so
`log(1e-10 + 1 - p)` is `log(1 - p)`; `1 - 1e-9` is 1, so a clip to it leaves 1; `1e-8` is 0 in float16,
`1e-46` in float32. An epsilon that is added to something of either sign moves the place where the log is
undefined and does not remove it; one that is added to the log itself comes too late. So does a bound of it,
`maximum(log(p), -100.0)`: the value is finite, and the 0 that the bound hands back is multiplied with the
infinite slope of the log, which is NaN. The code looks safe, and nobody looks there when the loss is NaN.

So it is with whatever is infinite at an edge, or has an infinite slope there: of `a = clip(x, -1, 1 - 1e-8)`
`atanh(a)` is infinite, and so are `1 / (1 - a)`, `log1p(-a)` and the slopes of `acos(a)`, `asin(a)` and
`sqrt(1 - a)`. The guard itself says which number is expected, so nothing else has to be known of `x`. A
clip to 1 itself says so, too: `atanh` is infinite for all that is clipped, and what is exactly 1 meets the
infinite slope of `acos`, which is told by default where a gradient is shown to be taken.

Even `1 - p + 1e-10`, which is right as it is written, is not what runs in a graph: under `tf.function`, in
`fit`, in a session and with XLA, TensorFlow 2 adds the two constants first and computes `(1 + 1e-10) - p`.
This is reported by default, and by `--strict` for programs of TensorFlow 1, whose old releases do not do it,
and for those that record a tape and compile nothing.

## Example
```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 20])
labels = tf.placeholder(tf.float32, [None, 1])
w = tf.Variable(tf.random_normal([20, 1], stddev=0.1))
p = tf.sigmoid(tf.matmul(x, w))
loss = -tf.reduce_mean(labels * tf.log(1e-10 + p) + (1 - labels) * tf.log(1e-10 + 1 - p))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Use instead
```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 20])
labels = tf.placeholder(tf.float32, [None, 1])
w = tf.Variable(tf.random_normal([20, 1], stddev=0.1))
p = tf.sigmoid(tf.matmul(x, w))
loss = -tf.reduce_mean(labels * tf.log(1e-10 + p) + (1 - labels) * tf.log(tf.maximum(1 - p, 1e-10)))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Fix safety
Safe where nothing that was finite changes: `maximum(1 - p, 1e-10)` for an epsilon that is lost to another
constant, and the number next to 1 (`1 - 6e-8` in float32) for an upper bound that rounds to 1. Unsafe where
a bound or an epsilon that is 0 becomes 1e-7 (1e-4 in float16), an epsilon that is added to numbers of either
sign becomes a `maximum`, an epsilon goes into the log, or the result of a clip that was thrown away is kept.

## References
* `ConstantPushDown` in TensorFlow's `grappler/optimizers/constant_folding.cc` adds constants first;
  `tests/test_merged_constants.py` runs it.
* IEEE 754-2008, table 3.5: the precision and the smallest number of each format.
* [tf.keras.backend.epsilon](https://www.tensorflow.org/api_docs/python/tf/keras/backend/epsilon), 1e-7.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from tflint_nan.evidence import Guard, Trail
from tflint_nan.finding import Fix, Level
from tflint_nan.graph import Graph, Report
from tflint_nan.guarding import held, mended
from tflint_nan.interval import DEFAULT_FORMAT
from tflint_nan.logs import BadLog, bad_logs
from tflint_nan.merging import may_run_as_written
from tflint_nan.precision import blamed, is_lost_in_half
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.rounded import EDGED, lost_guards
from tflint_nan.stable import written
from tflint_nan.trace import explained


@rule("NAN104", "ineffective-guard", needs=[EDGED, ("add", "sub", "clip", "maximum", "minimum")])
def check(graph: Graph) -> Iterator[Report]:
    """Functions that reach their edge although a guard was tried."""
    for bad in bad_logs(graph):
        if bad.cause == "guard":
            yield _report(graph, bad.trail, bad.guard, _why(bad), float(bad.result), partial(mended, bad))
    for lost in lost_guards(graph):
        trail, guard = lost.trail, lost.guards[0]
        fix = partial(held, trail, lost.guards)
        report = _report(graph, trail, guard, _failing(guard, trail), lost.result, fix)
        yield report if lost.level is Level.DEFAULT else replace(report, level=lost.level)


def _report(
    graph: Graph,
    trail: Trail,
    guard: Guard | None,
    why: str,
    result: float | None,
    fix: Callable[[Rewriter], Fix | None],
) -> Report:
    sink, merged = trail.sink, guard is not None and guard.kind == "merged" and guard.stored != 0
    what = "division" if sink.name == "div" else sink.name
    slope = result is not None and math.isfinite(result)
    still = "infinite or NaN" if result is None else f"{result:g}"
    report = explained(
        trail,
        None if merged else result,
        message=f"{why}, so {'the gradient of ' if slope else ''}this {what} is still "
        f"{'infinite' if slope else still}",
        help=f"keep the operand above 0 with maximum or clip, inside the {what}"
        if 0.0 in EDGED[sink.name].edges or sink.name == "log1p"
        else "keep the operand off the edge with a bound that its format has",
        fix=fix,
        gradient=math.inf if slope else None,
    )
    # Whatever is guarded: that it gets there is what the guard says.
    if guard is not None and guard.given != 0:
        kept = merged and may_run_as_written(graph, sink)
        report = replace(report, level=Level.STRICT if kept else Level.DEFAULT)
    return blamed(graph, report) if is_lost_in_half(guard, trail.value.dtype) else report


def _why(bad: BadLog) -> str:
    if bad.guard is None and bad.bounded:
        return "the bound comes after the log and leaves its gradient NaN"
    if bad.guard is None:
        return "the epsilon is added outside, too late" if bad.outside else "a clip's result is thrown away"
    return _failing(bad.guard, bad.trail)


def _failing(guard: Guard, trail: Trail) -> str:
    dtype = trail.value.dtype or DEFAULT_FORMAT
    if guard.kind == "swallowed":
        return f"{written(guard.given)} is lost when it is added to a number as large as 1 first, in {dtype}"
    if guard.stored == 0 != guard.given:
        return f"{written(guard.given)} is 0 in {dtype}"
    if guard.kind == "merged":
        return f"{written(guard.given)} is lost in a graph, where TensorFlow adds the constants first"
    if guard.kind == "added":
        return f"the operand goes below 0, past the added {written(guard.given)}"
    if guard.stored != guard.given:
        return f"the bound {guard.given:.12g} is {guard.stored:g} in {dtype}"
    reached = trail.witness.value + 0.0
    return f"the bound {written(guard.given)} lets {reached:g} through to the {trail.sink.name}"
