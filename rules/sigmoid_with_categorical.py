"""NAN205 sigmoid-with-categorical: sigmoid outputs are trained with a cross entropy over classes.

## Why is this bad?

A categorical cross entropy reads the outputs as one distribution. Each sigmoid lies between 0 and 1 by
itself; nothing makes them sum to 1, so Keras divides them by their sum. Once they saturate alike (raw
pixels do that in one step) every share is 1 / n, the loss stands at log(n), with ten classes the
well-known 2.3025, and the gradient, which passes through the flat ends of all sigmoids, is 0. The answers
of `predict` are no distribution either way. Current Keras on TensorFlow hides the half of it: it takes
the logits that the sigmoid was made from and trains their softmax, a model that `predict` then does not
compute (measured with Keras 3.15 on TensorFlow 2.21): the largest output is the right one as often, but the
numbers, divided by their sum, are no probabilities.

One sigmoid output, divided by its own sum, is always 1: the loss is 0 and nothing is learned.

## Example

```python
from tensorflow.keras import Sequential
from tensorflow.keras.layers import Dense

model = Sequential([Dense(50, activation="relu"), Dense(10, activation="sigmoid")])
model.compile(optimizer="adam", loss="categorical_crossentropy")
```

## Use instead

```python
from tensorflow.keras import Sequential
from tensorflow.keras.layers import Dense

model = Sequential([Dense(50, activation="relu"), Dense(10, activation="softmax")])
model.compile(optimizer="adam", loss="categorical_crossentropy")
```

Measured on 2048 generated digits: the log loss of what `predict` returns after 512 steps is 1.21 for the
example and 0.18 with the fix (`pytest tests/test_training_proof.py -k NAN205`).

## Fix safety

Unsafe: the model returns other numbers. Several outputs get a softmax; if the labels do not exclude each
other, keep the sigmoids and use `binary_crossentropy`. One output keeps its sigmoid and gets
`binary_crossentropy`.

## References

* C. Bishop, "Pattern Recognition and Machine Learning", 2006, section 4.3.6 and table in 5.2: canonical
  links.
* Keras, `categorical_crossentropy`: "scale preds so that the class probas of each sample sum to 1".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from tflint_nan.finding import Applicability, Fix
from tflint_nan.graph import Graph, Report
from tflint_nan.registry import rule
from tflint_nan.remedies import replace_activation, replace_loss
from tflint_nan.rewrite import Rewriter
from tflint_nan.training import OF_KERAS, entropies, made_only_by, units
from tflint_nan.value import Op


@rule("NAN205", "sigmoid-with-categorical", needs=[OF_KERAS, ("sigmoid",)])
def check(graph: Graph) -> Iterator[Report]:
    """Sigmoids under a cross entropy over classes."""
    for entropy in entropies(graph):
        op, sigmoid = entropy.op, made_only_by(entropy.output, "sigmoid")
        if sigmoid is None or entropy.kind != "softmax" or entropy.logits is not False or "focal" in op.name:
            continue
        n = units(sigmoid)
        outputs = {None: "sigmoid outputs", 1: "one sigmoid output"}.get(n, f"{n} sigmoid outputs")
        if n == 1:
            fault = "that is one class, so the loss does not depend on the labels"
            advice = "use binary_crossentropy"
        else:
            fault = "they do not sum to 1, so this is not the loss of a distribution over classes"
            advice = (
                "use softmax for classes that exclude each other, binary_crossentropy for those that do not"
            )
        yield Report(
            op=op,
            message=f"{outputs} under {op.name}: {fault}",
            help=advice,
            because=((sigmoid, "sigmoid: each output in [0, 1] by itself"),),
            witness=_witness(n),
            fix=partial(_fix_loss, op) if n == 1 else partial(_fix_activation, sigmoid),
        )


def _witness(n: int | None) -> str:
    """All sigmoids at their upper end: equal shares, and no slope to change them."""
    n = n or 2
    outputs = {1: "[1], 1 class", 2: "[1, 1], 2 classes"}.get(n, f"[1, 1, ...], {n} classes")
    return f"sigmoid = {outputs} -> share = {1 / n:.3g}, loss = {math.log(n):.5g}, gradient = 0"


def _fix_loss(op: Op, r: Rewriter) -> Fix | None:
    if not replace_loss(r, op, "binary_crossentropy"):
        return None
    return r.fix(Applicability.UNSAFE, "Use binary_crossentropy for one output")


def _fix_activation(sigmoid: Op, r: Rewriter) -> Fix | None:
    return r.fix(Applicability.UNSAFE, "Use a softmax") if replace_activation(r, sigmoid, "softmax") else None
