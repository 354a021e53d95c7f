"""NAN106 infinite-gradient-at-zero: a root of a value that reaches 0, where its gradient is NaN.

## Why is this bad?
The derivative of `sqrt(v)` is `0.5 / sqrt(v)`: infinite at 0. What stands inside, a sum of squares, has
derivative 0 there, and `0 * inf` is NaN. The loss is right, the gradient is not, and after one step no weight
is. `norm`, the standard deviation and powers below 1 do the same. It happens in a loss that is the root of a
mean square error (where the fit is exact), on the diagonal of a matrix of distances (of differences or of
inner products), in a gradient penalty (where a critic is dead), in a norm of relu outputs or of a layer whose
weights start at 0, in a focal Tversky loss (the power 0.75 of one minus an index that is 1 for a right mask).
An epsilon outside of the root, `sqrt(v) + 1e-7`, mends the value and not the gradient.

It is reported by default where a gradient is shown to be taken, with `--strict` where that is not known, and
only when the code is selected for two values that nothing shows to be equal and a gradient nobody sees. A
root that a `where` or a bound follows, or that is squared again, is not: TensorFlow on a CPU gives a gradient
of 0 where exactly 0 comes back to a root (XLA does not). So where masks leave the diagonal of a matrix of
distances out, two rows that are equal are told with `--strict`.

`sqrt(exp(x))` is 0 below about -87 in float32, and its gradient NaN. So is that of `atan2(y, x)` where both
are 0 (where a mask leaves a vector out, say): `x / (x ** 2 + y ** 2)` is 0 / 0 there, and neither a mask nor
a `where` behind it makes that 0 again.

## Example
```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 4])
y = tf.placeholder(tf.float32, [None, 1])
w = tf.Variable(tf.truncated_normal([4, 1], stddev=0.1))
loss = tf.sqrt(tf.reduce_mean(tf.square(tf.matmul(x, w) - y)))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Use instead
```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 4])
y = tf.placeholder(tf.float32, [None, 1])
w = tf.Variable(tf.truncated_normal([4, 1], stddev=0.1))
loss = tf.sqrt(tf.reduce_mean(tf.square(tf.matmul(x, w) - y)) + 1e-7)
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Fix safety
`sqrt(exp(x))` becomes `exp(x / 2)`: safe, the same number to rounding. Elsewhere an epsilon is added inside
of the root: unsafe, since every value changes a little.

## References
* Measured with TensorFlow 2.21 on a CPU at 0: the gradients of `tf.sqrt(tf.reduce_sum(x ** 2))`, `tf.norm`,
  `tf.math.reduce_std`, `tf.math.reduce_euclidean_norm`, `keras.ops.norm`, `keras.ops.std` and `tf.pow(x * x,
  0.5)` are NaN, and so are both of `tf.atan2(y, x)` and `keras.ops.arctan2`; that of `tf.norm(x, ord=1)` is
  0; that of `tf.math.l2_normalize` is 1e6. Of two that are equal, `tf.maximum` gives the gradient to the
  first: that of `tf.sqrt(tf.maximum(0.0, x))` is 0.
* [tf.norm](https://www.tensorflow.org/api_docs/python/tf/norm),
  [tf.math.l2_normalize](https://www.tensorflow.org/api_docs/python/tf/math/l2_normalize)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from tflint_nan.angles import ANGLES, undefined_angles
from tflint_nan.backprop import ROOTS
from tflint_nan.evidence import Trail, library
from tflint_nan.finding import Applicability, Fix, Level
from tflint_nan.graph import Graph, Report
from tflint_nan.interval import smallest
from tflint_nan.ops.points import same
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.roots import infinite_roots
from tflint_nan.stable import bounds, spelled
from tflint_nan.trace import explained
from tflint_nan.value import Op, Witness
from tflint_nan.vectors import reduction, unit_vector

#: What stands inside of the root that an op is: the reduction, and the function of each element before it.
_INSIDE = {
    ("tf", "norm"): ("tf.reduce_sum", "tf.square"),
    ("tf", "std"): ("tf.math.reduce_variance", None),
    ("keras.ops", "norm"): ("keras.ops.sum", "keras.ops.square"),
    ("keras.ops", "std"): ("keras.ops.var", None),
    ("keras.backend", "std"): ("keras.backend.var", None),
}


@rule("NAN106", "infinite-gradient-at-zero", needs=[(*ROOTS, *ANGLES)])
def check(graph: Graph) -> Iterator[Report]:
    """Roots of what reaches 0, where a gradient is taken of them."""
    for root in infinite_roots(graph):
        sink = root.trail.sink
        yield explained(
            root.trail,
            0.0,
            message=f"the operand of this {sink.name} reaches 0 ({root.why}), where its gradient is NaN",
            help="add an epsilon inside of the root; outside of it, it does not help the gradient",
            fix=partial(_fix, graph, sink),
            gradient=math.nan,
            known=root.known,
            level=root.level,
            shown_by=root.shown_by,
        )
    yield from _roots_of_exp(graph)
    for angle in undefined_angles(graph):
        yield explained(
            angle.trail,
            0.0,
            message=f"both operands of this atan2 reach 0 together ({angle.why}), where its gradient is NaN",
            help="choose other operands there with a where before the atan2; behind it, nothing helps",
            fix=None,
            gradient=math.nan,
            known=dict.fromkeys(angle.zero, 0.0),
            level=angle.level,
            shown_by=graph.differentiating(angle.trail.sink),
        )


def _roots_of_exp(graph: Graph) -> Iterator[Report]:
    for sink in graph.ops("sqrt"):
        power, taken = sink.arg("x").made_by("exp"), graph.differentiated(sink)
        if power is None or taken is False or sink.value.interval.lo > 0:
            continue
        low = math.log(smallest(power.value.dtype))
        exponent = math.floor(low) - 2.0
        made = power.arg("x").op or power
        trail = Trail(
            sink.arg("x"), Witness(0.0, ((made, exponent),)), (made, *graph.path(power, sink)), power, ()
        )
        yield explained(
            trail,
            0.0,
            message=f"below {low:.4g} the exp is 0 and the gradient of its root NaN",
            help="use exp(x / 2), which is the same number",
            fix=partial(_half, sink, power),
            gradient=math.nan,
            level=Level.DEFAULT if taken else Level.STRICT,
        )


def _half(sink: Op, power: Op, r: Rewriter) -> Fix | None:
    f, x = spelled(r, sink, "exp"), r.spell(power.arg("x"), "exponent")
    if f is None or x is None:
        return None
    r.replace(sink.node, "{f}({x} / 2)", f=f, x=x)
    return r.fix(Applicability.SAFE, "Use exp(x / 2)")


def _fix(graph: Graph, sink: Op, r: Rewriter) -> Fix | None:
    low = bounds(sink.value)[0]
    if _normalized(graph, sink, r):
        return r.fix(Applicability.SAFE, "Use l2_normalize")
    if sink.name in ("sqrt", "pow"):
        if "x" not in sink.nodes:
            return None
        r.replace(sink.nodes["x"], "{x} + {low}", x=sink.nodes["x"], low=low)
    elif not _opened(sink, low, r):
        return None
    return r.fix(Applicability.UNSAFE, f"Add {low} inside of the root")


def _normalized(graph: Graph, sink: Op, r: Rewriter) -> bool:
    """Write the library's unit vector where that is what the root is for."""
    takers, vector, over = graph.consumers(sink), unit_vector(sink), reduction(sink)
    f = spelled(r, sink, "l2_normalize")
    if len(takers) != 1 or takers[0].name != "div" or vector is None or over is None or f is None:
        return False
    quotient, axis = takers[0], over.arg("axis")
    x = r.spell(quotient.arg("x"))
    whole = axis.literal is None or over.arg("keepdims").literal is True
    if not same(quotient.arg("x"), vector) or quotient.arg("y").op is not sink or x is None or not whole:
        return False
    words = "" if axis.literal is None else f", axis={r.spell(axis)}"
    r.replace(quotient.node, "{f}({x}{words})", f=f, x=x, words=words)
    return True


def _opened(sink: Op, low: str, r: Rewriter) -> bool:
    """Write the root of a sum of squares for a norm, and of a variance for a standard deviation."""
    reduced, function = _INSIDE.get((library(sink), sink.name), (None, None))
    root, x = spelled(r, sink, "sqrt"), sink.nodes.get("x")
    over, each = (None if name is None else r.api(name) for name in (reduced, function))
    options = [(name, r.spell(sink.arg(name))) for name in ("axis", "keepdims") if name in sink.args]
    if root is None or over is None or x is None or (function is None) is not (each is None):
        return False
    if any(text is None for _, text in options):
        return False
    words = "".join(f", {name}={text}" for name, text in options)
    template = "{root}({over}({each}({x}){words}) + {low})" if each else "{root}({over}({x}{words}) + {low})"
    r.replace(sink.node, template, root=root, over=over, each=each, x=x, words=words, low=low)
    return True
