"""NAN110 pow-domain: a power of a number that it is not defined for.

## Why is this bad?
A negative number to a fractional power is NaN: `tf.pow(x, 1/3)` is no cube root where `x` is negative. Zero
to a negative power is infinite, and its gradient as well. The raw output of a layer, a difference and a tanh
are negative for half of the inputs; a relu and a saturated sigmoid are exactly 0. An exponent that is
trained is no whole number after the first step, whatever it starts at: no negative base has a power then.

## Example
```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 4])
w = tf.Variable(tf.truncated_normal([4, 1], stddev=0.1))
root = tf.pow(tf.matmul(x, w), 1.0 / 3)
loss = tf.reduce_mean(root)
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Use instead
```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 4])
w = tf.Variable(tf.truncated_normal([4, 1], stddev=0.1))
product = tf.matmul(x, w)
root = tf.sign(product) * tf.pow(tf.abs(product) + 1e-7, 1.0 / 3)
loss = tf.reduce_mean(root)
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Fix safety
The base is kept at or above a small positive number: unsafe, since what was NaN is now a number, and a
bounded base has no gradient.

## References
* Measured with TensorFlow 2.21 on a CPU: `pow(-1., 1/3)` is NaN, `pow(0., -0.5)` infinite; `pow(-1., 3.)` is
  -1.
* IEEE 754-2008, 9.2.1: pow(x, y) is invalid for x < 0 and a finite y that is no integer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from tflint_nan.evidence import Trail, ancestors, is_counted, is_made_up, number, squasher, trails
from tflint_nan.finding import Level
from tflint_nan.graph import Graph, Report
from tflint_nan.ops.functions import power
from tflint_nan.registry import rule
from tflint_nan.shielding import monitored_only, shielded
from tflint_nan.stable import clipped
from tflint_nan.trace import explained
from tflint_nan.training import LINEAR
from tflint_nan.value import Op, Witness

#: Producers that are exactly 0 for inputs that training reaches.
_REACHES_ZERO = frozenset({"relu", "variable"})


@rule("NAN110", "pow-domain", needs=[("pow",)])
def check(graph: Graph) -> Iterator[Report]:
    """Powers outside of their domain."""
    for sink in graph.ops("pow"):
        exponent, known, found = number(sink.arg("y")), Level.DEFAULT, None
        if exponent is None:
            power_of = _trained(graph, sink)
            if power_of is None:
                continue
            exponent, found, known = power_of
        elif exponent != math.floor(exponent):
            found = next(iter(trails(graph, sink, "x", lambda v: v < 0)), None)
        if found is None and exponent < 0:
            found = next(iter(trails(graph, sink, "x", lambda v: v == 0)), None)
        if found is None or is_made_up(found.producer) or is_counted(found):
            continue
        if shielded(graph, found) or monitored_only(graph, sink):
            continue
        base = found.witness.value + 0.0
        moved = "" if number(sink.arg("y")) is not None else ", to which training takes the exponent,"
        result = power(base, exponent)
        yield explained(
            found,
            result,
            message=f"the base, made by {found.producer.name}, reaches {base:g}, "
            f"and {base:g} to the power of {exponent:.4g}{moved} is "
            f"{'nan' if math.isnan(result) else 'infinite'}",
            help="keep the base above 0",
            fix=partial(clipped, sink=sink, name="x"),
            level=known if base < 0 or _is_strong(found) else Level.STRICT,
        )


def _trained(graph: Graph, sink: Op) -> tuple[float, Trail, Level] | None:
    """A number between two whole ones that a trained exponent takes, with how the base is negative then."""
    made = sink.arg("y").op
    taken = None if made is None else graph.differentiated(made)
    if made is None or taken is False or not any(_is_moved(graph, op) for op, _ in ancestors(made)):
        return None
    moving = {op for op, _ in ancestors(made)}
    for trail in trails(graph, sink, "x", lambda v: v < 0):
        # Who is computed from the other is not free to be any number beside it.
        if any(op is made for op, _ in ancestors(trail.producer)):
            continue
        if any(op in moving for op, _ in trail.witness.inputs):
            continue
        for reached in _between(made):
            inputs = trail.witness.joined(reached)
            if inputs is not None:
                both = replace(trail, witness=replace(trail.witness, inputs=inputs))
                # An activation goes wherever some input takes it, a weight where training leaves it.
                weight = any(op.name == "variable" for op, _ in trail.witness.inputs)
                return reached.value, both, Level.DEFAULT if taken and not weight else Level.STRICT
    return None


def _between(made: Op) -> Iterator[Witness]:
    """Numbers that are not whole and that an exponent takes: known ones, else such in its range."""
    for witness in made.value.witnesses:
        if witness.inputs and math.isfinite(witness.value) and witness.value != math.floor(witness.value):
            yield witness
    low = made.value.interval.lo
    below = math.floor(low) if math.isfinite(low) else 0
    for between in (below + 0.5, below + 1.5):
        if between in made.value.interval:
            yield Witness(between, ((made, between),))


def _is_moved(graph: Graph, op: Op) -> bool:
    """Whether `op` has weights that training moves."""
    if op.name == "variable":
        return op.arg("trainable").literal is not False and not graph.is_assigned(op)
    return op.name in LINEAR


def _is_strong(trail: Trail) -> bool:
    """Whether the 0 is one that an author has to expect: of one element, not of a row that sums to 0."""
    alone = not any(step.name in ("sum", "mean", "add", "mul") for step in trail.steps)
    return alone and (trail.producer.name in _REACHES_ZERO or squasher(trail.producer) is not None)
