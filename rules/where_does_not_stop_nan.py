"""NAN108 where-does-not-stop-nan: a `where` picks the good value, and the gradient is NaN all the same.

## Why is this bad?
`where(x > 0, log(x), 0)` computes the log everywhere and then chooses. What is not chosen gets a gradient of
0, and at `x = 0` the log multiplies it by its derivative, `0 * inf`, which is NaN. The loss looks right, and
all weights are NaN after one step. The argument has to be safe before the function sees it: `where(x > 0,
log(where(x > 0, x, 1)), 0)`.

So it is with a label that is missing: `where(is_nan(y), 0, square(y - p))` asks for NaN, so `y` has some, and
there the gradient with respect to `p` is `0 * 2 (p - y)`, NaN. A difference alone is safe; what multiplies by
`y`, or has a slope that depends on it, is not.

And so with data that are infinite there: `where(y > 0, square(log(y) - p), 0)` at a `y` of 0.

A power needs no edge: `where(x >= 0, (1 + x)**p - 1, 1 - (1 - x)**p)` with a fractional `p` is NaN on the
side that is not chosen, and so is its gradient, for all `x` past 1 or -1.

## Example
```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 4])
w = tf.Variable(tf.truncated_normal([4, 1], stddev=0.1))
rate = tf.nn.relu(tf.matmul(x, w))
logs = tf.where(rate > 0, tf.log(rate), tf.zeros_like(rate))
train = tf.train.AdamOptimizer(1e-3).minimize(tf.reduce_mean(logs))
```

## Use instead
```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 4])
w = tf.Variable(tf.truncated_normal([4, 1], stddev=0.1))
rate = tf.nn.relu(tf.matmul(x, w))
safe = tf.where(rate > 0, rate, tf.ones_like(rate))
logs = tf.where(rate > 0, tf.log(safe), tf.zeros_like(rate))
train = tf.train.AdamOptimizer(1e-3).minimize(tf.reduce_mean(logs))
```

## Fix safety
The argument is replaced by 1 where the condition does not choose it: safe, the same value and gradient
wherever both are finite.

## References
* [tf.where](https://www.tensorflow.org/api_docs/python/tf/where), the last example of its page.
* Measured with TensorFlow 2.21 on a CPU at the edge, inside of a `where` that chooses the other side: the
  gradients of `log`, `log1p`, division by a tensor, `pow`, `acos`, `asin`, `acosh`, `erfinv`, `lgamma` and
  `digamma` are NaN; those of `sqrt`, `rsqrt`, `norm` and `reciprocal` are 0, and NaN when XLA compiles.
  Past the edge those of `pow`, `acos`, `asin`, `acosh` and `erfinv` are NaN as well, the others 0.
* Measured in the same way at NaN: the gradients of `square`, `abs`, `exp`, `log`, `sigmoid`, `tanh`,
  `softplus`, a product and a quotient are NaN; of a sum, `maximum`, `relu` and clips they are 0. Beside what
  is infinite those of `square`, a product and a divisor are NaN; of a sum, `abs` and a dividend they are 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from tflint_nan.domains import DOMAINS
from tflint_nan.evidence import at, number
from tflint_nan.finding import Applicability, Fix, Level
from tflint_nan.graph import DIFFERENTIATING, Graph, Report
from tflint_nan.interval import round_to
from tflint_nan.ops.functions import exp, log, power
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.stable import spelled
from tflint_nan.trace import explained
from tflint_nan.unchosen import EDGED, Unchosen, unchosen

#: Functions of which 1 is an edge as well.
_WITHOUT = frozenset({"acos", "asin", "acosh", "erfinv"})
#: What is infinite and positive of any infinite number.
_EVEN = frozenset({"square", "squared_difference"})
#: What the function is at its edge.
_POINTS = {name: domain.point for name, domain in DOMAINS.items()} | {"log": log, "exp": exp}


@rule("NAN108", "where-does-not-stop-nan", needs=[("where",), EDGED, (*DIFFERENTIATING, "prediction")])
def check(graph: Graph) -> Iterator[Report]:
    """Functions inside of a `where` that are differentiated where they are undefined."""
    for found in unchosen(graph):
        sink, result = found.trail.sink, _result(found)
        other = number(found.other)
        instead = () if other is None or not math.isfinite(result) else ((found.choice, other),)
        place = "NaN" if math.isnan(found.edge) else f"{found.edge:g}"
        past = math.isnan(result) and found.trail.witness.value != 0
        product = "0 * NaN" if past else "0 * inf"
        yield explained(
            found.trail,
            result,
            message=f"at {place}, where this {sink.name} is not chosen, its gradient is {product}, "
            "NaN: where stops the value and not the gradient",
            help="make the argument safe before the function sees it: where around it as well",
            fix=partial(_fix, found),
            beyond=instead,
            gradient=math.nan if instead else None,
            level=Level.DEFAULT if found.shown else Level.STRICT,
            known=found.known,
            asked=True,
        )


def _result(found: Unchosen) -> float:
    """What the function is at its edge, of an ordinary dividend."""
    sink, edge = found.trail.sink, found.trail.witness.value
    if not math.isfinite(edge):
        return math.inf if sink.name in _EVEN and math.isinf(edge) else edge
    if sink.name == "pow":
        exponent = sink.arg("y")
        given = number(exponent)
        if given is None and exponent.op is not None:
            given = at(exponent.op, found.trail.witness)
        return power(edge, given or 0.0)
    if sink.name == "div":
        known = at(sink, found.trail.witness)
        broken = sink.value.reaches(lambda v: not math.isfinite(v))
        return known if known is not None else broken.value if broken is not None else math.inf
    return round_to(_POINTS[sink.name](edge), sink.value.dtype)


def _fix(found: Unchosen, r: Rewriter) -> Fix | None:
    """The same `where` around the argument, with 1 where it is not chosen."""
    sink, node = found.trail.sink, found.trail.sink.nodes.get(found.name)
    where, ones = spelled(r, found.choice, "where"), spelled(r, found.choice, "ones_like")
    condition = r.spell(found.choice.arg("condition"), "chosen")
    if node is None or where is None or ones is None or condition is None or sink.name in _WITHOUT:
        return None
    template = "{f}({c}, {x}, {ones}({x}))" if found.outcome else "{f}({c}, {ones}({x}), {x})"
    r.replace(node, template, f=where, c=condition, x=node, ones=ones)
    return r.fix(Applicability.SAFE, f"Make the argument of {sink.name} safe first")
