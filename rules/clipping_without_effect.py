"""NAN404 clipping-without-effect: gradients are clipped, and training does not get the clipped ones.

## Why is this bad?

Clipping bounds the length of a step, so that one exploding gradient does not carry the weights off to where
the loss is NaN. The functions return new tensors: where the optimizer is given the old ones, or has had them
before, nothing is clipped and the program trains as if the line were not there. In the same way Keras takes
`clipnorm`, `global_clipnorm` and `clipvalue` that are 0 or negative as "do not clip". A 0 that comes from a
setting, a default or a constant is a switch, and reported when the code is selected.

## Example

```python
import tensorflow as tf

model = tf.keras.Sequential([tf.keras.layers.LSTM(32), tf.keras.layers.Dense(1)])
optimizer = tf.keras.optimizers.Adam(0.001)


def train_step(x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(x) - y))
    gradients = tape.gradient(loss, model.trainable_variables)
    clipped, norm = tf.clip_by_global_norm(gradients, 1.0)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
```

## Use instead

```python
import tensorflow as tf

model = tf.keras.Sequential([tf.keras.layers.LSTM(32), tf.keras.layers.Dense(1)])
optimizer = tf.keras.optimizers.Adam(0.001)


def train_step(x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(x) - y))
    gradients = tape.gradient(loss, model.trainable_variables)
    gradients, norm = tf.clip_by_global_norm(gradients, 1.0)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
```

Measured on 2048 generated sequences with one target of 200 that is 1000 times too large: the squared error
after 400 steps is 10.27 for the example and 0.06 with the fix (`pytest tests/test_training_proof.py -k
NAN404`).

## Fix safety

Unsafe: training takes other steps. A `clipnorm` and its relatives that are 0 or negative become 1.0 where
they are written; which gradients to apply is left to you.

## References

* R. Pascanu, T. Mikolov, Y. Bengio: On the difficulty of training recurrent neural networks. ICML 2013.
* [tf.clip_by_global_norm](https://www.tensorflow.org/api_docs/python/tf/clip_by_global_norm); Keras clips
  where the setting is above 0 only: `BaseOptimizer._clip_gradients`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tflint_nan.descent import signed_gradient
from tflint_nan.evidence import is_written_in, number
from tflint_nan.finding import Applicability, Fix, Level, Severity
from tflint_nan.graph import Graph, Report
from tflint_nan.registry import rule
from tflint_nan.remedies import replace_number
from tflint_nan.rewrite import Rewriter
from tflint_nan.training import flat
from tflint_nan.value import Op, Value

_SETTINGS = ("clipnorm", "global_clipnorm", "clipvalue")
_CLIPS = ("clip", "clip_by_norm")


@rule("NAN404", "clipping-without-effect", needs=[(*_CLIPS, "optimizer"), ("apply_gradients", "optimizer")])
def check(graph: Graph) -> Iterator[Report]:
    """Clipped gradients that nothing takes, and settings that switch clipping off."""
    applied = {
        source.serial: step
        for step in graph.ops("apply_gradients")
        for value in flat(step.arg("gradients"))
        if (source := _unclipped(value)) is not None
    }
    seen = {id(clip.node) for clip in graph.ops(*_CLIPS) if graph.is_taken(clip)}
    for clip in graph.ops(*_CLIPS):
        source = _unclipped(clip.arg("x"))
        step = applied.get(source.serial) if source is not None else None
        if step is None or id(clip.node) in seen:
            continue
        seen.add(id(clip.node))
        late = clip.serial > step.serial
        yield Report(
            op=clip,
            message="these gradients are clipped after they were applied"
            if late
            else "nothing takes the clipped gradients, and the optimizer gets them as they were",
            help="clip before the optimizer applies them" if late else "apply the clipped gradients",
            because=((step, "apply_gradients: takes the gradients themselves"),),
            severity=Severity.WARNING,
        )
    for optimizer in graph.ops("optimizer"):
        for name in _SETTINGS:
            given = number(optimizer.arg(name))
            if given is None or given > 0:
                continue
            yield Report(
                op=optimizer,
                node=optimizer.nodes.get(name, optimizer.node),
                message=f"{name} = {given:g} clips nothing: Keras clips where it is above 0",
                help=f"use {name}=1.0, or leave it out",
                fix=partial(_fix, graph, optimizer, name),
                # A setting that is 0 is a switch.
                level=Level.DEFAULT if given < 0 or is_written_in(optimizer, name) else Level.OPTIONAL,
                severity=Severity.WARNING,
            )


def _unclipped(value: Value) -> Op | None:
    """The gradients that a value is, as they were taken."""
    op = value.op
    if op is not None and op.name in _CLIPS:
        return None
    found = signed_gradient(value)
    return None if found is None or any(step.name in _CLIPS for step in value.producers()) else found[1]


def _fix(graph: Graph, optimizer: Op, name: str, r: Rewriter) -> Fix | None:
    if not replace_number(graph, r, optimizer, name, "1.0"):
        return None
    return r.fix(Applicability.UNSAFE, f"Use {name}=1.0")
