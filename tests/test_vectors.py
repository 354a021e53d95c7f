"""Inner products, masks of pairs and what comes back to a root: each answer against TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from lint import check, settings

from tflint_nan.build import build
from tflint_nan.graph import Graph
from tflint_nan.source import Source
from tflint_nan.value import Op
from tflint_nan.vectors import apart, on_diagonal

HEAD = """import tensorflow as tf
def program(e, b, y):
    unit = tf.math.l2_normalize(e, 1)
    dot = tf.matmul(e, e, transpose_b=True)
    sq = tf.linalg.diag_part(dot)
    length = tf.norm(e, axis=1, keepdims=True)
"""
#: Sums that vanish where vectors are equal, and of how many tensors these are.
SUMS = {
    "sq[:, None] - 2.0 * dot + sq[None, :]": 1,
    "tf.expand_dims(sq, 0) + tf.expand_dims(sq, 1) - dot - dot": 1,
    "0.5 * sq - dot + sq[:, None] / 2.0": 1,
    "-(2 * dot - sq[:, None] - sq)": 1,
    "length ** 2 + tf.transpose(length ** 2) + tf.matmul(-2.0 * e, e, transpose_b=True)": 1,
    "tf.reduce_sum(e * e, 1)[:, None] - 2 * tf.einsum('id,jd->ij', e, e) + tf.reduce_sum(e ** 2, axis=1)": 1,
    "sq[:, None] - dot": 1,
    "2.0 - 2.0 * tf.matmul(unit, unit, transpose_b=True)": 1,
    "1.0 - unit @ tf.transpose(unit)": 1,
    "sq[:, None] - 2 * e @ tf.transpose(b) + tf.reduce_sum(b ** 2, 1)": 2,
    "1.0 - unit @ tf.transpose(tf.math.l2_normalize(b, 1))": 2,
}
#: Others, and the numbers that `b` is `e` times.
OTHERS = {
    "sq[:, None] - dot + sq[None, :]": 1.0,
    "sq[:, None] + 2.0 * dot + sq[None, :]": 1.0,
    "sq[:, None] - 2.0 * dot + sq[None, :] + 1e-3": 1.0,
    "2.0 - 2.0 * dot": 1.0,
    "1.0 - 2.0 * tf.matmul(unit, unit, transpose_b=True)": 1.0,
    "sq[:, None] - 2 * e @ tf.transpose(b) + sq": 2.0,
    "sq[:, None] - e @ tf.transpose(b)": 2.0,
}
#: Masks of pairs, by the number on their diagonal (None: several, or not known).
MASKS = {
    "tf.eye(4)": 1,
    "1.0 - tf.eye(4)": 0,
    "tf.eye(4) < 0.5": 0,
    "tf.logical_not(tf.cast(tf.eye(4), tf.bool))": 0,
    "tf.equal(y[:, None], y[None, :])": 1,
    "tf.not_equal(tf.expand_dims(y, 0), tf.expand_dims(y, 1))": 0,
    "y[:, None] < y[None, :]": 0,
    "tf.logical_and(tf.equal(y[:, None], y), tf.logical_not(tf.cast(tf.eye(4), tf.bool)))": 0,
    "tf.logical_or(tf.cast(tf.eye(4), tf.bool), e[:, :1] > 0.0)": 1,
    "tf.cast(y[:, None] >= y, tf.float32) - tf.eye(4)": 0,
    "tf.ones([4, 4]) - 2.0 * tf.eye(4)": -1,
    "tf.logical_and(y[:, None] <= y, y[:, None] <= y)": 1,
    "tf.linalg.set_diag(dot, tf.zeros([4]))": 0,
    "(1.0 - tf.eye(4)) * dot": 0,
    "tf.linalg.band_part(tf.ones([4, 4]), -1, 0)": 1,
    "tf.cast(e[:, :1] > 0.0, tf.float32) * tf.ones([4, 4])": None,
    "dot": None,
}


def graph(expression: str) -> Graph:
    return build(Source("case.py", f"{HEAD}    return {expression}\n"), settings(strict=True).thresholds)


def diagonal(expression: str, times: float = 1.0) -> np.ndarray:
    """The diagonal of the expression for four rows `e`, and `b` that are these rows `times` a number."""
    names: dict[str, Any] = {}
    exec(f"{HEAD}    return {expression}\n", names)
    rows = tf.constant(np.random.default_rng(0).normal(size=(4, 3)), tf.float32)
    return np.diag(names["program"](rows, times * rows, tf.range(4)).numpy())


def last(expression: str) -> Op:
    return list(graph(expression).ops())[-1]


@pytest.mark.parametrize("expression", SUMS)
def test_sums_that_vanish_where_vectors_are_equal(expression: str) -> None:
    vectors = apart(last(expression))
    assert vectors is not None
    assert len(vectors) == SUMS[expression]
    assert np.abs(diagonal(expression)).max() < 1e-5


@pytest.mark.parametrize("expression", OTHERS)
def test_sums_that_do_not(expression: str) -> None:
    assert apart(last(expression)) is None
    assert np.abs(diagonal(expression, OTHERS[expression])).max() > 5e-4


@pytest.mark.parametrize("expression", MASKS)
def test_masks_of_pairs_on_the_diagonal(expression: str) -> None:
    expected = MASKS[expression]
    assert on_diagonal(last(expression).value) == expected
    numbers = set(diagonal(expression).astype(float))
    assert numbers == {expected} or (expected is None and len(numbers) > 1)


def test_a_triangle_may_leave_the_diagonal_out() -> None:
    expression = "tf.keras.ops.triu(tf.ones([4, 4]), 1)"
    assert on_diagonal(last(expression).value) is None
    assert set(diagonal(expression)) == {0.0}


PROGRAM = """import tensorflow as tf
dense = tf.keras.layers.Dense(3)
optimizer = tf.keras.optimizers.Adam()
def program(e):
    products = tf.matmul(e, e, transpose_b=True)
    squares = tf.linalg.diag_part(products)
    apart = squares[:, None] - 2.0 * products + squares[None, :]
    return {}
