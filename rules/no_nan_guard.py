"""NAN407 no-nan-guard: nothing stops the training when its loss is NaN.

## Why is this bad?

One NaN in a loss is in every weight after the next step, and no later step takes it out again. `fit` goes on
through all its epochs, a loop through all its turns, and the checkpoints are overwritten meanwhile.
`TerminateOnNaN` ends `fit` with the batch in which the loss is NaN or infinite; `check_numerics` raises where
the loss is computed, before a step is taken.

Silent where a program looks for NaN itself, in anything that it computes from its weights; where `fit` gets
callbacks of the project's own or of libraries that are not known; and for estimators, whose hook does it.

This rule is on only where it is selected: most programs have no guard, and most never need it.

## Example

```python
import tensorflow as tf

model = tf.keras.Sequential([tf.keras.layers.Dense(16, activation="relu"), tf.keras.layers.Dense(1)])
model.compile(optimizer="adam", loss="mse")


def train(x, y):
    model.fit(x, y, epochs=100)
```

## Use instead

```python
import tensorflow as tf

model = tf.keras.Sequential([tf.keras.layers.Dense(16, activation="relu"), tf.keras.layers.Dense(1)])
model.compile(optimizer="adam", loss="mse")


def train(x, y):
    model.fit(x, y, epochs=100, callbacks=[tf.keras.callbacks.TerminateOnNaN()])
```

## Fix safety

Unsafe: training that went on with NaN ends. In a loop, `tf.debugging.check_numerics` raises
`InvalidArgumentError`.

## References

* [TerminateOnNaN](https://keras.io/api/callbacks/terminate_on_nan/),
  [tf.debugging.check_numerics](https://www.tensorflow.org/api_docs/python/tf/debugging/check_numerics),
  [tf.compat.v1.train.NanTensorHook](https://www.tensorflow.org/api_docs/python/tf/compat/v1/train/NanTensorHook).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import libcst as cst

from tflint_nan.descent import is_trained
from tflint_nan.evidence import takes
from tflint_nan.finding import Applicability, Fix, Level, Severity
from tflint_nan.graph import Graph, Report
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.steps import STEPS, Step, steps, taped
from tflint_nan.value import Const, Items, Op, sources
from tflint_nan.watch import callbacks, looks_for_nan, may_stop


@rule("NAN407", "no-nan-guard", Level.OPTIONAL, needs=[("fit", *STEPS)])
def check(graph: Graph) -> Iterator[Report]:
    """Training that goes on after a NaN."""
    if looks_for_nan(graph):
        return
    for fit in graph.ops("fit"):
        given = callbacks(fit) if takes(fit, "callbacks") else None
        if given is not None and not any(map(may_stop, given)):
            yield Report(
                op=fit,
                message="nothing ends this training when its loss is NaN: all later epochs train NaN",
                help="give fit the callback keras.callbacks.TerminateOnNaN()",
                fix=partial(_fix_fit, fit),
                severity=Severity.WARNING,
            )
    compiled = {op.serial for call in graph.ops("compile") for op in sources(call.arg("optimizer"))}
    specified = set[int]()
    for spec in graph.ops("estimator_spec"):
        specified |= {op.serial for name in ("loss", "train_op") for op in sources(spec.arg(name))}
    for step in steps(graph):
        losses = list(sources(step.loss))
        if step.optimizer.serial in compiled or step.op.arg("checked").literal:
            continue  # fit's business; a train op that checks
        if not is_trained(step.loss) or any(graph.escapes(loss) for loss in losses):
            continue  # who gives it, or gets it, may look
        if not specified & {op.serial for op in (step.op, *losses)}:
            yield Report(
                op=step.taken,
                message="nothing looks at the loss for NaN before its gradient goes into the weights",
                help="put tf.debugging.check_numerics around the loss",
                because=((losses[-1], f"{losses[-1].name}: the loss"),),
                fix=partial(_fix_step, step),
                severity=Severity.WARNING,
            )


def _fix_fit(fit: Op, r: Rewriter) -> Fix | None:
    """Add the callback to those that are there."""
    guard, node, given = (
        r.api("keras.callbacks.TerminateOnNaN"),
        fit.nodes.get("callbacks"),
        fit.arg("callbacks"),
    )
    if guard is None:
        return None
    if node is None:
        r.set_argument(fit.node, "callbacks", f"[{guard}()]")
    elif isinstance(given, Const):
        r.replace(node, f"[{guard}()]")
    elif isinstance(node, cst.List):
        text = r.text(node)
        if "#" in text:
            return None
        r.replace(node, _appended(text, f"{guard}()"))
    else:
        r.replace(node, f"[{'*' if isinstance(given, Items) else ''}{{given}}, {guard}()]", given=node)
    return r.fix(Applicability.UNSAFE, "End the training at a NaN")


def _appended(text: str, element: str) -> str:
    """The text of a list with one element more, on a row of its own where the last one has that."""
    inner = text[1:-1]
    body = inner.rstrip().removesuffix(",").rstrip()
    end, last = inner[len(body) :], body.rpartition("\n")[2]
    if not body.strip():
        return f"[{element}]"
    gap = "\n" + last[: len(last) - len(last.lstrip())] if "\n" in end else " "
    return f"[{body},{gap}{element}{end}]"


def _fix_step(step: Step, r: Rewriter) -> Fix | None:
    """Check the loss under the tape; in a graph where the gradient is taken."""
    f, loss, found = r.api("tf.debugging.check_numerics"), step.taken.nodes.get("loss"), taped(step)
    if f is None or loss is None:
        return None
    if found is not None:
        name, statement = found
        r.insert_after(statement, f'{name} = {f}({name}, "loss")')
    elif step.optimizer.api.startswith("tf.train."):
        r.replace(loss, f'{f}({{loss}}, "loss")', loss=loss)
    return r.fix(Applicability.UNSAFE, "Check the loss")
