"""NAN503 saturating-hidden-activations: sigmoids in three or more hidden layers, one after another.

## Why is this bad?

The slope of a sigmoid is at most 1/4 and of a softmax at most 1/4 for each output, and both are nearly 0
wherever they are near 0 or 1. The gradient of a layer is multiplied by the slopes of all layers behind
it: after three sigmoids at most 1/64 is left of it, usually far less, so the first layers hardly move. In
hand-written networks that shows as activations of 1e-100 and a loss that stands still.

Normalisation between the layers keeps the sums where the slope is largest, so it makes this silent. So
does a residual connection, which leads around the activations. A chain of sigmoids through which no gradient
goes, such as the sampling of a Boltzmann machine, is silent. Tanh has the slope 1 at 0 and is usual in
reinforcement learning, for differential equations and in autoencoders; it is reported when the code is
selected.

## Example

```python
import keras
from keras.layers import Dense

model = keras.Sequential([
    Dense(64, activation="sigmoid", input_shape=(20,)),
    Dense(64, activation="sigmoid"),
    Dense(64, activation="sigmoid"),
    Dense(1),
])
model.compile(optimizer="adam", loss="mse")
```

## Use instead

```python
import keras
from keras.layers import Dense

model = keras.Sequential([
    Dense(64, activation="relu", input_shape=(20,)),
    Dense(64, activation="relu"),
    Dense(64, activation="relu"),
    Dense(1),
])
model.compile(optimizer="adam", loss="mse")
```

Measured on 2048 generated rows of 20 features: the squared error after 640 steps is 0.85 for the example and
0.31 with the fix (`pytest tests/test_training_proof.py -k NAN503`).

## Fix safety

Unsafe: the model computes something else. All activations of the row become relu. There is no fix where
one of them is written in a place that makes other layers as well, such as the output.

## References

* S. Hochreiter, "The vanishing gradient problem", IJUFKS 1998; X. Glorot, Y. Bengio, "Understanding the
  difficulty of training deep feedforward neural networks", AISTATS 2010: sigmoid layers saturate from the
  last hidden one down.
* X. Glorot, A. Bordes, Y. Bengio, "Deep sparse rectifier neural networks", AISTATS 2011.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tflint_nan.architecture import LAYERS, Network, everywhere, may_hand_back
from tflint_nan.finding import Applicability, Fix, Level, Severity
from tflint_nan.graph import Graph, Report
from tflint_nan.registry import rule
from tflint_nan.remedies import replace_activation
from tflint_nan.rewrite import Rewriter
from tflint_nan.value import Op

#: The largest slope of each.
SLOPES = {"sigmoid": "1/4", "hard_sigmoid": "1/5", "softmax": "1/4", "tanh": "1"}
FLAT = frozenset(SLOPES) - {"tanh"}
#: How many hidden layers in a row are too many.
ROW = 3


@rule("NAN503", "saturating-hidden-activations", needs=[LAYERS, SLOPES])
def check(graph: Graph) -> Iterator[Report]:
    """Three or more hidden layers in a row that end with a sigmoid or softmax, or with tanh."""
    network = Network(graph)
    told: set[int] = set()
    for names, level in ((FLAT, Level.DEFAULT), (FLAT | {"tanh"}, Level.OPTIONAL)):
        rows = [row for row in network.rows(names) if len(row) >= ROW and may_hand_back(graph, row)]
        rows = [row for row in rows if told.isdisjoint(op.serial for op in row)]
        all_of_them = [op for row in rows for op in row]
        told |= {op.serial for op in all_of_them}
        for row in rows:
            kinds = " and ".join(sorted({op.name for op in row}))
            outcome = "so it hardly learns" if level is Level.DEFAULT else "which is small away from 0"
            yield Report(
                op=row[0],
                message=f"the first of {len(row)} hidden layers in a row that end with {kinds}: its gradient "
                f"is multiplied by the slope of each, {outcome}",
                help="use relu in hidden layers, or normalise between them",
                because=tuple((op, f"{op.name}: slope at most {SLOPES[op.name]}") for op in row),
                fix=partial(_fix, graph, row, all_of_them),
                level=level,
                severity=Severity.WARNING,
            )


def _fix(graph: Graph, row: list[Op], rows: list[Op], r: Rewriter) -> Fix | None:
    places = {id(op.node): op for op in row}
    if not everywhere(graph, [op for op in rows if id(op.node) in places]):
        return None
    if not all(replace_activation(r, op, "relu") for op in places.values()):
        return None
    return r.fix(Applicability.UNSAFE, "Use relu in these hidden layers")
