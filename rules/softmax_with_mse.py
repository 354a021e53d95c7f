"""NAN202 softmax-with-mse: a softmax, or a row of sigmoids on one-hot labels, is trained with squared error.

## Why is this bad?

The squared error's gradient with respect to a logit goes through the slope of the softmax, p (1 - p) for
its own share. An output that is sure of the wrong class has p = 1 there and p = 0 for the right one: both
slopes are 0, in float32 exactly 0 once the logits are 104 apart, and the example that is most wrong teaches
nothing. The cross entropy's gradient is p - y: it is largest where the error is. That the loss goes down
after a change to the squared error, where the cross entropy gave NaN, shows only that 0 gradients are finite.
From a random start the gradients are small, some hundredths of the cross entropy's, rather than 0: plain
gradient descent stands still where Adam, which divides by their size, gets as far.

Several sigmoids trained towards one-hot labels are the same mistake twice over: each is flat at both ends,
and nothing tells them that one class excludes the others.

The rule is silent where the targets are shown to be numbers between 0 and 1, such as the shares of a
teacher or of voters, or the input itself, and for a softmax inside of the model.

## Example

```python
from tensorflow.keras import Sequential
from tensorflow.keras.layers import Dense

model = Sequential([Dense(64, activation="relu"), Dense(10, activation="softmax")])
model.compile(optimizer="sgd", loss="mse", metrics=["accuracy"])
```

## Use instead

```python
from tensorflow.keras import Sequential
from tensorflow.keras.layers import Dense

model = Sequential([Dense(64, activation="relu"), Dense(10, activation="softmax")])
model.compile(optimizer="sgd", loss="categorical_crossentropy", metrics=["accuracy"])
```

Measured on 2048 generated digits: the accuracy after 512 steps is 0.08 for the example and 0.91 with the fix
(`pytest tests/test_training_proof.py -k NAN202`).

## Fix safety

Unsafe: another loss is minimised, whose gradients are larger. A Keras loss becomes
`categorical_crossentropy`, a squared error written by hand
`tf.nn.softmax_cross_entropy_with_logits` over the logits. A bank of sigmoids becomes a softmax as well.

## References

* P. Golik, P. Doetsch, H. Ney, "Cross-entropy vs. squared error training: a theoretical and experimental
  comparison", Interspeech 2013: from a random start, squared error gets stuck.
* C. Bishop, "Pattern Recognition and Machine Learning", 2006, section 4.3.6: canonical links.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tflint_nan.evidence import gap, squasher
from tflint_nan.finding import Fix
from tflint_nan.graph import DIFFERENTIATING, Graph, Report
from tflint_nan.registry import rule
from tflint_nan.remedies import Pair, replace_activation, train_with_cross_entropy
from tflint_nan.rewrite import Rewriter
from tflint_nan.targets import SQUARES, SquaredClasses, squared_classes
from tflint_nan.training import units


@rule("NAN202", "softmax-with-mse", needs=[SQUARES, ("softmax", "sigmoid", "exp"), DIFFERENTIATING])
def check(graph: Graph) -> Iterator[Report]:
    """Squared errors that are minimised between labels and a distribution over classes."""
    for error in squared_classes(graph):
        if error.kind != "softmax":
            continue
        activation = error.activation
        if squasher(activation) == "softmax":
            what = "squared error of a softmax: where the outputs are sure of the wrong class"
            shown = "softmax: its slope p(1 - p) is 0 at both ends of [0, 1]"
        else:
            n = units(activation, error.logits)
            what = f"squared error of {n} sigmoids on one-hot labels: where they are most wrong"
            shown = "sigmoid: its slope σ(1 - σ) is 0 at both ends of [0, 1]"
        yield Report(
            op=error.op,
            message=f"{what} they are flat, so the gradient vanishes and training stalls",
            help="train a softmax with the categorical cross entropy, from the logits",
            because=((activation, shown),),
            witness=_witness(error),
            fix=partial(_fix, graph, error),
        )


def _witness(error: SquaredClasses) -> str:
    """Outputs that are sure of class 0 where class 1 is right, with the loss and its gradient there."""
    far = gap(error.activation.value)
    if squasher(error.activation) == "softmax":
        logits, kind = f"[{far}., 0.]", "softmax"
    else:
        logits, kind = f"[{far}., -{far}.]", "sigmoid"
    return (
        f"logits = {logits}, label = [0, 1] -> {kind} = [1, 0], squared error = 2, |gradient| = 0 "
        "(of the cross entropy: 1)"
    )


def _fix(graph: Graph, error: SquaredClasses, r: Rewriter) -> Fix | None:
    pair = Pair(error.activation.value, error.logits, error.labels, "softmax")
    if error.activation.name == "sigmoid":
        replace_activation(r, error.activation, "softmax")
    return train_with_cross_entropy(graph, error.op, pair, r)
