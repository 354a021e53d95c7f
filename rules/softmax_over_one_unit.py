"""NAN206 softmax-over-one-unit: a softmax of a single number is always 1.

## Why is this bad?

The softmax of one number z is exp(z) / exp(z) = 1, whatever z is. The model predicts 1 for every example, and
the gradient with respect to z is 0: a loss of the predictions trains nothing before them, and a binary cross
entropy stays at 15.9 for every example of class 0. Two classes need one output with a sigmoid, or two outputs
with a softmax. Scores of attention (one number for each step) need the softmax along the steps, not along the
last axis.

Where the softmax comes last, Keras's TensorFlow backend computes its `binary_crossentropy` from z itself. The
loss then falls as if the model learned (for the example below by a quarter in four epochs, with Keras 3.15 on
TensorFlow 2.21), while every prediction is still 1, and the accuracy is the share of class 1.

## Example

```python
from tensorflow.keras import Sequential
from tensorflow.keras.layers import Dense

model = Sequential([Dense(16, activation="relu"), Dense(1, activation="softmax")])
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
```

## Use instead

```python
from tensorflow.keras import Sequential
from tensorflow.keras.layers import Dense

model = Sequential([Dense(16, activation="relu"), Dense(1, activation="sigmoid")])
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
```

Measured on 2048 generated rows of 20 features: the accuracy after 512 steps is 0.49 for the example and 0.94
with the fix (`pytest tests/test_training_proof.py -k NAN206`).

## Fix safety

Unsafe: the model's output is no longer constant. Offered for outputs with one row for each example; where
there are more axes, as in attention, only the author knows along which one the softmax was meant.

## References

* C. Bishop, "Pattern Recognition and Machine Learning", 2006, section 4.2: with two classes the softmax of a
  difference is the logistic sigmoid.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tflint_nan.finding import Applicability, Fix
from tflint_nan.graph import Graph, Report
from tflint_nan.registry import rule
from tflint_nan.remedies import replace_activation
from tflint_nan.rewrite import Rewriter
from tflint_nan.training import axis_length
from tflint_nan.value import Op


@rule("NAN206", "softmax-over-one-unit", needs=[("softmax", "log_softmax")])
def check(graph: Graph) -> Iterator[Report]:
    """Softmaxes along an axis of length 1."""
    for op in graph.ops("softmax", "log_softmax"):
        if axis_length(op) != 1:
            continue
        x, result = op.arg("x"), "1" if op.name == "softmax" else "0"
        name = op.name.replace("_", "-")
        # Weights are shares of something, along another axis: no answer of yes or no.
        flat = (x.shape is None or len(x.shape) <= 2) and x.made_by("variable") is None
        yield Report(
            op=op,
            message=f"{name} of a single number is always {result}, and its gradient always 0",
            help="use a sigmoid for one output"
            if flat
            else "use a sigmoid for one output; scores of attention need the axis of the steps",
            because=((x.op, "one number along this axis"),) if x.op is not None else (),
            witness=f"logit = 104 -> {op.name} = {result}, gradient = 0",
            fix=partial(_fix, op) if flat and op.name == "softmax" else None,
        )


def _fix(op: Op, r: Rewriter) -> Fix | None:
    return r.fix(Applicability.UNSAFE, "Use a sigmoid") if replace_activation(r, op, "sigmoid") else None
