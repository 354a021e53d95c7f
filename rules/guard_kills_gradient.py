"""NAN112 guard-kills-gradient: a clip inside a log makes the loss flat where it is largest.

## Why is this bad?

`log(clip(p, 1e-8, 1))` is finite, and below 1e-8 it is constant: its gradient there is exactly 0. These are
the rows of which the network is certain and wrong, those that the loss is there for. They add 18.4 to the
loss at every step, nothing corrects them, and the loss goes down by the other rows only: a false loss. The
log of a softmax or sigmoid computed from the logits is finite without a clip, and its gradient there is the
largest.

It is reported once for each clipped output, and where a loss is seen to be differentiated. The log in an
entropy, `p * log(p)`, is silent: its weight is as small as the bound.

## Example

```python
import tensorflow as tf

logits = tf.Variable(tf.zeros([1, 3]))
labels = tf.placeholder(tf.float32, [None, 3])
p = tf.nn.softmax(logits)
loss = -tf.reduce_sum(labels * tf.log(tf.clip_by_value(p, 1e-8, 1.0)))
train = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
```

## Use instead

```python
import tensorflow as tf

logits = tf.Variable(tf.zeros([1, 3]))
labels = tf.placeholder(tf.float32, [None, 3])
loss = -tf.reduce_sum(labels * tf.nn.log_softmax(logits))
train = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
```

## Fix safety

Unsafe: the loss is no longer bounded by the clip, and training takes another course.

## References

* [tf.clip_by_value](https://www.tensorflow.org/api_docs/python/tf/clip_by_value): the gradient of what is
  clipped is 0.
* [tf.nn.log_softmax](https://www.tensorflow.org/api_docs/python/tf/nn/log_softmax),
  [tf.math.log_sigmoid](https://www.tensorflow.org/api_docs/python/tf/math/log_sigmoid)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from tflint_nan.evidence import complement, number, onward
from tflint_nan.finding import Applicability, Fix, Level, Severity
from tflint_nan.graph import DIFFERENTIATING, Graph, Report
from tflint_nan.interval import round_to
from tflint_nan.lift import logits_at
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.stable import spelled
from tflint_nan.training import made_only_by
from tflint_nan.value import Op, Value


@rule(
    "NAN112",
    "guard-kills-gradient",
    level=Level.STRICT,
    needs=[("log",), ("clip", "maximum", "minimum"), ("softmax", "sigmoid"), DIFFERENTIATING],
)
def check(graph: Graph) -> Iterator[Report]:
    """Logs of clipped softmax and sigmoid outputs in a loss, the first of each output."""
    seen: set[int] = set()
    for log in graph.ops("log"):
        inner = complement(log.arg("x"))
        clip, lowest = _clip(log.arg("x") if inner is None else inner, turned=inner is not None)
        squashed = None if clip is None else _squashed(clip)
        if clip is None or squashed is None or not graph.differentiated(log):
            continue
        if squashed.serial in seen or _is_entropy(graph, log, clip):
            continue
        seen.add(squashed.serial)
        what = f"1 - {squashed.name}" if inner is not None else squashed.name
        yield Report(
            op=log,
            message=f"where {what} is under {lowest:g}, a logit of {math.log(lowest):.3g}, this log is "
            "constant: the gradient of what is certain and wrong is 0",
            help=f"use log_{squashed.name} of the logits, which needs no clip",
            because=((squashed, squashed.name), (clip, f"{clip.name}: no gradient outside of its bounds")),
            fix=partial(_fix, log, squashed, turned=inner is not None),
            severity=Severity.WARNING,
        )


def _clip(value: Value, *, turned: bool) -> tuple[Op | None, float]:
    """The clip that makes `value`, and how near to the edge of the log it lets it come."""
    op = value.op
    if op is None or op.name not in ("clip", "maximum", "minimum"):
        return None, 0.0
    if op.name == "clip":
        bound = number(op.arg("max" if turned else "min"))
    elif op.name == ("minimum" if turned else "maximum"):
        bound = number(op.arg("x")) if number(op.arg("x")) is not None else number(op.arg("y"))
    else:
        bound = None
    if bound is None:
        return None, 0.0
    # A bound that the format rounds to the edge guards nothing, and stops no gradient.
    stored = round_to(bound, value.dtype)
    lowest = 1 - stored if turned else stored
    return (op, lowest) if lowest > 0 else (None, 0.0)


def _squashed(clip: Op) -> Op | None:
    """The softmax or sigmoid of the library whose output is clipped."""
    for name in ("x", "y"):
        if name in clip.args and number(clip.arg(name)) is None:
            return made_only_by(clip.arg(name), "softmax", "sigmoid")
    return None


def _is_entropy(graph: Graph, log: Op, clip: Op) -> bool:
    """Whether the log is weighted with what it is taken of: no fused loss computes that."""
    shares = [clip, *clip.operands]
    for taker in onward(graph, log, lambda op: op.name == "neg" or bool(op.flow)):
        if taker.name == "mul" and any(value.op in shares for value in taker.args.values()):
            return True
    return False


def _fix(log: Op, squashed: Op, r: Rewriter, *, turned: bool) -> Fix | None:
    f, logits = spelled(r, log, f"log_{squashed.name}"), logits_at(r, squashed, log)
    if f is None or logits is None or (turned and squashed.name == "softmax") or "axis" in squashed.args:
        return None
    r.replace(log.node, "{f}(-{x})" if turned else "{f}({x})", f=f, x=logits)
    return r.fix(Applicability.UNSAFE, f"Use {f}")
