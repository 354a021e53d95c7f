"""What graphs make of an epsilon beside another constant: NAN104 says what TensorFlow does.

Grappler and XLA add constants first; written in Python, and run op by op, the same sums guard.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from lint import check

#: A guard of `1 - p` where p is 1. Lost in graphs:
LOST = [
    *(
        "1.0 - p + 1e-8",
        "1.0 - p + 1e-10",
        "1e-9 + (1.0 - p)",
        "-p + 1.0 + 1e-9",
        "tf.constant(1.0) - p + 1e-9",
    ),
    *("tf.add(tf.subtract(1.0, p), 1e-9)", "(1.0 - p) + tf.constant(1e-9)", "2.0 - p - 1.0 + 1e-9"),
]
#: Kept: the epsilon is large enough, or no sum.
KEPT = [
    *("1.0 - p + 1e-7", "1e-6 + (1.0 - p)", "tf.maximum(1.0 - p, 1e-10)", "tf.nn.relu(1.0 - p) + 1e-9"),
    *(
        "tf.abs(1.0 - p) + 1e-9",
        "tf.square(1.0 - p) + 1e-12",
        "(1.0 - p) * 0.5 + 1e-9",
        "p + 1e-10 - p * 0.5",
    ),
]


def program(guard: str) -> str:
    return f"import tensorflow as tf\ndef loss(z):\n    p = tf.sigmoid(z)\n    return -tf.math.log({guard})\n"


def smallest(guard: str, **options: bool) -> float:
    """The largest loss that a graph computes where the sigmoid is 0, 1, and between."""
    names: dict[str, object] = {}
    exec(program(guard), names)
    compiled = tf.function(names["loss"], input_signature=[tf.TensorSpec([None])], **options)
    return float(np.max(compiled(tf.constant([-200.0, 0.5, 200.0]))))


def codes(guard: str) -> list[str]:
    return [finding.code for finding in check(program(guard))]


@pytest.mark.parametrize("guard", LOST)
def test_lost_in_a_graph(guard: str) -> None:
    assert smallest(guard) == np.inf
    assert codes(guard) == ["NAN104"]


@pytest.mark.parametrize("guard", KEPT)
def test_kept_in_a_graph(guard: str) -> None:
    assert np.isfinite(smallest(guard))
    assert np.isfinite(smallest(guard, jit_compile=True))
    assert codes(guard) == []


def test_op_by_op_the_epsilon_counts() -> None:
    assert np.isfinite(float(tf.math.log(1.0 - tf.constant(1.0) + 1e-10)))


def test_a_loss_of_keras_is_a_graph() -> None:
    """`fit` compiles the loss, so the first wrong and certain prediction makes it infinite."""
    names: dict[str, object] = {"tf": tf}
    exec("def loss(y, p):\n    return -tf.reduce_mean((1 - y) * tf.math.log(1.0 - p + 1e-10))\n", names)
    certain = tf.keras.layers.Dense(
        1, activation="sigmoid", bias_initializer=tf.keras.initializers.Constant(60.0)
    )
    model = tf.keras.Sequential([certain])
    model.compile("sgd", names["loss"])
    history = model.fit(np.zeros((4, 2), "float32"), np.zeros((4, 1), "float32"), verbose=0)
    assert history.history["loss"] == [np.inf]


def test_programs_of_tensorflow_1_are_strict() -> None:
    text = "import tensorflow as tf\nz = tf.layers.dense(tf.placeholder(tf.float32, [None, 4]), 1)\n"
    text += "loss = -tf.reduce_mean(tf.log(1 - tf.sigmoid(z) + 1e-10))\n"
    assert check(text) == []
    assert [finding.code for finding in check(text, strict=True)] == ["NAN104"]
