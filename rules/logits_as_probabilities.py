"""NAN204 logits-as-probabilities: a linear output is given to a loss that takes the log of probabilities.

## Why is this bad?

`categorical_crossentropy`, its sparse form and `binary_crossentropy` take the log of what they are given, and
expect it in [0, 1]. A last layer without activation outputs any number. Keras divides the outputs of the
categorical loss by their sum, which may be negative and turns the order round, and clips all of them to
[1e-7, 1 - 1e-7]. A clipped number has no gradient: the loss jumps between 0 and 16.1 = -log(1e-7), most
examples teach nothing, and some teach the opposite.

A tanh, or another activation that gets below 0, has no gradient there either, for the same reason.

So it is with scores that are never above 0, the log of a softmax or minus a distance: all of them are
clipped, and the sparse loss is the logarithm of the number of classes, whatever they are. `kl_divergence`
clips what it is given as well, and has no `from_logits`.

## Example

```python
from tensorflow import keras

model = keras.Sequential([
    keras.layers.Dense(64, activation="relu"),
    keras.layers.Dense(10),
])
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
```

## Use instead

```python
from tensorflow import keras

model = keras.Sequential([
    keras.layers.Dense(64, activation="relu"),
    keras.layers.Dense(10),
])
model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
```

Measured on 2048 generated digits: the accuracy after 512 steps is 0.29 for the example and 0.94 with the fix
(`pytest tests/test_training_proof.py -k NAN204`).

## Fix safety

Unsafe: the loss gets `from_logits=True`, and with that another value; this is the loss that its name
promises. The model goes on returning logits: apply `softmax` or `sigmoid` where probabilities are wanted.
Before `kl_divergence` the last layer gets a softmax, and a tanh becomes a sigmoid or softmax: then the model
returns probabilities.

## References

* Keras API, "Probabilistic losses": `from_logits`, "Whether `y_pred` is expected to be a logits tensor.
  By default, we assume that `y_pred` encodes a probability distribution."
* `keras.backend.epsilon()`, the clip: 1e-7.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from tflint_nan.evidence import is_written_in
from tflint_nan.finding import Applicability, Fix, Level
from tflint_nan.graph import Graph, Report
from tflint_nan.registry import rule
from tflint_nan.remedies import activate, replace_activation, replace_loss
from tflint_nan.rewrite import Rewriter
from tflint_nan.training import (
    OF_KERAS,
    Entropy,
    ancestors,
    compiled,
    entropies,
    made_only_by,
    trained_output,
)
from tflint_nan.value import NONE, Op, Value

#: Keras's `epsilon()`: what probabilities are clipped to before their log.
EPSILON = 1e-7
#: What rounding adds to scores that are never above 0: a few units in the last place, of a log of softmax.
_ROUNDING = 1e-4

#: Activations that get below 0.
_SIGNED = ("tanh", "softsign", "elu", "selu", "leaky_relu", "gelu", "swish")


@rule("NAN204", "logits-as-probabilities", needs=[(*OF_KERAS, "kl_divergence")])
def check(graph: Graph) -> Iterator[Report]:
    """Linear outputs, and others that get below 0, in losses that expect probabilities."""
    divergences = (Entropy(op, "softmax", "y_true", "y_pred", False) for op in graph.ops("kl_divergence"))
    for entropy in (*entropies(graph), *divergences):
        op, output = entropy.op, entropy.output
        if entropy.logits is not False or "focal" in op.name:
            continue
        told = "tell the loss: from_logits=True"
        help_ = told if op.name != "kl_divergence" else "give it the softmax of these"
        clipped = "clipped, and a clipped output has no gradient"
        if linear := trained_output(output):
            scores, because = linear, f"{linear.name}: no activation, nothing bounds it"
            says = f"these outputs are linear: below 0 and above 1 they are {clipped}"
        elif signed := _signed(output):
            scores, because = signed, f"{signed.name}: values in {signed.value.interval}"
            says = f"and a {signed.name} gets below 0: there it is {clipped}"
            help_ = f"use a {entropy.kind}"
        elif negative := _below_zero(output):
            scores, because = negative, f"{negative.name}: values in {output.interval}"
            divided = "divided by their sum, the largest has the smallest share"
            says = "these are never above 0: "
            says += divided if op.name == "categorical_crossentropy" else f"all of them are {clipped}"
        else:
            continue
        yield Report(
            op=op,
            message=f"{op.name} expects probabilities, {says}",
            help=help_,
            because=((scores, because),),
            witness=_witness_below_zero(op) if output.interval.hi < _ROUNDING else _witness(op, scores),
            fix=partial(_fix, graph, entropy, scores),
            level=Level.STRICT if _is_for_all(graph, op) else Level.DEFAULT,
        )


def _is_for_all(graph: Graph, op: Op) -> bool:
    """Whether a setting names one loss for several outputs: who trains the others may set another."""
    compile_ = compiled(graph, op)
    if compile_ is None or is_written_in(compile_, "loss"):
        return False
    return sum(made.name == op.name for made in ancestors(compile_.arg("loss")).values()) > 1


def _signed(output: Value) -> Op | None:
    """The activation that makes `output`, where it is one that gets below 0."""
    made = made_only_by(output, *_SIGNED)
    return made if made is not None and made.value.reaches(lambda v: v < 0) is not None else None


def _below_zero(output: Value) -> Op | None:
    """What makes scores that are never above 0, None where that is not shown."""
    return output.op if output.interval.lo <= -1 and output.interval.hi < _ROUNDING else None


def _witness(op: Op, linear: Op) -> str | None:
    """Outputs that training reaches, with the largest loss where it should not be or cannot be left."""
    numbers = [witness.value for witness in linear.value.witnesses]
    low, high = min(numbers), max(numbers)
    if op.name == "binary_crossentropy":
        shown = f"output = {low:g}, label = 1"
    elif op.name != "categorical_crossentropy":
        shown = f"outputs = [{low:g}, {high:g}], class 0"
    elif low >= -1:
        return None
    else:
        # The right class has the larger output, and the sum is negative.
        share = 1 / (1 + low)
        shown = f"outputs = [1, {low:g}], class 0 -> share = {share:.3g}"
    return f"{shown} -> clipped = {EPSILON:g} -> loss = {-math.log(EPSILON):.4g}, gradient = 0"


def _witness_below_zero(op: Op) -> str:
    """Scores of which the right one is the largest."""
    if op.name == "categorical_crossentropy":
        return f"outputs = [-1, -3], class 0 -> share = 0.25 -> loss = {math.log(4):.4g}"
    shown = "output = -1, label = 1" if op.name == "binary_crossentropy" else "outputs = [-1, -3], class 0"
    # The sparse loss normalises what is clipped: equal shares.
    loss = math.log(2) if op.name == "sparse_categorical_crossentropy" else -math.log(EPSILON)
    return f"{shown} -> clipped = {EPSILON:g} -> loss = {loss:.4g}, gradient = 0"


def _fix(graph: Graph, entropy: Entropy, scores: Op, r: Rewriter) -> Fix | None:
    op, loss, own = entropy.op, entropy.op.arg("loss"), entropy.kind
    if scores.name in _SIGNED:
        return r.fix(Applicability.UNSAFE, f"Use a {own}") if replace_activation(r, scores, own) else None
    if op.name == "kl_divergence":
        fits = trained_output(entropy.output) is scores and activate(graph, r, scores, own)
        return r.fix(Applicability.UNSAFE, f"Give the last layer a {own}") if fits else None
    if own == "sigmoid" and entropy.output.interval.hi < _ROUNDING:
        # What is never above 0 is no logit: its sigmoid never passes a half.
        return None
    if loss.op is not None:
        r.set_argument(loss.op.node, "from_logits", "True", position=0)
    elif loss is NONE:
        r.set_argument(op.node, "from_logits", "True", position=2)
    elif not replace_loss(r, op, op.name, "from_logits=True"):
        return None
    return r.fix(Applicability.UNSAFE, "Add from_logits=True")