def step(x):
    with tf.GradientTape() as tape:
        loss = program(dense(x))
    optimizer.apply_gradients(zip(tape.gradient(loss, dense.weights), dense.weights))
step(tf.ones([4, 4]))
"""
#: What is done with distances of rows of which no two are equal.
LOSSES = (
    "tf.reduce_mean(tf.sqrt(tf.maximum(apart, 0.0)))",
    "tf.reduce_mean(tf.sqrt(tf.maximum(0.0, apart)))",
    "tf.reduce_mean(tf.sqrt(tf.nn.relu(apart)))",
    "tf.reduce_mean(tf.sqrt(tf.abs(apart)))",
    "tf.reduce_mean(tf.pow(tf.maximum(apart, 0.0), 0.5) * (1.0 - tf.eye(4)))",
    "tf.reduce_mean(tf.sqrt(tf.maximum(apart, 0.0)) * (1.0 - tf.eye(4)))",
    "tf.reduce_mean(tf.sqrt(tf.maximum(apart, 0.0)) * tf.eye(4))",
    "tf.reduce_mean(tf.square(tf.sqrt(tf.maximum(apart, 0.0))))",
    "tf.reduce_mean(tf.reduce_max(tf.sqrt(tf.maximum(apart, 0.0)), 1))",
    "tf.reduce_mean(tf.reduce_min(tf.sqrt(tf.maximum(apart, 0.0)), 1))",
    "tf.reduce_mean(tf.reduce_min(tf.sqrt(tf.maximum(apart, 0.0)) + 1e9 * tf.eye(4), 1))",
    "tf.reduce_mean(tf.reduce_max(tf.sqrt(tf.maximum(apart, 0.0)) - 1e9 * tf.eye(4), 1))",
    "tf.reduce_mean(tf.exp(-tf.sqrt(tf.maximum(apart, 0.0))))",
    "tf.reduce_mean(tf.exp(-tf.sqrt(tf.maximum(apart, 0.0))) * (1.0 - tf.eye(4)))",
    "tf.reduce_mean(tf.linalg.set_diag(tf.sqrt(tf.maximum(apart, 0.0)), tf.zeros([4])))",
    "tf.reduce_mean(tf.sqrt(tf.linalg.set_diag(tf.maximum(apart, 0.0), tf.ones([4]))))",
    "tf.reduce_mean(tf.boolean_mask(tf.sqrt(tf.maximum(apart, 0.0)), tf.eye(4) < 0.5))",
    "tf.reduce_mean(tf.sqrt(tf.maximum(apart, 0.0) + 1e-12))",
    "tf.reduce_mean(tf.sqrt(tf.maximum(apart, 1e-12)))",
)


@pytest.mark.parametrize("loss", LOSSES)
def test_distances_are_told_where_the_gradient_is_nan(loss: str) -> None:
    text = PROGRAM.format(loss)
    names: dict[str, Any] = {}
    exec(text.replace("step(tf.ones([4, 4]))\n", ""), names)
    rows = tf.constant(np.random.default_rng(0).normal(size=(4, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(rows)
        value = names["program"](rows)
    gradient = tape.gradient(value, rows)
    broken = bool(np.isnan(gradient.numpy()).any())
    assert ("NAN106" in {finding.code for finding in check(text)}) == broken
