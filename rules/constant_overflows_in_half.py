"""NAN604 constant-overflows-in-half: a product or a mask with a constant that is infinite in float16.

## Why is this bad?

The largest float16 is 65504. The constant 1e9, with which masks push scores away before a softmax, is stored
as infinity, and so is anything from 65520 on (in bfloat16 from 3.39e38 on, which is the lowest float32).
`(1 - mask) * -1e9` is then `0 * -inf`, NaN, just where the mask lets something through, and one NaN makes the
whole row of a softmax NaN. Under the policy `mixed_float16` layers are given float16, so a mask that is cast
to the format of the scores does this without a float16 written anywhere.

`where(mask, scores, -1e9)` does not multiply. A softmax of scores that are all `-inf` is NaN all the same,
where -1e9 would have given equal weights: a row in which everything is masked, such as the padding to the
left of a sequence under a causal mask. This is reported with `--strict`, unless the mask is known to keep a
diagonal, or all but that.

## Example

```python
import tensorflow as tf

tf.keras.mixed_precision.set_global_policy("mixed_float16")


class Pool(tf.keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.score = tf.keras.layers.Dense(1)

    def call(self, x):
        scores = self.score(x)
        visible = tf.cast(tf.reduce_any(x != 0.0, axis=-1, keepdims=True), scores.dtype)
        scores += (1.0 - visible) * -1e9
        weights = tf.nn.softmax(tf.cast(scores, tf.float32), axis=1)
        return tf.reduce_sum(tf.cast(x, tf.float32) * weights, axis=1)


model = tf.keras.Sequential([Pool(), tf.keras.layers.Dense(1, dtype="float32")])
model.compile(optimizer=tf.keras.optimizers.Adam(0.01), loss="mse")
```

## Use instead

```python
import tensorflow as tf

tf.keras.mixed_precision.set_global_policy("mixed_float16")


class Pool(tf.keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.score = tf.keras.layers.Dense(1)

    def call(self, x):
        scores = self.score(x)
        visible = tf.cast(tf.reduce_any(x != 0.0, axis=-1, keepdims=True), scores.dtype)
        scores += (1.0 - visible) * -3e4
        weights = tf.nn.softmax(tf.cast(scores, tf.float32), axis=1)
        return tf.reduce_sum(tf.cast(x, tf.float32) * weights, axis=1)


model = tf.keras.Sequential([Pool(), tf.keras.layers.Dense(1, dtype="float32")])
model.compile(optimizer=tf.keras.optimizers.Adam(0.01), loss="mse")
```

Measured on 2048 generated sequences: the squared error after 640 steps is NaN for the example and 0.00 with
the fix (`pytest tests/test_training_proof.py -k NAN604`).

## Fix safety

Unsafe, and written only where the product goes into a softmax: 3e4, which Keras itself takes for float16,
leaves room for what it is added to. The weights of masked places are exactly 0 as with 1e9, unless scores lie
more than 29000 apart; a row in which everything is masked has other weights. A constant that another file
gives is left to you.

## References

* IEEE 754-2008, table 3.5: the largest binary16 is 65504; 7.2: 0 times infinity is invalid.
* [Mixed precision](https://www.tensorflow.org/guide/mixed_precision) of the TensorFlow guide: layers cast
  their inputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from tflint_nan.evidence import as_written, library
from tflint_nan.finding import Applicability, Fix, Level
from tflint_nan.graph import Graph, Report
from tflint_nan.interval import round_to
from tflint_nan.ops.policies import REDUCED
from tflint_nan.precision import blamed
from tflint_nan.registry import rule
from tflint_nan.remedies import replace_number
from tflint_nan.rewrite import Rewriter
from tflint_nan.shielding import monitored_only
from tflint_nan.value import Op
from tflint_nan.vectors import on_diagonal

#: What scores go through on their way to a softmax.
_ADDING = frozenset({"add", "sub", "neg", "join"})
#: An op, the name of the argument that it has a number for, and that number as it is written.
_Place = tuple[Op, str, float]


@rule("NAN604", "constant-overflows-in-half", needs=[("mul", "where")])
def check(graph: Graph) -> Iterator[Report]:
    """Products and masks in half precision with constants that it stores as infinite."""
    yield from _masks(graph)
    for op in graph.ops("mul"):
        dtype = op.value.dtype
        if dtype not in REDUCED or monitored_only(graph, op):
            continue
        for name, other in (("x", op.arg("y")), ("y", op.arg("x"))):
            given = as_written(op.arg(name))
            if given is None or math.isfinite(stored := round_to(given, dtype)) or 0.0 not in other.interval:
                continue
            if library(op) == "np":
                continue  # NumPy 1 computes in a format that has the constant
            report = Report(
                op=op,
                message=f"{given:g} is {stored:g} in {dtype}: 0 times it is NaN, any other product infinite",
                help="use a number that the format has, such as -3e4, or compute this in float32",
                because=() if other.op is None else ((other.op, f"{other.op.name}: may be 0"),),
                fix=partial(_fix, graph, [(op, name, given)]),
            )
            yield blamed(graph, report)


def _masks(graph: Graph) -> Iterator[Report]:
    """Softmaxes of scores that are masked, where nothing shows that a row keeps one of them."""
    masked: dict[Op, list[_Place]] = {}
    for op in graph.ops("where"):
        taker = _softmax(graph, op) if op.value.dtype in REDUCED else None
        # With a known diagonal a row keeps its own place, or all others.
        if taker is None or monitored_only(graph, taker) or on_diagonal(op.arg("condition")) is not None:
            continue
        for name in ("x", "y"):
            given = as_written(op.arg(name))
            if given is not None and math.isinf(round_to(given, op.value.dtype)):
                masked.setdefault(taker, []).append((op, name, given))
    for taker, places in masked.items():
        op, _, given = places[0]
        dtype = op.value.dtype
        stored = round_to(given, dtype)
        report = Report(
            op=op,
            message=f"{given:g} is {stored:g} in {dtype}: the softmax of a row that is all masked is NaN",
            help="use a number that the format has, such as -3e4, or compute this in float32",
            because=tuple((choice, f"{choice.name}: stands for what is masked") for choice, *_ in places),
            fix=partial(_fix, graph, places),
            level=Level.STRICT,
        )
        yield replace(blamed(graph, report), op=taker)


def _fix(graph: Graph, places: Sequence[_Place], r: Rewriter) -> Fix | None:
    if any(_softmax(graph, op) is None for op, *_ in places):
        r.decline("what the product is for is not known")
        return None
    for op, name, given in places:
        if not replace_number(graph, r, op, name, "3e4" if given > 0 else "-3e4"):
            return None
    return r.fix(Applicability.UNSAFE, "Use a number that float16 has")


def _softmax(graph: Graph, op: Op) -> Op | None:
    """The softmax that the scores go into, added to others on the way."""
    todo, seen = [op], {op.serial}
    for step in todo:
        for taker in graph.consumers(step):
            if taker.name == "softmax":
                return taker
            if taker.serial not in seen and (taker.flow or taker.name in _ADDING):
                seen.add(taker.serial)
                todo.append(taker)
    return None
