"""Products of rows of length 1: their bounds hold in TensorFlow, and the 1 claimed is reached there."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tflint_nan.build import build
from tflint_nan.source import Source
from tflint_nan.value import Value

HEAD = """import tensorflow as tf
w = tf.Variable(tf.ones([6, 4]))
p = tf.compat.v1.placeholder(tf.float32, [6, 4])
q = tf.compat.v1.placeholder(tf.float32, [6, 4])
"""
UNIT = "tf.math.l2_normalize({0}, -1)"
#: Rows over their lengths, by hand.
GUARDED = (
    "({0} / tf.sqrt(tf.reduce_sum({0} ** 2, axis=-1, keepdims=True) + 1e-12))",
    "({0} * tf.math.rsqrt(tf.maximum(tf.reduce_sum(tf.square({0}), axis=1, keepdims=True), 1e-12)))",
    "({0} / tf.maximum(tf.norm({0}, axis=-1, keepdims=True), 1e-6))",
    "({0} / (tf.linalg.norm({0}, axis=1, keepdims=True) + 1e-8))",
)
#: Products of the rows of two tensors, or of some of them.
PRODUCTS = (
    "tf.matmul({0}, {1}, transpose_b=True)",
    "{0} @ tf.transpose({1})",
    "tf.matmul(tf.transpose({0}, [1, 0]), tf.linalg.matrix_transpose({1}), transpose_a=True)",
    "tf.reduce_sum({0} * {1}, axis=-1)",
    "tf.einsum('id,jd->ij', {0}, {1})",
    "tf.tensordot({0}, {1}, axes=[[1], [1]])",
    "tf.tensordot({0}, tf.transpose({1}), axes=1)",
    "tf.keras.layers.Dot(axes=1)([{0}, {1}])",
    "tf.matmul(tf.concat([{0}, {1}], 0), tf.concat([{1}, {0}], axis=0), transpose_b=True)",
    "tf.matmul({0}[:3], {1}[:, :][1:], transpose_b=True)",
    "tf.matmul(tf.split({0}, 2)[0], tf.stop_gradient({1}), transpose_b=True)",
)
#: Programs that multiply such rows in each way.
BOUNDED = [
    *(product.format(UNIT.format("w"), UNIT.format("p")) for product in PRODUCTS),
    *(PRODUCTS[0].format(rows.format("w"), rows.format("p")) for rows in GUARDED),
    "tf.keras.layers.Dot(axes=(1, -1), normalize=True)([w, p])",
]
#: The inner product over both lengths, which nothing bounds: those of short vectors are 0.
QUOTIENTS = [
    "tf.reduce_sum(w * p, -1) / (tf.norm(w, axis=-1) * tf.norm(p, axis=-1))",
    "tf.matmul(w, p, transpose_b=True) / (tf.norm(w, axis=1)[:, None] * tf.norm(p, axis=1) + 1e-8)",
    "tf.einsum('id,jd->ij', w, p) / tf.norm(w, axis=1, keepdims=True) / tf.norm(p, axis=1)[tf.newaxis, :]",
    "tf.reduce_sum(p * w, 1) / (tf.sqrt(tf.reduce_sum(w**2, 1)) * tf.sqrt(tf.reduce_sum(p * p, 1)))",
]


def known(expression: str) -> Value:
    return list(build(Source("program.py", f"{HEAD}y = {expression}\n"), {}).ops())[-1].value


def computed(expression: str, w: np.ndarray, p: np.ndarray) -> np.ndarray:
    return np.asarray(eval(expression, {"tf": tf, "w": tf.constant(w), "p": tf.constant(p)}))


@pytest.mark.parametrize("expression", BOUNDED)
def test_their_products_stay_within_the_bounds(expression: str) -> None:
    rng = np.random.default_rng(0)
    value = known(expression)
    assert value.interval.hi < 1.1
    for scale in (1e-30, 1e-21, 1e-19, 1e-7, 1.0, 1e15, 1e19, 1e30):
        w = (scale * rng.normal(size=(6, 4))).astype(np.float32)
        found = computed(expression, w, w)
        assert value.interval.lo <= found.min() <= found.max() <= value.interval.hi


@pytest.mark.parametrize("expression", [*BOUNDED, *QUOTIENTS])
def test_the_same_vectors_reach_1(expression: str) -> None:
    assert 1.0 in [witness.value for witness in known(expression).witnesses]
    w = np.random.default_rng(1).normal(size=(1, 4)).astype(np.float32).repeat(6, 0)
    assert computed(expression, w, w).max() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("rows", [UNIT, *GUARDED])
def test_each_row_is_multiplied_with_itself(rows: str) -> None:
    expression = f"tf.matmul({rows.format('p')}, tf.stop_gradient({rows.format('p')}), transpose_b=True)"
    text = f"{HEAD}u = {rows.format('p')}\ny = tf.matmul(u, tf.stop_gradient(u), transpose_b=True)\n"
    value = list(build(Source("program.py", text), {}).ops())[-1].value
    assert [witness.value for witness in value.witnesses] == [1.0]
    p = np.random.default_rng(2).normal(size=(6, 4)).astype(np.float32)
    assert np.diag(computed(expression, p, p)) == pytest.approx(np.ones(6), abs=1e-6)


@pytest.mark.parametrize(
    "expression",
    [
        # Data and data: nobody knows that two of them are alike.
        "tf.matmul(tf.math.l2_normalize(p, -1), tf.math.l2_normalize(q, -1), transpose_b=True)",
        # Parts of longer vectors, and vectors side by side.
        "tf.matmul(tf.math.l2_normalize(w, -1)[:, :2], tf.math.l2_normalize(w, -1)[:, :2], transpose_b=True)",
        "tf.reduce_sum(tf.concat([tf.math.l2_normalize(w, 0)] * 2, 0) * w, 0)",
        "tf.tensordot(tf.math.l2_normalize(w, 1), tf.math.l2_normalize(w, 1), axes=1)",
        "tf.tensordot(tf.math.l2_normalize(w, 1), tf.math.l2_normalize(p, 1), axes=2)",
        # Sums of several cosines.
        "tf.reduce_sum(tf.math.l2_normalize(w, 1) * tf.math.l2_normalize(p, 1), axis=[0, 1])",
        "tf.tensordot(tf.math.l2_normalize(w, 1), tf.math.l2_normalize(p, 1), axes=[[0, 1], [0, 1]])",
        # Columns of length 1, multiplied along rows.
        "tf.matmul(tf.math.l2_normalize(w, 0), tf.math.l2_normalize(w, 0), transpose_b=True)",
        # Over the length of another vector, over its square.
        "tf.reduce_sum(w * p, -1) / (tf.norm(w, axis=-1) * tf.norm(q, axis=-1))",
        "tf.reduce_sum(w * p, -1) / (tf.norm(w, axis=-1) * tf.reduce_sum(p * p, axis=-1))",
        # All rows over one length.
        "tf.matmul(w / tf.norm(w), w / tf.norm(w), transpose_b=True)",
    ],
)
def test_nothing_is_claimed_of_others(expression: str) -> None:
    assert 1.0 not in [witness.value for witness in known(expression).witnesses]


def test_what_nothing_keeps_off_0_has_no_bounds() -> None:
    rows = "(w / tf.norm(w, axis=-1, keepdims=True))"
    expression = PRODUCTS[0].format(rows, rows)
    assert known(expression).interval.hi == np.inf
    tiny = np.full((6, 4), 1e-30, np.float32)
    assert not np.abs(computed(expression, tiny, tiny)).max() <= 1.1
