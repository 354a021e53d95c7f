"""NAN402 against TensorFlow: programs past the limit that is printed diverge, just under it they converge."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from lint import check

HEAD = "import numpy as np\nimport tensorflow as tf\n"
TAPE = """
optimizer = tf.keras.optimizers.SGD(learning_rate={rate})
for step in range({steps}):
    with tf.GradientTape() as tape:
        loss = {loss}
    optimizer.apply_gradients(zip(tape.gradient(loss, [w, b]), [w, b]))
"""
LINE = """
x = tf.constant(np.linspace(0.0, 4.0, 9), dtype=tf.float32)
y = 3.0 * x - 1.0
w, b = tf.Variable(0.5), tf.Variable(0.25)
"""
KERAS = """
{data}
model = tf.keras.Sequential([tf.keras.Input((x[0].size,)), tf.keras.layers.Dense(1)])
model.compile(optimizer=tf.keras.optimizers.SGD(learning_rate={{rate}}), loss="mse")
loss = model.fit(x, y, epochs={{steps}}, verbose=0).history["loss"][-1]
"""
PROGRAMS = {
    "mean": LINE + TAPE.replace("{loss}", "tf.reduce_mean(tf.square(w * x + b - y))"),
    "sum": LINE + TAPE.replace("{loss}", "tf.reduce_sum((w * x + b - y) ** 2)"),
    "half a sum": LINE + TAPE.replace("{loss}", "tf.nn.l2_loss(y - (x * w + b))"),
    "a parabola": LINE + TAPE.replace("{loss}", "tf.reduce_mean(tf.square(w * x ** 2 + b * x - y))"),
    "a matrix": """
x = tf.constant([[1.0, 2.0], [3.0, -1.0], [0.5, 1.0]])
y = tf.constant([[1.0], [2.0], [3.0]])
w, b = tf.Variable(tf.zeros([2, 1])), tf.Variable([0.1])
"""
    + TAPE.replace("{loss}", "tf.reduce_mean(tf.square(tf.matmul(x, w) + b - y))"),
    "a layer": KERAS.format(data="x = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 0.0]])\ny = x[:, :1] * 2"),
    "one feature": KERAS.format(data="x = np.arange(0.0, 5.0, 0.5)\ny = x * 2"),
    "standardised": KERAS.format(
        data="x = np.arange(0.0, 5.0, 0.5)\nx = (x - x.mean()) / x.std()\ny = x + 1"
    ),
}
STEPS = 400


def limits(text: str) -> list[float]:
    found = [finding.message for finding in check(HEAD + text) if finding.code == "NAN402"]
    return [float(re.search(r"λmax = (\S+) of", message)[1]) for message in found]  # type: ignore[index]


def trained(text: str) -> float:
    """The loss after training."""
    import keras

    keras.utils.set_random_seed(1)
    names: dict[str, Any] = {}
    exec(compile(HEAD + text, "program", "exec"), names)
    return float(names["loss"])


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_limit_is_where_training_diverges(name: str) -> None:
    def text(rate: float, steps: int = 1) -> str:
        return PROGRAMS[name].replace("{rate}", repr(rate)).replace("{steps}", str(steps))

    (limit,) = limits(text(1000.0))
    assert limits(text(1.02 * limit)), "silent past its own limit"
    assert not limits(text(0.98 * limit)), "speaks under its own limit"
    first, past, under = (
        trained(text(1e-6)),
        trained(text(1.1 * limit, STEPS)),
        trained(text(0.95 * limit, STEPS)),
    )
    assert not past < 1e6 * first, (first, past)
    assert math.isfinite(under)
    assert under <= first, (first, under)


def test_one_sample_after_another() -> None:
    text = """
x = np.array([[3.3], [4.4], [5.5], [6.7]])
y = np.array([[1.7], [2.8], [2.1], [3.2]])
model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
model.compile(optimizer=tf.keras.optimizers.SGD(learning_rate={rate}), loss="mse")
loss = model.fit(x, y, epochs=60, batch_size=1, verbose=0).history["loss"][-1]
"""
    # The lowest rate that is reported, to a tenth.
    texts = (text.replace("{rate}", repr(0.005 * 1.1**step)) for step in range(100))
    assert not trained(next(text for text in texts if limits(text))) < 1e6
