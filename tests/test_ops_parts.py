"""What an index or a split takes out of tensors that were put together: TensorFlow says which part it is."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tflint_nan.build import build
from tflint_nan.source import Source

SETUP = """
a = 1.0 * tf.ones([3, 2])
b = 10.0 * tf.ones([3, 2])
c = 100.0 * tf.ones([3, 1])
row = tf.concat([a, b, c], axis=1)
last = tf.concat([a, b, c], -1)
column = tf.concat([a, b], 0)
pile = tf.stack([a, b])
deep = tf.stack([a, b], axis=-1)
nested = tf.concat([row, 1000.0 * c], 1)
open = tf.concat([a[:, :n], c], 1)
between = tf.concat([a, b[:, :n], c], -1)
"""
#: Of these the range is that of the part alone.
NARROW = [
    *("row[:, 0]", "row[:, 1]", "row[:, 2]", "row[:, 4]", "row[:, -1]", "row[:, -2]", "row[:, -5]"),
    *("row[:, :2]", "row[:, 2:4]", "row[:, 4:]", "row[:, -1:]", "row[:, 1:2]", "row[..., 3]", "row[..., 4:]"),
    *("row[0, 3]", "row[1:, 2:3]", "row[:, None, 4]", "row[..., None, 3]", "row[:, tf.newaxis, 2:4]"),
    *("last[..., -1]", "last[:, 3]", "column[0]", "column[4]", "column[:3]", "column[3:]", "column[5, 1]"),
    *("pile[0]", "pile[1]", "pile[-1]", "pile[1, :, 0]", "deep[..., 0]", "deep[..., 1]", "deep[:, 0, 1]"),
    *("nested[:, 0]", "nested[:, 3]", "nested[:, 5]"),
    *("open[:, :-1]", "open[..., :-1]", "open[:, -1]", "open[:, -1:]", "open[:, 0:-1]", "between[:, -1]"),
    *("tf.split(open, [n, 1], 1)[0]", "tf.split(open, [n, 1], -1)[1]", "tf.split(open, [-1, 1], axis=1)[0]"),
    *("tf.split(row, [2, 2, 1], 1)[0]", "tf.split(row, [2, 2, 1], 1)[2]", "tf.split(row, 5, axis=1)[3]"),
    *("tf.split(last, 5, -1)[4]", "tf.split(column, 2)[1]", "tf.split(row, [1, 3, 1], axis=-1)[0]"),
    *(
        "tf.unstack(pile)[1]",
        "tf.unstack(deep, axis=-1)[0]",
        "tf.unstack(row, axis=1)[4]",
        "tf.unstack(column)[0]",
    ),
]
#: Of these it holds several parts, whole.
WIDE = [
    *("row", "row[0]", "row[:, :]", "row[:, 1:3]", "row[:, ::2]", "row[:, ::-1]", "row[...]", "column[:, 0]"),
    *("open[:, 1:]", "open[:, n - 1:]", "open[:, -2:]", "between[:, :-1]", "between[:, -2:]"),
    *("pile[:, 0]", "deep[0]", "deep[..., :]", "tf.split(row, [3, 2], 1)[0]", "tf.split(pile, 3, 1)[0]"),
    *(
        "tf.unstack(row, axis=0)[0]",
        "tf.unstack(deep)[2]",
        "row[:, i]",
        "row[i:, 2:]",
        "pile[0:2]",
        "row[:, 2:][:, 2]",
    ),
]


def compared(expression: str) -> tuple[tuple[float, float], np.ndarray]:
    """The range that the analysis gives, and the numbers that TensorFlow computes."""
    text = f"import tensorflow as tf\n{SETUP}out = tf.identity({expression})\n"
    names: dict[str, object] = {"tf": tf, "i": 1, "n": 2}
    exec(SETUP, names)
    graph = build(Source.from_bytes("train.py", text.encode()), {})
    (made,) = graph.ops("identity")
    return (made.value.interval.lo, made.value.interval.hi), eval(expression, names).numpy()


@pytest.mark.parametrize("expression", NARROW)
def test_the_range_of_a_part(expression: str) -> None:
    interval, numbers = compared(expression)
    assert interval == (numbers.min(), numbers.max())


@pytest.mark.parametrize("expression", WIDE)
def test_the_range_of_several_parts(expression: str) -> None:
    interval, numbers = compared(expression)
    assert interval[0] <= numbers.min()
    assert numbers.max() <= interval[1]
