"""NAN406 optimizer-constants: a constant of an optimizer or normalisation lies where its formula breaks.

## Why is this bad?

Each constant has a range in which the formula works:

* *Momentum, beta and rho* weigh the past against the new gradient and lie in [0, 1). At 1 the past never
  fades: Adam divides by `1 - beta_1 ** t`, which is 0, and gives NaN on the first step; momentum adds up
  every gradient there ever was. Above 1 it grows geometrically until it is inf. A number is 1 as well where
  the format of the weights rounds it: Adam's usual beta_2 of 0.999 in bfloat16, which has 8 digits. Keras's
  Adam then multiplies by `sqrt(1 - beta_2 ** t)`, which is 0, and does not learn; Nadam divides by it.
* *Epsilon* keeps the divisor off zero. Adam, RMSprop and their relatives divide by the root of a running
  mean of squared gradients, which is 0 for every weight that has had no gradient yet (a dead unit, a row
  of an embedding): `0 / 0` without an epsilon. A normalisation divides by the standard deviation, 0 for a
  constant feature, and a negative epsilon makes the root NaN.
* *Decay steps* of a schedule are a divisor.

## Example

```python
import tensorflow as tf

model = tf.keras.Sequential([tf.keras.layers.Dense(16, activation="relu"), tf.keras.layers.Dense(1)])
model.compile(optimizer=tf.keras.optimizers.Adam(learning_rate=0.001, beta_1=1.0), loss="mse")
```

## Use instead

```python
import tensorflow as tf

model = tf.keras.Sequential([tf.keras.layers.Dense(16, activation="relu"), tf.keras.layers.Dense(1)])
model.compile(optimizer=tf.keras.optimizers.Adam(learning_rate=0.001, beta_1=0.9), loss="mse")
```

Measured on 2048 generated rows of 20 features: the squared error after 640 steps is NaN for the example and
0.04 with the fix (`pytest tests/test_training_proof.py -k NAN406`).

## Fix safety

Shown only, never applied: it writes the default of Keras (0.9 for momentum, beta_1 and rho, 0.999 for
beta_2, 0.99 in bfloat16, 1e-7 for an optimizer's epsilon, 1e-3 for a normalisation's), which need not be
what was meant.

## References

* D. P. Kingma, J. Ba: Adam: A method for stochastic optimization. ICLR 2015: beta_1, beta_2 in [0, 1).
* I. Sutskever, J. Martens, G. Dahl, G. Hinton: On the importance of initialization and momentum in deep
  learning. ICML 2013.
* S. Ioffe, C. Szegedy: Batch normalization. ICML 2015: epsilon for numerical stability.
* The defaults: [keras.optimizers](https://keras.io/api/optimizers/),
  [BatchNormalization](https://keras.io/api/layers/normalization_layers/batch_normalization/).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tflint_nan.evidence import number
from tflint_nan.finding import Applicability, Fix, Severity
from tflint_nan.graph import Graph, Report
from tflint_nan.interval import round_to
from tflint_nan.ops.layers import DIVIDING as NORMALISING
from tflint_nan.ops.optimizers import DIVIDING, is_of_keras
from tflint_nan.precision import HALF, beta, weights_in
from tflint_nan.registry import rule
from tflint_nan.remedies import give_number
from tflint_nan.rewrite import Rewriter
from tflint_nan.value import Op

#: Ops that take such a constant.
_HOLDERS = ("optimizer", "layer", "batch_norm", "schedule")
#: Weights of the past, each with Keras's default.
_MEMORIES = {"momentum": 0.9, "beta_1": 0.9, "beta_2": 0.999, "rho": 0.9}
_STEPS = ("decay_steps", "first_decay_steps")
#: What becomes of a step of Keras where beta_2 is 1 in the format of the weights.
_STUCK = "the correction of its step, sqrt(1 - beta_2 ** t), is 0 and no gradient moves a weight"
_UNCORRECTED = {
    "adam": _STUCK,
    "adamw": _STUCK,
    "nadam": "it divides by 1 - beta_2 ** t, which is 0: NaN on the first step",
    "lamb": "it divides by 1 - beta_2 ** t, which is 0: NaN for a weight without a gradient",
}
#: Format -> the names that it has, and a beta_2 that is not 1 there.
_FORMATS = {"float16": (HALF, 0.999), "bfloat16": (("bfloat16",), 0.99)}


@rule("NAN406", "optimizer-constants", needs=[_HOLDERS])
def check(graph: Graph) -> Iterator[Report]:
    """Constants outside of the range in which their formula works."""
    for op in graph.ops(*_HOLDERS):
        for argument, usual, message in (*_wrong(op), *_rounded(graph, op)):
            yield Report(
                op=op,
                node=op.nodes.get(argument, op.node),
                message=message,
                help=f"use {usual:g}" if usual else "give the number of steps over which the rate decays",
                fix=partial(_fix, graph, op, argument, usual) if usual else None,
                severity=Severity.WARNING,
            )


def _wrong(op: Op) -> Iterator[tuple[str, float, str]]:
    """The arguments of `op` that are out of range, each with its default and what happens."""
    name = op.api.rpartition(".")[2]
    epsilon = number(op.arg("epsilon"))
    if op.name == "optimizer":
        for argument, usual in _MEMORIES.items():
            given = number(op.arg(argument))
            if given is not None and not 0 <= given < 1:
                yield (
                    argument,
                    usual,
                    f"{argument} = {given:g} of {name} lies outside of [0, 1): {_memory(given)}",
                )
        if epsilon is not None and epsilon <= 0 and op.arg("algorithm").literal in DIVIDING:
            yield (
                "epsilon",
                1e-7,
                f"epsilon = {epsilon:g} of {name}: the step of a weight without a gradient is 0 / 0, NaN",
            )
    elif op.name == "schedule":
        for argument in _STEPS:
            given = number(op.arg(argument))
            if given is not None and given <= 0:
                yield argument, 0.0, f"{name} divides by {argument} = {given:g}"
    elif epsilon is not None and epsilon <= 0 and _normalises(op):
        yield "epsilon", 1e-3, f"epsilon = {epsilon:g} of {name}: a constant feature is divided by 0"


def _rounded(graph: Graph, op: Op) -> Iterator[tuple[str, float, str]]:
    """The same for a beta_2 below 1 that is 1 in the format of the weights."""
    given = beta(op, "beta_2")
    outcome = _UNCORRECTED.get(str(op.arg("algorithm").literal))
    if outcome is None or given is None or not 0 < given < 1:
        return
    if not is_of_keras(op.api):
        outcome = "the mean of squares stays 0, and gradients are divided by the epsilon alone"
    for dtype, (names, usual) in _FORMATS.items():
        if round_to(given, dtype) == 1 and weights_in(graph, op, names):
            name = op.api.rpartition(".")[2]
            yield (
                "beta_2",
                usual,
                f"beta_2 = {given:g} of {name} is 1 in {dtype}, the format of the weights: {outcome}",
            )


def _memory(given: float) -> str:
    if given < 0:
        return "each step goes back a part of the last one"
    return "the past never fades" if given == 1 else "the past grows with every step until it is inf"


def _normalises(op: Op) -> bool:
    """Whether `op` divides by a standard deviation that nothing is known of."""
    if op.name == "batch_norm":
        return "epsilon" in op.nodes and number(op.arg("variance")) is None
    return op.api in NORMALISING


def _fix(graph: Graph, op: Op, argument: str, usual: float, r: Rewriter) -> Fix | None:
    if not give_number(graph, r, op, argument, f"{usual:g}"):
        return None
    return r.fix(Applicability.DISPLAY, f"Use {usual:g}")
