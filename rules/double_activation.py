"""NAN505 double-activation: an activation is applied to the output of another one.

## Why is this bad?

The second sees only what the first lets through. The sigmoid of a relu is at least 0.5, so the model
cannot answer "no"; the sigmoid of a sigmoid lies between 0.5 and 0.73. A softmax of sigmoids gets logits
at most 1 apart, so with ten classes none gets more than 0.23. A softmax of a relu cannot lower any class
under that of a dead unit, and gives a unit that is under 0 no gradient. A relu of a sigmoid or a softmax
does nothing at all. Usually a layer has its own `activation` and an `Activation` layer, or a function,
follows.

The same activation twice is silent where the second changes nothing (relu, relu6). So are compositions
that people write on purpose: a softmax of leaky relus or of tanh as attention, tanh of softplus (mish). A
second softmax is NAN203's. With `--strict`, a softmax of a relu that is no output, tanh after relu, and
tanh twice are reported.

## Example

```python
import keras
from keras.layers import Activation, Dense

model = keras.Sequential([
    Dense(32, activation="relu", input_shape=(20,)),
    Dense(1, activation="relu"),
    Activation("sigmoid"),
])
model.compile(optimizer="adam", loss="binary_crossentropy")
```

## Use instead

```python
import keras
from keras.layers import Activation, Dense

model = keras.Sequential([
    Dense(32, activation="relu", input_shape=(20,)),
    Dense(1),
    Activation("sigmoid"),
])
model.compile(optimizer="adam", loss="binary_crossentropy")
```

Measured on 2048 generated rows of 20 features: the mean prediction for the label 0 after 512 steps is 0.53
for the example and 0.15 with the fix (`pytest tests/test_training_proof.py -k NAN505`).

## Fix safety

Unsafe: the model computes something else. The first of the two goes, since the second is what the loss
expects; of a relu behind a sigmoid or softmax the relu goes.

## References

* I. Goodfellow, Y. Bengio, A. Courville, "Deep Learning", 2016, section 6.2.2: output units and their
  losses.
* Keras, `Dense`: "activation: Activation function to use. If you don't specify anything, no activation is
  applied".
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tflint_nan.architecture import everywhere, outputs
from tflint_nan.evidence import is_trained
from tflint_nan.finding import Applicability, Fix, Level
from tflint_nan.graph import Graph, Report
from tflint_nan.registry import rule
from tflint_nan.remedies import remove_activation
from tflint_nan.rewrite import Rewriter
from tflint_nan.training import ends
from tflint_nan.value import Op

#: Second and first activation -> what is wrong about them.
WRONG = {
    ("sigmoid", "relu"): "it is never below 0.5",
    ("sigmoid", "sigmoid"): "it stays between 0.5 and 0.73",
    ("sigmoid", "softmax"): "it stays between 0.5 and 0.73",
    ("sigmoid", "tanh"): "it stays between 0.27 and 0.73",
    ("softmax", "sigmoid"): "its logits are at most 1 apart, so no class gets far ahead",
    ("softmax", "relu"): "logits under 0 are cut off and get no gradient",
    ("softmax", "relu6"): "logits under 0 are cut off and get no gradient",
    ("relu", "sigmoid"): "it changes nothing",
    ("relu", "softmax"): "it changes nothing",
    ("tanh", "sigmoid"): "it stays between 0 and 0.76",
    ("tanh", "softmax"): "it stays between 0 and 0.76",
    ("tanh", "relu"): "it is never below 0",
    ("tanh", "tanh"): "it stays between -0.76 and 0.76",
}
#: Written on purpose now and then.
_WEAK = frozenset({("tanh", "relu"), ("tanh", "tanh")})
#: Ops between the two that change nothing about them.
_THROUGH = ("dropout", "flatten", "max_pool")


@rule("NAN505", "double-activation", needs=[{second for second, _ in WRONG}, {first for _, first in WRONG}])
def check(graph: Graph) -> Iterator[Report]:
    """Activations of what another activation gives."""
    found: list[tuple[Op, Op]] = []
    for op in graph.ops(*{second for second, _ in WRONG}):
        made = ends(op.arg("x"), _THROUGH)
        if len(made) == 1 and (op.name, made[0].name) in WRONG:
            found.append((op, made[0]))
    shown = outputs(graph)
    for op, first in found:
        if graph.differentiated(op) is False or not is_trained(first):
            continue
        pair = (op.name, first.name)
        weak = pair in _WEAK or (op.name == "softmax" and op.serial not in shown)
        yield Report(
            op=op,
            message=f"{op.name} of the output of a {first.name}: {WRONG[pair]}",
            help="apply one of them",
            because=((first, f"{first.name}: values in {first.value.interval}"),),
            fix=partial(_fix, graph, found, op, first),
            level=Level.STRICT if weak else Level.DEFAULT,
        )


def _fix(graph: Graph, found: list[tuple[Op, Op]], op: Op, first: Op, r: Rewriter) -> Fix | None:
    place = 0 if op.name == "relu" else 1
    goes = (op, first)[place]
    alike = [pair[place] for pair in found if pair[place].node is goes.node]
    if not everywhere(graph, alike) or not remove_activation(r, goes):
        return None
    return r.fix(Applicability.UNSAFE, f"Drop the {goes.name}")
