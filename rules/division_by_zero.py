"""NAN105 division-by-zero: a divisor that is known to reach 0, and nothing keeps it off.

## Why is this bad?
`0 / 0` is NaN and everything else over 0 is infinite; the gradient is worse. A feature that is constant has
standard deviation 0, a sigmoid, softmax or relu output is exactly 0 for inputs that training reaches, and a
trained variable that may have either sign passes through 0: adding an epsilon only moves that place.

With `--strict`, sums, counts, norms, differences and outputs of linear layers are reported too, variables
whose training is not seen, one statistic over another, and what a test around the division asks about.

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

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import libcst as cst

from tflint_nan.evidence import (
    BINARY,
    Trail,
    ancestors,
    at,
    guard,
    is_asked_about,
    is_counted,
    is_epsilon,
    is_made_up,
    is_trained,
    library,
    monitored_only,
    number,
    same,
    shielded,
    squasher,
    trails,
)
from tflint_nan.finding import Applicability, Fix, Level
from tflint_nan.graph import Graph, Report
from tflint_nan.interval import FORMATS, INTEGERS
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.roots import infinite_roots
from tflint_nan.stable import bounds, spelled
from tflint_nan.trace import explained
from tflint_nan.value import Const, Op, Witness

#: 0 where a feature is constant.
_SPREADS = frozenset({"std", "variance"})
#: What is 0 or 1.
_TESTS = frozenset(
    {
        "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
        "logical_and", "logical_or", "logical_not",
    }
)  # fmt: skip
_COUNTS = frozenset({"count", "count_nonzero"})
#: What hands on every number, and adds none.
_KEEPING = frozenset({"cast", "identity", "stop_gradient", "reshape", "squeeze", "expand_dims", "transpose"})
#: One number of many.
_STATISTICS = _SPREADS | {"sum", "mean", "max", "min"}
#: Producers whose 0 is certain to come: a constant feature, a saturated output, a weight that changes sign.
_STRONG = _SPREADS | {"relu", "variable"}
#: Steps after which the 0 needs several elements to agree.
_WEAKENING = frozenset({"sum", "mean", "max", "prod", "mul", "add"})

#: dtype -> what is added to a divisor where `bounds` is too little: the gradient, 1 / low ** 2, has to fit.
_ADDENDS = {"float16": "1e-2"}


@rule("NAN105", "division-by-zero")
def check(graph: Graph) -> Iterator[Report]:
    """Divisors that reach 0."""
    # What is wrong with a root that is differentiated at 0 is NAN106's.
    roots = {root.trail.sink.serial for root in infinite_roots(graph) if root.shown}
    for sink in graph.ops("div", "reciprocal", "rsqrt"):
        name = "y" if sink.name == "div" else "x"
        found = trails(graph, sink, name, lambda v: v == 0) or _sign_changes(graph, sink, name)
        # The root of a negative number is NaN: NAN109's.
        if not found or (sink.name == "rsqrt" and sink.arg(name).reaches(lambda v: v < 0)):
            continue
        trail = next((t for t in found if _is_strong(graph, t)), found[0])
        # A counter starts at 0 and has been counted up; the spread of a random sample is not 0.
        spread = trail.producer.name in _SPREADS
        if is_made_up(trail.producer) or (is_counted(trail) and not spread):
            continue
        strong = _is_strong(graph, trail)
        if not strong and any(step.serial in roots for step in (trail.producer, *trail.steps)):
            continue
        # x / sum(exp(x)) is a softmax; what is wrong with it is NAN107's.
        if trail.producer.name == "exp" or shielded(graph, trail) or monitored_only(graph, sink):
            continue
        what = "reaches 0, so this division is infinite or NaN"
        if trail.witness.value != 0:
            what = "has either sign and passes 0 despite the added epsilon"
            trail = _crossing(trail)
        yield explained(
            trail,
            _quotient(trail),
            message=f"the divisor, made by {trail.producer.name}, {what}",
            help="use divide_no_nan where 0 / 0 should be 0, or keep the divisor above 0",
            fix=partial(_fix, trail, name),
            level=Level.DEFAULT if strong and not is_asked_about(graph, trail) else Level.STRICT,
        )


def _sign_changes(graph: Graph, sink: Op, name: str) -> list[Trail]:
    """Trained variables with an epsilon added: they pass 0 on the way from one sign to the other."""
    if sink.name == "rsqrt" or sink.arg(name).reaches(lambda v: v > 0) is None:
        return []
    found = trails(graph, sink, name, lambda v: v < 0)
    return [t for t in found if t.producer.name == "variable" and (g := guard(t)) and g.kind == "added"]


def _crossing(trail: Trail) -> Trail:
    """The trail where the epsilon is cancelled, if the variable itself is what it is added to."""
    tried = guard(trail)
    if tried is None or not all(step is tried.op or step.flow for step in trail.steps):
        return trail
    assumed = -tried.stored if tried.op.name == "add" else tried.stored
    return replace(trail, witness=Witness(0.0, ((trail.producer, assumed),)))


def _quotient(trail: Trail) -> float | None:
    """What the division gives, of an ordinary number where nothing is known of the dividend; None: either."""
    if trail.witness.value != 0:
        return None
    known = at(trail.sink, trail.witness)
    if known is not None:
        return known
    dividend = trail.sink.arg("x") if trail.sink.name == "div" else Const(1)
    if number(dividend) == 0 or _is_spread(trail):
        return math.nan
    assumed = [op for op, _ in trail.witness.inputs]
    made = dividend.op
    # Of the same source: it may be 0 as well.
    return None if made is not None and any(op in assumed for op, _ in ancestors(made)) else math.inf


def _is_strong(graph: Graph, trail: Trail) -> bool:
    """Whether one element alone brings the 0 about, and its producer is sure to have one."""
    weight = trail.producer.name == "variable"
    # A weight gets to 0 by training, which has to be seen, or expected, as by who adds an epsilon.
    if weight and trail.witness.value == 0 and not graph.differentiated(trail.sink):
        return False
    for step in trail.steps:
        given = [n for value in step.args.values() if (n := number(value)) is not None]
        constant = bool(given) and (step.name != "add" or not weight or all(map(is_epsilon, given)))
        # A unit that is off is off for all examples.
        unit = step.name == "mean" and squasher(trail.producer) == "sigmoid"
        if step.name in _WEAKENING and not unit and not (constant and step.name in ("add", "mul")):
            return False
        if step.name == "sub" and number(step.arg("x")) != 1:
            return False
    if trail.producer.name in _SPREADS and _measures(trail):
        return False
    # What is computed from predictions in NumPy is looked at only.
    if library(trail.producer) == "np" and any(op.name == "predict" for op, _ in ancestors(trail.producer)):
        return False
    return trail.producer.name in _STRONG or squasher(trail.producer) is not None


def _measures(trail: Trail) -> bool:
    """Whether the dividend is a statistic itself, not what the spread is of: the quotient scales no data."""
    made = trail.sink.arg("x").op if trail.sink.name == "div" else None
    while made is not None and (made.name in ("mul", "div", "neg") or made.flow == ("x",)):
        scaled = made.name == "mul" and number(made.arg("x")) is not None
        made = made.arg("y" if scaled else "x").op
    if made is None or made.name not in _STATISTICS:
        return False
    return all(op is not made for op, _ in ancestors(trail.producer))


def _is_spread(trail: Trail) -> bool:
    """Whether the dividend is the deviation of the very data whose spread is the divisor."""
    deviation = trail.sink.arg("x").op if trail.sink.name == "div" else None
    if trail.producer.name not in _SPREADS or deviation is None or deviation.name != "sub":
        return False
    return same(deviation.arg("x"), trail.producer.arg("x"))


def _fix(trail: Trail, name: str, r: Rewriter) -> Fix | None:
    sink, producer, node = trail.sink, trail.producer, trail.sink.nodes.get(name)
    if node is None:
        return None
    low = bounds(trail.value)[0]
    # The root of a variance has no gradient at 0, whatever is done afterwards.
    trained = producer.name in _SPREADS and is_trained(producer)
    divisor = sink.arg(name)
    whole = divisor.dtype in INTEGERS
    counted = _is_count(trail) or (whole and divisor.interval.lo >= 0)
    safe = spelled(r, sink, "divide_no_nan") if sink.name == "div" and not whole else None
    if "x" not in sink.nodes:
        safe = None
    if _is_spread(trail) and not trained and safe is not None:
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
        r.replace(node, "{x} + {low}", x=node, low=_ADDENDS.get(trail.value.dtype or "", low))
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


def _is_count(trail: Trail) -> bool:
    """Whether the divisor says how many elements pass a test: what is not 0 is 1 or more."""
    names = [step.name for step in trail.steps if step.name not in _KEEPING]
    if trail.producer.name in _COUNTS:
        return not set(names) - {"sum", "max"}
    return trail.producer.name in BINARY and names == ["sum"]
