"""NAN403 gradient-ascent: training goes up the gradient of an error, which grows without bound.

## Why is this bad?

The gradient points to where the loss grows. Weights that move along it, and not against it, make the error
larger at every step, the larger error makes a larger gradient, and after a few hundred steps the loss is inf
and then NaN. The sign is lost in three ways: the update adds (`w.assign_add(rate * g)`, `w = w + rate * g`,
right only where the rate is negative), the loss has a minus that belongs to a likelihood, or the rate is
negative.

Only what is known to be an error (a squared error or a cross entropy between labels and a prediction) is
judged, and only where all the weights that it is computed from are moved. Rewards, likelihoods and evidence
bounds are maximised on purpose; so are errors by a picture that a trained network is shown, and by one of
two networks that play against each other.

## Example

```python
import tensorflow as tf

x = tf.constant([0.0, 1.0, 2.0, 3.0])
y = tf.constant([1.0, 3.0, 5.0, 7.0])
w, b = tf.Variable(0.0), tf.Variable(0.0)

for step in range(1000):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(w * x + b - y))
    dw, db = tape.gradient(loss, [w, b])
    w.assign_add(0.01 * dw)
    b.assign_add(0.01 * db)
```

## Use instead

```python
import tensorflow as tf

x = tf.constant([0.0, 1.0, 2.0, 3.0])
y = tf.constant([1.0, 3.0, 5.0, 7.0])
w, b = tf.Variable(0.0), tf.Variable(0.0)

for step in range(1000):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(w * x + b - y))
    dw, db = tape.gradient(loss, [w, b])
    w.assign_sub(0.01 * dw)
    b.assign_sub(0.01 * db)
```

Measured on the data of the example: the loss after 1000 steps is inf for the example and 0.00 with the fix
(`pytest tests/test_training_proof.py -k NAN403`).

## Fix safety

Unsafe: training goes the other way. `assign_add` becomes `assign_sub` and `+` becomes `-`, the minus of the
loss is taken away, a negative rate gets its absolute value.

## References

* D. E. Rumelhart, G. E. Hinton, R. J. Williams: Learning representations by back-propagating errors. Nature
  323, 1986: the change of a weight is minus the rate times the gradient.
* I. Goodfellow, J. Shlens, C. Szegedy: Explaining and harnessing adversarial examples. ICLR 2015; Y. Ganin,
  V. Lempitsky: Unsupervised domain adaptation by backpropagation. ICML 2015: where an error is maximised on
  purpose.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import libcst as cst

from tflint_nan.descent import ERRORS, WEIGHTS, Error, Step, error_of, steps, trains_all
from tflint_nan.finding import Applicability, Fix, Level
from tflint_nan.graph import Graph, Report
from tflint_nan.registry import rule
from tflint_nan.remedies import replace_number
from tflint_nan.rewrite import Rewriter
from tflint_nan.steps import STEPS
from tflint_nan.value import Op

_MESSAGES = {
    "update": "this update adds the gradient of an error, so that every step makes it larger",
    "rate": "a negative learning rate goes up the gradient of an error, so that every step makes it larger",
    "": "the error has a minus here, and what is minimised grows without bound below 0",
}


@rule("NAN403", "gradient-ascent", needs=[(*STEPS, "gradients"), ERRORS, WEIGHTS])
def check(graph: Graph) -> Iterator[Report]:
    """Steps that make an error larger."""
    judged = [(step, errors) for step in steps(graph) if (errors := error_of(step.loss)) is not None]
    lowered = {_key(error) for step, errors in judged for error in errors if step.sign * error.sign > 0}
    seen: set[int] = set()
    for step, errors in judged:
        if any(_key(error) in lowered for error in errors) or not trains_all(step.loss, step.variables):
            continue
        place = _place(step, errors[0])
        if id(place.node) in seen:
            continue
        seen.add(id(place.node))
        yield Report(
            op=place,
            message=_MESSAGES[step.cause],
            help="subtract the rate times the gradient" if step.cause == "update" else "change the sign",
            because=((errors[0].op, f"{errors[0].op.name}: the error"),),
            fix=partial(_fix, graph, step, errors[0]),
            level=Level.DEFAULT,
        )


def _key(error: Error) -> tuple[int, ...]:
    """What tells two errors apart: the prediction that they judge."""
    made = error.prediction.op
    return (made.serial,) if made is not None else ()


def _place(step: Step, error: Error) -> Op:
    """Where the sign is wrong."""
    if step.cause == "rate" and step.place is not None:
        return step.place[0]
    return error.negations[0] if step.cause == "" and error.negations else step.op


def _fix(graph: Graph, step: Step, error: Error, r: Rewriter) -> Fix | None:
    """The other sign, where it is written."""
    if step.cause == "rate" and step.place is not None:
        op, argument = step.place
        number = -op.arg(argument).interval.lo
        done = replace_number(graph, r, op, argument, f"{number:g}")
    elif step.cause == "update":
        done = _subtract(step.op, r)
    else:
        done = len(error.negations) == 1 and _without_minus(error.negations[0], r)
    return r.fix(Applicability.UNSAFE, "Go down the gradient") if done else None


def _subtract(op: Op, r: Rewriter) -> bool:
    node = op.node
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
        if node.func.attr.value == "assign_add":
            r.replace(node.func, "{variable}.assign_sub", variable=node.func.value)
            return True
        return False
    if op.name != "add" or not {"x", "y"} <= op.nodes.keys():
        return False
    operator = "-=" if isinstance(node, cst.AugAssign) else "-"
    r.replace(node, f"{{x}} {operator} {{y}}", x=op.nodes["x"], y=op.nodes["y"])
    return True


def _without_minus(op: Op, r: Rewriter) -> bool:
    node = op.node
    if not isinstance(node, cst.UnaryOperation):
        return False
    r.replace(node, "{x}", x=node.expression)
    return True
