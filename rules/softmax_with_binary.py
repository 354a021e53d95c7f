"""NAN207 softmax-with-binary: a softmax over several classes is trained with the binary cross entropy.

## Why is this bad?

The binary cross entropy treats each output as a question of its own, and takes the mean over all of them. A
softmax has answered one question for all together. The right class is then one term among n, beside n - 1
terms for classes that are wrong anyway, so that the loss is small from the start (0.33 for ten equal shares)
and says little. So is its gradient, a mean over all outputs: gradient descent is slow (Adam, which divides by
the size of the gradient, makes up for it). Binary accuracy counts every share rightly below 0.5, and shows
0.9 for a model of ten classes that has learned nothing; Keras before 2.4 took it for `metrics=["accuracy"]`
under this loss (later versions go by the shapes).

Current Keras on TensorFlow takes the logits that the softmax was made from, and trains their sigmoids: a
model that `predict` then does not compute (measured with Keras 3.15 on TensorFlow 2.21).

Two classes are left out: the two terms are the same, and so is the loss.

## Example

```python
from tensorflow.keras import Sequential
from tensorflow.keras.layers import Dense

model = Sequential([Dense(64, activation="relu"), Dense(10, activation="softmax")])
model.compile(optimizer="sgd", loss="binary_crossentropy", metrics=["accuracy"])
```

## Use instead

```python
from tensorflow.keras import Sequential
from tensorflow.keras.layers import Dense

model = Sequential([Dense(64, activation="relu"), Dense(10, activation="softmax")])
model.compile(optimizer="sgd", loss="categorical_crossentropy", metrics=["accuracy"])
```

Measured on 2048 generated digits: the accuracy after 512 steps is 0.31 for the example and 0.91 with the fix
(`pytest tests/test_training_proof.py -k NAN207`).

## Fix safety

Unsafe: another loss is minimised. If the labels do not exclude each other (several may be right), keep
`binary_crossentropy` and write a sigmoid for the softmax.

## References

* C. Bishop, "Pattern Recognition and Machine Learning", 2006, section 4.3.4: the cross entropy of several
  classes.
* Keras 2.3, `keras/engine/training_utils.py`: which accuracy "accuracy" is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from tflint_nan.finding import Applicability, Fix, Level
from tflint_nan.graph import Graph, Report
from tflint_nan.registry import rule
from tflint_nan.remedies import replace_loss
from tflint_nan.rewrite import Rewriter
from tflint_nan.training import OF_KERAS, axis_length, entropies, guarded, made_only_by
from tflint_nan.value import Op


@rule("NAN207", "softmax-with-binary", needs=[OF_KERAS, ("softmax",)])
def check(graph: Graph) -> Iterator[Report]:
    """Softmaxes of more than two classes under a binary cross entropy."""
    for entropy in entropies(graph):
        softmax = made_only_by(guarded(entropy.output), "softmax")
        if softmax is None or entropy.kind != "sigmoid" or entropy.logits is not False:
            continue
        n = axis_length(softmax)
        if n is not None and n <= 2:
            continue
        yield Report(
            op=entropy.op,
            message=f"{entropy.op.name} of a softmax{f' over {n} classes' if n else ''}: each share is "
            "trained as a question of its own, and the right class is one term among those of all the others",
            help="use categorical_crossentropy, or sigmoids if several classes can be right",
            because=((softmax, "softmax: one distribution over all classes"),),
            witness=_witness(n) if n is not None else None,
            fix=partial(_fix, entropy.op),
            level=Level.DEFAULT if n is not None else Level.STRICT,
        )


def _witness(n: int) -> str:
    """A model that knows nothing: equal shares, all of them below 0.5 and so counted as "not this class"."""
    share = 1 / n
    binary = -(math.log(share) + (n - 1) * math.log(1 - share)) / n
    return (
        f"share = {share:.3g}, {n} classes -> binary loss = {binary:.3g}, binary accuracy = {1 - share:.3g} "
        f"(categorical: {-math.log(share):.3g} and {share:.3g})"
    )


def _fix(op: Op, r: Rewriter) -> Fix | None:
    if not replace_loss(r, op, "categorical_crossentropy"):
        return None
    return r.fix(Applicability.UNSAFE, "Use categorical_crossentropy")
