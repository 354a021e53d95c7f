"""NAN504 stacked-linear-layers: a layer has no activation before the next layer.

## Why is this bad?

A linear function of a linear function is a linear function: `(x @ A + a) @ B + b` is `x @ (A @ B) + (a @
B + b)`. The first layer adds weights, time and curvature (its product with the second makes the loss
harder to descend), and nothing that the second could not compute alone. Dropout, reshaping and average
pooling between the two change nothing about that. Usually the activation was forgotten: in Keras, `Dense`
and `Conv2D` have none unless it is given.

A narrow layer between two wide ones is another matter: it bounds the rank, and people write it on purpose
(embeddings, bottlenecks, linear autoencoders). It is silent, as are layers without a bias, convolutions
along one axis or of each channel by itself, and layers whose output something else reads, too. With
`--strict`, layers that are not seen to be trained are reported, and when the code is selected those whose
width is not known.

## Example

```python
from tensorflow.keras import Sequential
from tensorflow.keras.layers import Dense

model = Sequential([
    Dense(64, input_shape=(4,)),
    Dense(1, activation="sigmoid"),
])
model.compile(optimizer="adam", loss="binary_crossentropy")
```

## Use instead

```python
from tensorflow.keras import Sequential
from tensorflow.keras.layers import Dense

model = Sequential([
    Dense(64, activation="relu", input_shape=(4,)),
    Dense(1, activation="sigmoid"),
])
model.compile(optimizer="adam", loss="binary_crossentropy")
```

Measured on 2048 generated rows of 4 features: the accuracy after 640 steps is 0.48 for the example and 0.97
with the fix (`pytest tests/test_training_proof.py -k NAN504`).

## Fix safety

Unsafe: the model computes something else. The layer gets a relu. There is no fix where the same
expression makes other layers as well, such as the output of the model.

## References

* I. Goodfellow, Y. Bengio, A. Courville, "Deep Learning", 2016, section 6.1: a composition of linear
  layers is linear; section 6.4.1 on factored layers, which save weights only where the layer between is
  narrow.
* A. Saxe, J. McClelland, S. Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep
  linear neural networks", ICLR 2014: such networks learn more slowly, and no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import libcst as cst

from tflint_nan.architecture import (
    LAYERS,
    Network,
    fed,
    has_bias,
    is_bias,
    is_factor,
    is_trained,
    kernel,
    may_hand_back,
    units,
    width,
)
from tflint_nan.finding import Applicability, Fix, Level, Severity
from tflint_nan.graph import Graph, Report
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.value import Op


@rule("NAN504", "stacked-linear-layers", needs=[LAYERS])
def check(graph: Graph) -> Iterator[Report]:
    """Layers without an activation whose output only the next layer reads."""
    network = Network(graph)
    stacked = [(op, following) for op in network.layers if (following := _next(graph, network, op))]
    firsts = {first.serial for first, _ in stacked}
    shared = {id(op.node) for op in network.layers if op.serial not in firsts}
    for op, following in stacked:
        wide = _is_wide(op, following)
        if wide is False or not may_hand_back(graph, (op, following)):
            continue
        yield Report(
            op=op,
            node=_call(op) if id(op.node) in shared else None,
            message=f"this {op.name} layer has no activation before the next {following.name} layer: two "
            "linear layers in a row compute what one can",
            help='give it an activation, such as "relu"',
            because=((following, f"{following.name}: takes its output as it is"),),
            fix=None if id(op.node) in shared else partial(_fix, graph, op),
            level=_level(graph, op, wide=wide),
            severity=Severity.WARNING,
        )


def _level(graph: Graph, op: Op, *, wide: bool | None) -> Level:
    """OPTIONAL where the layer may bound the rank: its widths are not known."""
    if not wide:
        return Level.OPTIONAL
    return Level.DEFAULT if graph.differentiated(op) else Level.STRICT


def _next(graph: Graph, network: Network, op: Op) -> Op | None:
    """The layer that alone takes the output of `op`; None where something says that this is on purpose."""
    following = fed(graph, op)
    if following is None or is_factor(op) or is_factor(following) or not is_trained(op):
        return None
    return following if has_bias(graph, op) and network.joined(op, following) else None


def _is_wide(op: Op, following: Op) -> bool | None:
    """Whether a layer is as wide as what it stands between, so that it does not bound the rank."""
    own, before, behind = units(op), width(op), units(following)
    if own is None:
        return None
    known = [size for size in (before, behind) if size is not None]
    if any(own >= size for size in known):
        return True
    return False if len(known) == 2 else None


def _call(op: Op) -> cst.CSTNode | None:
    """The call that makes the layer, where its own expression makes others as well."""
    source, node = op.calls[-1] if op.calls else (None, None)
    return node if source is op.source and isinstance(node, cst.Call) else None


def _fix(graph: Graph, op: Op, r: Rewriter) -> Fix | None:
    given = op.nodes.get("activation")
    by_name = op.api.startswith("keras.")
    relu = '"relu"' if by_name else r.api("tf.nn.relu")
    if relu is None:
        return None
    if kernel(op) is not None:
        sums = [step for step in graph.consumers(op) if is_bias(step)] or [op]
        r.replace(sums[0].node, "{f}({x})", f=relu, x=sums[0].node)
    elif given is not None:
        r.replace(given, relu)
    else:
        r.set_argument(op.node, "activation", relu)
    return r.fix(Applicability.UNSAFE, "Give the layer a relu")
