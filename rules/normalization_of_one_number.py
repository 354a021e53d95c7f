"""NAN506 normalization-of-one-number: a layer normalisation, or a norm, over an axis of length 1.

## Why is this bad?

A layer normalisation takes the mean of the numbers along its axis away and divides by their standard
deviation. Of a single number the mean is the number itself: what is left is 0, whatever comes in, and after
the layer's own scale and shift it is the shift. The gradient is 0, so nothing before the layer is trained by
what goes through it; with a residual connection around, the whole block drops out and nobody notices. It
happens where a series has one channel, `(batch, steps, 1)`, and the layer normalises the channels.

Divided by its own length, as `RMSNormalization`, `UnitNormalization` and `l2_normalize` do it, a single
number leaves its sign, whose gradient is 0 as well.

## Example

```python
from tensorflow.keras import Sequential
from tensorflow.keras.layers import Dense, Flatten, LayerNormalization, Reshape

model = Sequential([
    Reshape((20, 1), input_shape=(20,)),
    LayerNormalization(),
    Flatten(),
    Dense(1, activation="sigmoid"),
])
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
```

## Use instead

```python
from tensorflow.keras import Sequential
from tensorflow.keras.layers import Dense, Flatten, LayerNormalization, Reshape

model = Sequential([
    Reshape((20, 1), input_shape=(20,)),
    LayerNormalization(axis=(1, 2)),
    Flatten(),
    Dense(1, activation="sigmoid"),
])
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
```

Measured on 2048 generated rows of 20 features: the accuracy after 512 steps is 0.51 for the example and 0.76
with the fix (`pytest tests/test_training_proof.py -k NAN506`).

## Fix safety

There is no fix: along which axis it was meant, or whether the numbers should have been embedded in more
channels first, only the author knows.

## References

* J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer Normalization", 2016, equation 3: mean and standard deviation
  over the hidden units of a layer.
* Keras, `LayerNormalization`: the axis is the last one where none is given.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from tflint_nan.evidence import library
from tflint_nan.graph import Graph, Report
from tflint_nan.registry import rule
from tflint_nan.training import length_along
from tflint_nan.value import NONE, Items, Object, Op

#: What takes the mean away of the very numbers that it is given, and what divides by their own length alone.
_CENTRED = ("keras.layers.LayerNormalization", "keras.ops.layer_normalization")
_LENGTHS = ("keras.layers.RMSNormalization", "keras.ops.rms_normalization")
#: Libraries whose functions normalise all there is where no axis is given.
_WHOLE = ("tf", "keras.backend")


@rule("NAN506", "normalization-of-one-number", needs=[("layer_norm", "normalization", "l2_normalize")])
def check(graph: Graph) -> Iterator[Report]:
    """Normalisations of single numbers."""
    for op in graph.ops("layer_norm", "normalization", "l2_normalize"):
        if _count(op) != 1 or graph.differentiated(op) is False:
            continue
        signed = op.name == "l2_normalize" or op.api in _LENGTHS
        x = op.arg("x")
        yield Report(
            op=op,
            message="divided by its own length, a single number leaves its sign"
            if signed
            else "a single number less its own mean is 0: what is normalised here is lost",
            help="normalise along an axis with more numbers, or leave this out",
            because=((x.op, "one number along this axis"),) if x.op is not None else (),
            witness="x = 3 -> result = 1, gradient = 0" if signed else "x = 3 -> result = 0, gradient = 0",
        )


def _count(op: Op) -> int | None:
    """How many numbers are normalised together; None where that is not known."""
    layer = op.arg("layer")
    asked = layer.config("axis") if isinstance(layer, Object) else op.arg("axis")
    if op.name != "l2_normalize" and op.api not in (*_CENTRED, *_LENGTHS):
        return None
    if asked is NONE and not isinstance(layer, Object) and library(op) in _WHOLE:
        return None
    axes = asked.items if isinstance(asked, Items) else (asked,)
    lengths = [length_along(op.arg("x"), axis) for axis in axes]
    return None if None in lengths else math.prod(length for length in lengths if length is not None)
