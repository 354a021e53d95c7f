"""NAN109 outside-domain: a function gets numbers at or past the edge of where it is defined.

## Why is this bad?
`acos`, `asin` and `sqrt` are NaN outside of their domain, and their gradients are infinite at its edge;
`atanh`, `erfinv`, `ndtri`, `lgamma` and `digamma` are infinite at the edge itself. Two ways lead there: the
raw output of a layer, which nothing bounds, and rounding. The cosine of two vectors that are the same is 1 on
paper and 1.0000001 in float32, as is `(trace(R.T @ S) - 1) / 2` of two rotations; `1 - cos ** 2`,
`mean(x ** 2) - mean(x) ** 2` and squared distances by inner products, as `sum(a ** 2) - 2 * a @ b +
sum(b ** 2)`, are 0 on paper and `-6e-8` in float32. To clip a cosine to 1 itself keeps the value, and leaves
the infinite slope. So it is with the distance in hyperbolic space, `acosh(1 + 2 * sum((u - v) ** 2) / ...)`,
of two points that are the same, bounded by 1 from below or not.

## Example
```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 8])
w = tf.Variable(tf.truncated_normal([8, 3], stddev=0.1))
cosine = tf.matmul(tf.nn.l2_normalize(x, 1), tf.nn.l2_normalize(w, 0))
loss = tf.reduce_mean(tf.acos(cosine))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Use instead
```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 8])
w = tf.Variable(tf.truncated_normal([8, 3], stddev=0.1))
cosine = tf.matmul(tf.nn.l2_normalize(x, 1), tf.nn.l2_normalize(w, 0))
loss = tf.reduce_mean(tf.acos(tf.clip_by_value(cosine, -1 + 1e-7, 1 - 1e-7)))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Fix safety
The operand is kept inside of the open interval, by a distance that its dtype holds (1e-7 in float32, where
the next number under 1 is 6e-8 away): unsafe, since what was NaN is now a number, and a clipped operand has
no gradient.

## References
* Measured with TensorFlow 2.21 on a CPU: `acos(1.0000001)` is NaN, the gradient of `acos` at 1 is `-inf`, of
  `asin` and `acosh` at 1 `inf`; `atanh(1)`, `erfinv(1)`, `lgamma(0)` are infinite, `digamma(0)` is NaN.
* IEEE 754-2008, table 9.1: the domains of the elementary functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from tflint_nan.backprop import passes
from tflint_nan.domains import DOMAINS, Domain, by_rounding, unbounded
from tflint_nan.evidence import Trail, ancestors, as_written, is_counted, is_made_up, number, trails
from tflint_nan.finding import Applicability, Fix, Level
from tflint_nan.graph import Graph, Report
from tflint_nan.logs import bad_logs
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.shielding import monitored_only, shielded
from tflint_nan.stable import bounds, spelled
from tflint_nan.trace import explained
from tflint_nan.value import Op, Witness
from tflint_nan.zeros import DIAGONAL, PARTS, Zeros

#: Positive, and 0 only by underflow.
_POSITIVE = frozenset({"exp", "softplus", "square"})
#: 0 or less only where the data is so: no output of training.
_COUNTED = frozenset({"sum", "mean", "count_nonzero", "std", "variance", "norm", "max", "min"})


#: Gradients at 1, the edge that a cosine is clipped to.
_SLOPES = {"acos": -math.inf, "asin": math.inf}


@rule("NAN109", "outside-domain", needs=[DOMAINS])
def check(graph: Graph) -> Iterator[Report]:
    """Functions whose operand leaves their domain."""
    zeros = Zeros(graph)
    logs = {bad.trail.sink.serial for bad in bad_logs(graph) if bad.cause == "other"}
    for sink in graph.ops(*DOMAINS):
        if sink.name == "log1p" and sink.serial not in logs:
            continue
        domain = DOMAINS[sink.name]
        rounded = by_rounding(sink, domain)
        trained = graph.differentiated(sink)
        if rounded is not None and (trained is False or not (trained or rounded.bounded)):
            continue
        if rounded is not None:
            trail, why = rounded.trail, rounded.what
            strong = rounded.bounded and (bool(trained) or _has_weights(sink))
        else:
            found, why = next(iter(trails(graph, sink, "x", domain.leaves)), None), ""
            if found is None:
                if sink.name == "acosh" and trained:
                    yield from _of_equals(graph, zeros, sink)
                continue
            trail, strong = found, found.producer.name not in _POSITIVE | _COUNTED
        if is_made_up(trail.producer) or is_counted(trail):
            continue
        # A where afterwards keeps out what it asks about, which is not what rounding does.
        if (not why and shielded(graph, trail)) or monitored_only(graph, sink):
            continue
        reached = trail.witness.value + 0.0
        result = domain.point(reached)
        clip = None if rounded is None else rounded.clip
        slope = _SLOPES[sink.name] if clip is not None else None
        broken = f"{sink.name} is {'nan' if math.isnan(result) else 'infinite'}"
        yield explained(
            trail,
            result,
            message=f"the operand, {why or f'made by {trail.producer.name},'} reaches {reached:.8g}, "
            f"so {f'the gradient of this {sink.name} is infinite' if slope else f'this {broken}'}",
            help="keep the operand inside of the open interval in which the function is defined",
            fix=partial(_fix, sink, domain, clip),
            level=Level.DEFAULT if strong else Level.STRICT,
            gradient=slope,
            known=dict.fromkeys(trail.steps, trail.witness.value) if clip is not None else None,
        )


def _of_equals(graph: Graph, zeros: Zeros, sink: Op) -> Iterator[Report]:
    """An acosh of 1 and what is 0 for points that are equal, as distances in hyperbolic space are."""
    inside, bounds = unbounded(sink.arg("x"))
    total = inside.op if 1.0 in sink.arg("x").interval else None
    sides = (total.arg("x"), total.arg("y")) if total is not None and total.name == "add" else ()
    rest = [side for side in sides if number(side) != 1]
    zero = zeros.of(rest[0]) if len(rest) == 1 else None
    if total is None or zero is None or zero.why not in (DIAGONAL, PARTS):
        return
    if not passes(graph, sink, zero.chain, paired=zero.why == DIAGONAL):
        return
    chain, first = (*zero.chain, total, *bounds), zero.chain[0]
    witness = Witness(1.0, zero.inputs or ((first, 0.0),))
    yield explained(
        Trail(sink.arg("x"), witness, (*chain, sink), first, chain[1:]),
        0.0,
        message=f"the operand reaches 1 ({zero.why}), where the gradient of this acosh is NaN",
        help="keep the operand inside of the open interval in which the function is defined",
        fix=partial(_fix, sink, DOMAINS["acosh"], None),
        gradient=math.nan,
        known={**zero.known, **dict.fromkeys((total, *bounds), 1.0)},
    )


def _has_weights(sink: Op) -> bool:
    """Whether this is computed from weights of the layer that it stands in: who makes a layer trains it."""
    made = (
        op for op, _ in ancestors(sink) if op.name == "variable" and op.arg("trainable").literal is not False
    )
    return any("self" in op.args for op in made)


def _fix(sink: Op, domain: Domain, clip: Op | None, r: Rewriter) -> Fix | None:
    node, (small, apart) = sink.nodes.get("x"), bounds(sink.arg("x"))
    if node is None:
        return None
    low = small if domain.lo == 0 else f"{domain.lo:g} + {apart}"
    high = f"{domain.hi:g} - {apart}" if math.isfinite(domain.hi) else None
    if clip is not None and high is not None and {"min", "max"} <= clip.nodes.keys():
        if as_written(clip.arg("min")) == domain.lo:
            r.replace(clip.nodes["min"], low)
        r.replace(clip.nodes["max"], high)
        return r.fix(Applicability.UNSAFE, f"Keep the operand of {sink.name} off its edges")
    f = spelled(r, sink, "clip" if high else "maximum")
    if f is None:
        return None
    r.replace(node, "{f}({x}, {low}, {high})" if high else "{f}({x}, {low})", f=f, x=node, low=low, high=high)
    return r.fix(Applicability.UNSAFE, f"Keep the operand of {sink.name} inside of its domain")
