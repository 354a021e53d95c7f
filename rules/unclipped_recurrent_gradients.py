"""NAN405 unclipped-recurrent-gradients: a recurrent layer is trained, and nothing clips its gradients.

## Why is this bad?

The gradient of a recurrent layer goes back through the same weights once for each time step. Where they have
grown so far that they stretch it, its length is multiplied again and again: a `SimpleRNN` of 32 units gets a
gradient of 0.6 through 50 steps when its recurrent kernel is orthogonal, of 270 when that is twice as large,
of 9e9 through 200 steps, and inf through 200 when it is three times as large. One such step carries the
weights so far off that every unit is saturated and learns nothing more, or makes them NaN. It takes larger
weights in a GRU (ten times: 4e4 through 50 steps) or an LSTM, and happens there too. Clipping leaves ordinary
gradients as they are and bounds the others. A wild target does the same to every network: Adam divides by a
mean of squares which takes thousands of steps to forget it, and meanwhile ordinary gradients hardly count.

Layers that see a single time step are not reported, and neither are optimizers whose step does not grow with
the gradient (Lion, Lamb, Adafactor).

This rule is on only where it is selected: most recurrent models are trained without clipping and never fail.

## Example

```python
import tensorflow as tf

model = tf.keras.Sequential([
    tf.keras.Input((20, 8)),
    tf.keras.layers.LSTM(32),
    tf.keras.layers.Dense(1),
])
model.compile(optimizer=tf.keras.optimizers.Adam(0.001), loss="mse")
```

## Use instead

```python
import tensorflow as tf

model = tf.keras.Sequential([
    tf.keras.Input((20, 8)),
    tf.keras.layers.LSTM(32),
    tf.keras.layers.Dense(1),
])
model.compile(optimizer=tf.keras.optimizers.Adam(0.001, clipnorm=1.0), loss="mse")
```

Measured on 2048 generated sequences with one target of 200 that is 1000 times too large: the squared error
after 320 steps is 3.32 for the example and 0.08 with the fix (`pytest tests/test_training_proof.py -k
NAN405`).

## Fix safety

Unsafe: steps with long gradients become shorter. `clipnorm=1.0` bounds the gradient of each weight by itself;
`global_clipnorm` bounds all of them together. An optimizer of TensorFlow 1 has no such setting: put
`tf.clip_by_global_norm` between `compute_gradients` and `apply_gradients`.

## References

* R. Pascanu, T. Mikolov, Y. Bengio: On the difficulty of training recurrent neural networks. ICML 2013.
* [Optimizers](https://keras.io/api/optimizers/) of Keras: `clipnorm`, `clipvalue`, `global_clipnorm`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import libcst as cst

from tflint_nan.architecture import is_trained
from tflint_nan.evidence import takes
from tflint_nan.finding import Applicability, Fix, Level, Severity
from tflint_nan.graph import Graph, Report
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.steps import STEPS, steps
from tflint_nan.training import ancestors
from tflint_nan.value import Op

_RECURRENT = ("lstm", "gru", "rnn")
#: Optimizers whose step does not grow with the gradient: by its sign, or by the size of the weights.
_BOUNDED = ("lion", "lamb", "lars", "adafactor")


@rule("NAN405", "unclipped-recurrent-gradients", Level.OPTIONAL, needs=[("optimizer",), STEPS, _RECURRENT])
def check(graph: Graph) -> Iterator[Report]:
    """Steps that train recurrent layers along gradients as they are."""
    for step in steps(graph):
        if step.clipped or step.limited or step.optimizer.arg("algorithm").literal in _BOUNDED:
            continue
        layer = _recurrent(graph, ancestors(step.loss))
        if layer is not None:
            yield Report(
                op=step.optimizer,
                message=f"this {layer.name} multiplies its gradient by the same weights at every time step, "
                "and nothing clips it",
                help="give the optimizer clipnorm=1.0"
                if takes(step.optimizer, "clipnorm")
                else "clip the gradients with tf.clip_by_global_norm before they are applied",
                because=(
                    (layer, f"{layer.name}: goes through time"),
                    (step.op, f"{step.op.name}: trains it"),
                ),
                fix=partial(_fix, step.optimizer),
                severity=Severity.WARNING,
            )


def _recurrent(graph: Graph, computed: dict[int, Op]) -> Op | None:
    """A recurrent layer that is trained, over more than one time step."""
    for op in computed.values():
        if op.name in _RECURRENT and is_trained(op) and graph.differentiated(op):
            shape = op.arg("x").shape
            if shape is None or len(shape) < 3 or shape[1] != 1:
                return op
    return None


def _fix(optimizer: Op, r: Rewriter) -> Fix | None:
    node = optimizer.node
    if not takes(optimizer, "clipnorm"):
        return None
    if isinstance(node, cst.SimpleString):
        name = r.api(optimizer.api)
        if name is None:
            return None
        r.replace(node, f"{name}(clipnorm=1.0)")
    elif "identifier" in optimizer.nodes:
        return None  # a call that looks a name up
    elif isinstance(node, cst.Call) and (optimizer.nodes or not node.args):
        r.set_argument(node, "clipnorm", "1.0")
    else:
        return None  # made from a configuration
    return r.fix(Applicability.UNSAFE, "Clip the gradients")
