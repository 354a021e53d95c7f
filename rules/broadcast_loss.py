"""NAN213 broadcast-loss: a column of predictions is compared with a row of labels.

## Why is this bad?

The difference of shapes (N, 1) and (N,) has the shape (N, N): every prediction minus every label. Its mean
square is smallest where all predictions are the mean of the labels, so that this is what the model learns,
whatever the inputs are. Nothing fails, and the loss stops near the variance of the labels.

Keras's own losses and `compile` bring the two ranks together; arithmetic does not. The rule speaks where both
shapes are known and both lengths are the same or both are the batch.

## Example

```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 8])
y = tf.placeholder(tf.float32, [None])
prediction = tf.layers.dense(x, 1)
loss = tf.reduce_mean(tf.square(prediction - y))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

## Use instead

```python
import tensorflow as tf

x = tf.placeholder(tf.float32, [None, 8])
y = tf.placeholder(tf.float32, [None])
prediction = tf.layers.dense(x, 1)
loss = tf.reduce_mean(tf.square(tf.squeeze(prediction, axis=-1) - y))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
```

Measured on 2048 generated rows of 8 features: the squared error after 3000 steps is 0.86 for the example and
0.00 with the fix (`pytest tests/test_training_proof.py -k NAN213`).

## Fix safety

Unsafe: the loss is another number, that of N pairs. The column is squeezed where it is subtracted.

## References

* NumPy manual, "Broadcasting".
* Y. Zhang et al., "An Empirical Study on TensorFlow Program Bugs", ISSTA 2018: unaligned tensors.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tflint_nan.finding import Applicability, Fix
from tflint_nan.graph import DIFFERENTIATING, Graph, Report
from tflint_nan.registry import rule
from tflint_nan.rewrite import Rewriter
from tflint_nan.targets import is_data
from tflint_nan.training import WEIGHTED, is_output
from tflint_nan.value import Op, Value


@rule("NAN213", "broadcast-loss", needs=[("sub", "squared_difference"), DIFFERENTIATING, WEIGHTED])
def check(graph: Graph) -> Iterator[Report]:
    """Differences of a column and a row, of which one is predicted and one given."""
    for op in graph.ops("sub", "squared_difference"):
        for name, other in (("x", "y"), ("y", "x")):
            column, row = op.arg(name), op.arg(other)
            if not _crosses(column, row) or not graph.in_loss(op):
                continue
            if (is_output(column) and is_data(row)) or (is_output(row) and is_data(column)):
                yield Report(
                    op=op,
                    message="the shapes (N, 1) and (N,) make a difference of shape (N, N): every prediction "
                    "is compared with every label, and the model learns their mean",
                    help="bring both to one shape: tf.squeeze(..., axis=-1)",
                    because=tuple((v.op, f"shape {_shown(v)}") for v in (column, row) if v.op is not None),
                    fix=partial(_fix, op, name),
                )
                break


def _crosses(column: Value, row: Value) -> bool:
    """True for the shapes (n, 1) and (n,), n not 1: the same length, or the batch both times."""
    if column.shape is None or row.shape is None or len(column.shape) != 2 or len(row.shape) != 1:
        return False
    return column.shape[1] == 1 and column.shape[0] == row.shape[0] != 1


def _shown(value: Value) -> str:
    lengths = ["N" if length is None else str(length) for length in value.shape or ()]
    return f"({lengths[0]},)" if len(lengths) == 1 else f"({', '.join(lengths)})"


def _fix(op: Op, name: str, r: Rewriter) -> Fix | None:
    squeeze, node = r.api("tf.squeeze"), op.nodes.get(name)
    if squeeze is None or node is None:
        return None
    r.replace(node, "{f}({x}, axis=-1)", f=squeeze, x=node)
    return r.fix(Applicability.UNSAFE, "Squeeze the column")
