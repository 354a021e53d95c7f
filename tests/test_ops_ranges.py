"""Ranges are not only sound but as narrow as mathematics has them: a wide one hides a guard."""

from __future__ import annotations

import math

import pytest

from tflint_nan.build import build
from tflint_nan.source import Source

HEAD = "import tensorflow as tf\nw = tf.Variable([[1.0]])\np = tf.compat.v1.placeholder(tf.float32)\n"
INF = math.inf
ANY = (-INF, INF)
#: Rows of length 1 above each other.
STACKED = "tf.concat([tf.nn.l2_normalize(w, -1), tf.nn.l2_normalize(p, -1)], 0)"


def by_hand(name: str) -> str:
    """Rows over their lengths."""
    return f"({name} * tf.math.rsqrt(tf.maximum(tf.reduce_sum(tf.square({name}), -1, keepdims=True), 1e-12)))"


#: Expression -> range over all float32 operands, from the function's definition.
RANGES = {
    "tf.nn.relu(w)": (0, INF),
    "tf.keras.layers.Dense(3, activation='relu')(w)": (0, INF),
    "tf.nn.relu(p)": (0, INF),
    "tf.nn.relu6(w)": (0, 6),
    "tf.sigmoid(w)": (0, 1),
    "tf.nn.softmax(w)": (0, 1),
    "tf.tanh(w)": (-1, 1),
    "tf.exp(w)": (0, INF),
    "tf.math.softplus(p)": (0, INF),
    "tf.square(p)": (0, INF),
    "w * w": (0, INF),
    "p ** 2": (0, INF),
    "tf.abs(p)": (0, INF),
    "tf.norm(w)": (0, INF),
    "tf.reduce_sum(tf.square(p))": (0, INF),
    "tf.math.reduce_std(p)": (0, INF),
    "tf.nn.moments(p, [0])[1]": (0, INF),
    "w - tf.reduce_max(w)": (-INF, 0),
    "tf.reduce_sum(tf.exp(w - tf.reduce_max(w)))": (1, INF),
    "tf.nn.l2_normalize(w)": (-1, 1),
    "tf.clip_by_value(w, -0.5, 2.0)": (-0.5, 2),
    "tf.one_hot(p, 3)": (0, 1),
    "1.0 / (1.0 + tf.exp(-w))": (0, 1),
    "tf.keras.losses.mean_squared_error(p, w)": (0, INF),
    "tf.nn.dropout(tf.nn.relu(w), 0.5)": (0, INF),
    "tf.nn.max_pool2d(tf.nn.relu(w), 1, 1, 'SAME')": (0, INF),
    "tf.random.uniform([3], 0.25, 1.0)": (0.25, 1),
    "tf.reshape(tf.sigmoid(w), [-1])": (0, 1),
    "tf.concat([tf.sigmoid(w), tf.tanh(w)], 0)": (-1, 1),
    "tf.where(w > 0.5, w, 1.0)": (0.5, INF),
    "tf.atan2(p, w)": (-math.pi, math.pi),
    "tf.linalg.diag_part(tf.linalg.cholesky(p))": (2.0**-126, INF),
    "tf.linalg.svd(p, compute_uv=False)": (0, INF),
    "tf.linalg.det(p)": (-INF, INF),
    "tf.linalg.norm(tf.sigmoid(tf.ones([4])) + 1.0)": (1.731059, 4 * 1.731059),
    "tf.matmul(tf.nn.l2_normalize(w, -1), tf.nn.l2_normalize(p, -1), transpose_b=True)": (-1.01, 1.01),
    "tf.reduce_sum(tf.nn.l2_normalize(w, -1) * tf.nn.l2_normalize(p, -1), -1)": (-1.01, 1.01),
    f"tf.matmul({STACKED}, {STACKED}, transpose_b=True)": (-1.01, 1.01),
    f"tf.einsum('id,jd->ij', {STACKED}, tf.nn.l2_normalize(p, -1)[:5])": (-1.01, 1.01),
    "tf.einsum('...d,...d->...', tf.nn.l2_normalize(w, -1), tf.nn.l2_normalize(p, -1))": (-1.01, 1.01),
    f"tf.matmul({by_hand('w')}, {by_hand('p')}, transpose_b=True)": (-1.01, 1.01),
    f"tf.reduce_sum({by_hand('w')} * tf.nn.l2_normalize(p, -1), [-1])": (-1.01, 1.01),
    # No rows of length 1: put together along themselves, cut, measured along another axis, of any length.
    "tf.matmul(tf.concat([tf.nn.l2_normalize(p, -1)] * 2, -1), tf.nn.l2_normalize(w), transpose_b=True)": ANY,
    "tf.matmul(tf.concat([tf.nn.l2_normalize(p, 0)] * 2, 0), tf.nn.l2_normalize(w), transpose_a=True)": ANY,
    "tf.matmul(tf.nn.l2_normalize(p, 0), tf.nn.l2_normalize(p, 0), transpose_b=True)": ANY,
    "tf.reduce_sum(tf.concat([tf.nn.l2_normalize(p, -1)] * 2, 0) * tf.nn.l2_normalize(p, -1), -1)": ANY,
    "tf.einsum('id,jd->d', tf.nn.l2_normalize(w, -1), tf.nn.l2_normalize(p, -1))": ANY,
    "tf.matmul(p / tf.norm(p), tf.nn.l2_normalize(p, -1), transpose_b=True)": ANY,
    "tf.matmul(p / tf.norm(p, axis=-1, keepdims=True), tf.nn.l2_normalize(w), transpose_b=True)": ANY,
    "tf.matmul(p / (tf.norm(p, axis=-1) + 1e-6), tf.nn.l2_normalize(p, -1), transpose_b=True)": ANY,
    "tf.matmul(p * tf.transpose(tf.math.rsqrt(tf.reduce_sum(p * p, -1, keepdims=True) + 1e-6)), "
    "tf.nn.l2_normalize(p, -1), transpose_b=True)": ANY,
    "tf.reduce_max(p, 0) - tf.reduce_min(p, 0)": (0, INF),
    "tf.random.gamma([3], 2.0)": (2.0**-126, INF),
    "tf.random.poisson([3], 2.0)": (0, INF),
    "tf.signal.hann_window(8)": (0, 1),
    "tf.abs(tf.signal.stft(p, 4, 2))": (0, INF),
    "tf.image.total_variation(p)": (0, INF),
    "tf.image.adjust_gamma(tf.sigmoid(p), 2.0)": (0, 1.01),
    "tf.nn.lrn(tf.tanh(p))": (-1, 1),
    "tf.scatter_nd([[1]], tf.nn.relu(p), [8])": (0, INF),
    "tf.tensor_scatter_nd_max(tf.sigmoid(p), [[1]], tf.tanh(w))": (-1, 1),
    "tf.math.unsorted_segment_mean(tf.sigmoid(p), [0, 1], 2)": (0, 1),
    "tf.math.confusion_matrix(p, w)": (0, INF),
    "tf.add_n([tf.nn.l2_loss(v) for v in variables])": (0, INF),
}


@pytest.mark.parametrize("expression", RANGES)
def test_as_narrow_as_the_definition(expression: str) -> None:
    graph = build(Source("program.py", f"{HEAD}y = {expression}\n"), {})
    made = list(graph.ops())[-1].value.interval
    lo, hi = RANGES[expression]
    assert made.lo == pytest.approx(lo, rel=1e-5)
    assert made.hi == pytest.approx(hi, rel=1e-5)
