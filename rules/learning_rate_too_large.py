"""NAN401 learning-rate-too-large: a learning rate far above what the optimizer is known to bear.

## Why is this bad?

Gradient descent diverges once the rate passes 2 / λmax, λmax being the largest curvature of the loss:
each step then lands further from the minimum than it started, weights grow geometrically and the loss is
NaN after a few hundred steps ("Nan in summary histogram"). Optimizers that divide by a running norm of
the gradient (Adam, RMSprop) move every weight by about the rate at each step, whatever the gradient: at
1.0 the weights leave the range in which activations work on the first step.

The rate that counts is the one that *reaches* the optimizer: a literal, a constant, the default of a flag
or of a parameter, or the peak of a schedule. A rate that is not known is never reported.

## Example

```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 784])
labels = tf.placeholder(tf.float32, [None, 10])
hidden = tf.layers.dense(x, 100, activation=tf.nn.relu)
logits = tf.layers.dense(hidden, 10)
loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits))

learning_rate = 1.0
train_step = tf.train.AdamOptimizer(learning_rate).minimize(loss)
```

## Use instead

```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 784])
labels = tf.placeholder(tf.float32, [None, 10])
hidden = tf.layers.dense(x, 100, activation=tf.nn.relu)
logits = tf.layers.dense(hidden, 10)
loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits))

learning_rate = 0.001
train_step = tf.train.AdamOptimizer(learning_rate).minimize(loss)
```

Measured on 2048 generated digits: the accuracy after 300 steps is 0.15 for the example and 0.94 with the fix
(`pytest tests/test_training_proof.py -k NAN401`).

## Thresholds

Reported strictly above the bound; `strict` is the bound of `--strict`.

| threshold | optimizers | default | strict |
|---|---|---|---|
| `learning-rate-adam` | Adam, AdamW, Nadam, Adamax, Lamb | 0.1 | 0.01 (`learning-rate-adam-strict`) |
| `learning-rate-sgd` | SGD, Momentum, GradientDescent | 0.5 | 0.1 (`learning-rate-sgd-strict`) |
| `learning-rate-rmsprop` | RMSprop | 0.1 | 0.01 (`learning-rate-rmsprop-strict`) |
| `learning-rate-adagrad` | Adagrad, Ftrl | 0.5 | 0.1 (`learning-rate-adagrad-strict`) |
| `learning-rate-adadelta` | Adadelta | 1.0 | 1.0 (`learning-rate-adadelta-strict`) |

The bounds are for models of several layers, and `--strict` goes by its own where the loss is seen to go
through several. Where it goes through one layer of weights only (a linear or logistic regression, word
vectors), the bound is ten times the default one. Where it goes through none (the pixels of a picture, the
coordinates of a test function), how large a step may be depends on what is moved, and the steps of plain
gradient descent whose gradients are clipped by norm have a bounded length. What is above the bounds of
`--strict` in these cases, or where the loss is not seen, is reported when the code is selected; what is above
the default bounds, by `--strict` where the optimizer is made and not seen to be used, or applies the steps of
a Newton or Gauss-Newton method, whose whole length is 1.

RMSprop divides gradients by their size, so its rate is the length of a step, and a momentum m makes steps in
one direction 1 / (1 - m) times as long: that is compared with the default bound, for several layers without
normalisation, where no large epsilon keeps steps short. Measured on 2048 noisy pictures of 10 kinds, with two
hidden layers: from a rate of 0.01 on with a momentum of 0.9, and from 0.1 on without, the accuracy stays at
0.1 (Keras 3, 256 steps); behind batch normalisation 0.045 and 0.9 learn.

Nothing is reported where gradients are written by hand: an optimizer is tried out.

## Fix safety

Unsafe: training takes another course. The rate becomes the one that the optimizer's own Keras class has
as its default (0.001 for Adam and its relatives, RMSprop, Adagrad and Adadelta; 0.01 for gradient
descent), where the number is written: in the call, in a constant, as the default of an option, as the
start of a schedule. A rate that is computed or passed in is left to you.

## References

* Default bounds: 400 literal rates in healthy TensorFlow programs (tests left out) were counted; 99 %
  stay at or under 0.1 for Adam and its relatives (n = 201), 0.2 for SGD (n = 113), 0.1 for RMSprop (n =
  37); all 20 for Adagrad and Ftrl stay under 0.05. The defaults leave room above that.
* Strict bounds: E. Schoop, F. Huang, B. Hartmann, "UMLAUT: Debugging Deep Learning Programs using Program
  Structure and Model Behavior", CHI 2021, warns above 0.01.
* The limit 2 / λmax: Y. LeCun, L. Bottou, G. Orr, K.-R. Müller, "Efficient BackProp", 1998.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from tflint_nan.evidence import number
from tflint_nan.finding import Applicability, Fix, Level, Severity
from tflint_nan.graph import Graph, Report
from tflint_nan.rates import SINGLE_LAYER, clipped_by_norm, depth, descends, is_used, places, rate
from tflint_nan.registry import rule
from tflint_nan.remedies import replace_number
from tflint_nan.rewrite import Rewriter
from tflint_nan.value import NONE, Op

#: algorithm -> (family of thresholds, the rate that its Keras class has as its default).
FAMILIES = {
    **dict.fromkeys(("adam", "adamw", "nadam", "adamax", "lamb"), ("adam", 0.001)),
    **dict.fromkeys(("sgd", "momentum"), ("sgd", 0.01)),
    "rmsprop": ("rmsprop", 0.001),
    **dict.fromkeys(("adagrad", "ftrl"), ("adagrad", 0.001)),
    "adadelta": ("adadelta", 0.001),
}
#: A rate within float32's rounding of its bound is at the bound.
TOLERANCE = 1 + 2.0**-23
#: What makes the length of weights, and so that of a step, matter less.
NORMALISING = ("batch_norm", "layer_norm")
#: RMSprop's epsilon up to which it divides gradients of 1e-3 by about their own size (it is under a root).
SMALL = 1e-6


@rule(
    "NAN401",
    "learning-rate-too-large",
    thresholds={
        "learning-rate-adam": 0.1,
        "learning-rate-adam-strict": 0.01,
        "learning-rate-sgd": 0.5,
        "learning-rate-sgd-strict": 0.1,
        "learning-rate-rmsprop": 0.1,
        "learning-rate-rmsprop-strict": 0.01,
        "learning-rate-adagrad": 0.5,
        "learning-rate-adagrad-strict": 0.1,
        "learning-rate-adadelta": 1.0,
        "learning-rate-adadelta-strict": 1.0,
    },
    needs=[("optimizer",)],
)
def check(graph: Graph) -> Iterator[Report]:
    """Rates that reach an optimizer above its bound."""
    for optimizer in graph.ops("optimizer"):
        family, usual = FAMILIES.get(str(optimizer.arg("algorithm").literal), (None, 0.0))
        for op, argument in places(graph, optimizer) if family is not None else ():
            known = rate(op.arg(argument))
            bound, strict = (graph.threshold(f"learning-rate-{family}{suffix}") for suffix in ("", "-strict"))
            if known is None or known <= min(bound, strict) * TOLERANCE or not descends(graph, optimizer):
                continue
            layers = depth(graph, optimizer)
            limit = {0: math.inf, 1: SINGLE_LAYER * bound}.get(2 if layers is None else layers, bound)
            if family == "sgd" and clipped_by_norm(graph, optimizer):
                limit = math.inf
            # The strict bounds are for what is seen to be deep, in steps whose length nothing else bounds.
            weaker = Level.STRICT if layers is not None and limit == bound else Level.OPTIONAL
            # An optimizer that is handed on may average what others have learned; one may apply whole steps.
            strongest = Level.DEFAULT if is_used(graph, optimizer) else Level.STRICT
            counts = family == "rmsprop" and (layers or 0) > 1 and not any(graph.ops(*NORMALISING))
            added = _added_up(optimizer) if counts else 1.0
            schedule = op.arg(argument).made_by("schedule")
            name = optimizer.api.rpartition(".")[2]
            yield Report(
                op=op,
                message=f"learning rate {'that peaks at ' if schedule else ''}{known:.6g} of {name}"
                f"{f', which momentum makes {known * added:.3g},' if added > 1 else ''} is above "
                f"{bound if known * added > bound * TOLERANCE else strict:g}: steps this long leave the "
                "minimum behind, and the loss becomes NaN",
                help=f"start with {usual:g}",
                because=((schedule, f"schedule: reaches {known:.6g}"),) if schedule else (),
                fix=partial(_fix, graph, schedule or op, "learning_rate" if schedule else argument, usual),
                level=strongest if known * added > limit * TOLERANCE else weaker,
                severity=Severity.WARNING,
            )


def _added_up(optimizer: Op) -> float:
    """How many steps in one direction momentum adds up, where the length of each is the rate.

    It is where epsilon is too small to shorten them.
    """
    momentum, given = number(optimizer.arg("momentum")) or 0.0, optimizer.arg("epsilon")
    epsilon = 0.0 if given is NONE else number(given)
    counts = 0 < momentum < 1 and epsilon is not None and epsilon <= SMALL
    return 1 / (1 - momentum) if counts else 1.0


def _fix(graph: Graph, op: Op, argument: str, usual: float, r: Rewriter) -> Fix | None:
    if not replace_number(graph, r, op, argument, f"{usual:g}"):
        return None
    return r.fix(Applicability.UNSAFE, f"Use a learning rate of {usual:g}")
