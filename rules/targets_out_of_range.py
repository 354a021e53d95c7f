"""NAN215 targets-out-of-range: a binary cross entropy is trained towards numbers that are not in [0, 1].

## Why is this bad?

The binary cross entropy -(y log p + (1 - y) log(1 - p)) is smallest at p = y, and never below 0, for y in
[0, 1]. For a pixel of 255 its second factor is -254: the loss falls without bound as p goes to 1, and nothing
that a network outputs is right. All outputs end at 1 (at 0 for a target below 0, as pixels that are scaled to
[-1, 1] have), where the sigmoid has no gradient. The loss is a large negative number that goes on falling, so
training seems to go well. Keras clips p, which bounds the loss and takes the gradient away.

Classes that are -1 and 1, as a hinge loss or a tanh wants them, are as wrong: a class of -1 is never learned,
its score runs away. The rule speaks where the program writes the numbers itself (`np.where(y == 0, -1, 1)`,
`2 * y - 1` of answers), and where the target is shown to be the picture that the model is given (an
autoencoder): a mask or a label that is read from a file may well be 0 and 1, and a third number beside 0 and
1 may mark what has no label.

## Example

```python
from tensorflow import keras

(x_train, _), (x_test, _) = keras.datasets.mnist.load_data()
model = keras.Sequential([
    keras.layers.Rescaling(1 / 255.0),
    keras.layers.Flatten(),
    keras.layers.Dense(64, activation="relu"),
    keras.layers.Dense(784, activation="sigmoid"),
    keras.layers.Reshape((28, 28)),
])
model.compile(optimizer="adam", loss="binary_crossentropy")
model.fit(x_train, x_train, epochs=10)
```

## Use instead

```python
from tensorflow import keras

(x_train, _), (x_test, _) = keras.datasets.mnist.load_data()
model = keras.Sequential([
    keras.layers.Rescaling(1 / 255.0),
    keras.layers.Flatten(),
    keras.layers.Dense(64, activation="relu"),
    keras.layers.Dense(784, activation="sigmoid"),
    keras.layers.Reshape((28, 28)),
])
model.compile(optimizer="adam", loss="binary_crossentropy")
model.fit(x_train, x_train / 255.0, epochs=10)
```

Measured on 2048 generated digits: the squared error after 640 steps is 0.85 for the example and 0.01 with the
fix (`pytest tests/test_training_proof.py -k NAN215`).

## Fix safety

There is no fix: pixels are better scaled once, where they are loaded, for the model and for its targets, and
classes of -1 and 1 may be what another loss of the program wants.

## References

* Keras API, "Probabilistic losses": `BinaryCrossentropy`, "`y_true` (true label): This is either 0 or 1."
* D. Kingma, M. Welling, "Auto-Encoding Variational Bayes", ICLR 2014, appendix C.1: a Bernoulli decoder.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from tflint_nan.evidence import number
from tflint_nan.graph import DIFFERENTIATING, Graph, Report
from tflint_nan.inputs import PICTURES, inputs_in
from tflint_nan.interval import round_to
from tflint_nan.ops.points import FAR
from tflint_nan.registry import rule
from tflint_nan.targets import examples
from tflint_nan.training import Entropy, ancestors, ends, entropies
from tflint_nan.value import Const, Items, Op, Value
from tflint_nan.written import written

#: How far outside of [0, 1] a target is wrong: noise and brightness that are changed on purpose stay nearer.
FAR_OFF = 0.5
#: Ops that take a part of what they are given.
_TAKING = ("slice", "split", "unstack", "gather")
#: What Keras clips probabilities to.
EPSILON = 1e-7
#: Losses of one output and one target, each for itself.
LOSSES = (
    "binary_crossentropy",
    "sigmoid_cross_entropy_with_logits",
    "weighted_cross_entropy_with_logits",
)


@rule("NAN215", "targets-out-of-range", needs=[LOSSES, DIFFERENTIATING])
def check(graph: Graph) -> Iterator[Report]:
    """Binary cross entropies of classes and pictures that reach far below 0 or above 1."""
    for entropy in entropies(graph):
        op = entropy.op
        if op.name not in LOSSES or entropy.logits is None or not graph.in_loss(op):
            continue
        yield from _of_classes(graph, entropy)
        found = _pictured(graph, entropy)
        if found is None:
            continue
        picture, reached = found
        low, high = picture.value.interval.lo, picture.value.interval.hi
        yield Report(
            op=op,
            message=f"{op.name} has no lower bound for targets outside of [0, 1], and these are pixels from "
            f"{low:g} to {high:g}: outputs that saturate make it fall on and on",
            help="scale the pixels to [0, 1] where they are loaded",
            because=((picture, f"{picture.name}: values in {picture.value.interval}"),),
            witness=_witness(entropy, reached),
        )


def _of_classes(graph: Graph, entropy: Entropy) -> Iterator[Report]:
    """The report of targets that the program writes as other numbers than 0 and 1."""
    op = entropy.op
    for _, target in examples(graph, op, entropy.output.op or op, entropy.labels):
        numbers = written(target)
        far = next((one for one in numbers if abs(one - 0.5) > 0.5 + FAR_OFF), None)
        if far is None or numbers.keys() >= {0.0, 1.0}:
            continue
        low, high = min(numbers), max(numbers)
        between = f" and {high:g}" if len(numbers) == 2 else f" to {high:g}"
        classes = f"{low:g}" + (between if low < high else "")
        yield Report(
            op=op,
            message=f"{op.name} has no lower bound for targets outside of [0, 1], and these are {classes}: "
            "outputs that saturate make it fall on and on",
            help="train towards 0 and 1",
            because=((numbers[far], f"{numbers[far].name}: {classes}"),),
            witness=_witness(entropy, far),
        )
        return


def _pictured(graph: Graph, entropy: Entropy) -> tuple[Op, float] | None:
    """What gives the pictures that are the targets their range, and a number of theirs far outside of [0, 1].

    None where a target is not shown to be made of the pictures that the output is computed from.
    """
    output = entropy.output.op
    if output is None:
        return None
    for x, target in examples(graph, entropy.op, output, entropy.labels):
        made, bounds = ends(target), target.interval
        far = target.reaches(lambda v: v < -FAR_OFF or v > 1 + FAR_OFF)
        if not made or far is None or not all(map(math.isfinite, (bounds.lo, bounds.hi))):
            continue
        before, behind = ancestors(inputs_in(x)).values(), ancestors(target).values()
        if _loaders(before) & _loaders(behind) and _parts(behind) <= _parts(before):
            return made[-1], far.value
    return None


def _loaders(ops: Iterable[Op]) -> set[int]:
    """What loads pictures, by serial."""
    return {op.serial for op in ops if op.name in PICTURES}


def _parts(ops: Iterable[Op]) -> set[tuple[object, ...]]:
    """Which parts are taken of what: a label may stand in one row with its picture."""
    return {(op.name, *map(_key, op.args.values())) for op in ops if op.name in _TAKING}


def _key(value: Value) -> object:
    """What is equal for equal literals and for what one op computed."""
    if isinstance(value, Items):
        return tuple(map(_key, value.items))
    return value.value if isinstance(value, Const) else id(value if value.op is None else value.op)


def _witness(entropy: Entropy, label: float) -> str | None:
    """The loss of an output that is as far as numbers go on the label's side; None for unknown weights."""
    if entropy.logits:
        z = FAR if label > 1 else -FAR
        weight = number(entropy.op.arg("pos_weight")) if entropy.op.name.startswith("weighted_") else 1.0
        if weight is None:
            return None
        loss = (1 - label) * z + (1 + (weight - 1) * label) * (math.log1p(math.exp(-abs(z))) + max(-z, 0.0))
        return f"label = {label:g}, logit = {z:g} -> loss = {loss:.4g}"
    p = round_to(1 - EPSILON if label > 1 else EPSILON, "float32")
    loss = -(label * math.log(p) + (1 - label) * math.log(1 - p))
    return f"label = {label:g}, output = {float(label > 1):g} -> clipped = {p:.8g} -> loss = {loss:.4g}"
