"""What the rules about training say in numbers, computed by TensorFlow."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from lint import check, fix


def witness(text: str, code: str) -> tuple[str, list[float]]:
    """The witness of the one finding of `code`, and the numbers in it."""
    (found,) = [finding for finding in check(text) if finding.code == code]
    assert found.witness is not None
    return found.witness, [
        float(number) for number in re.findall(r"(?<![\w.])-?\d[\d.]*(?:e-?\d+)?", found.witness)
    ]


SIGMOID_MSE = """
import tensorflow as tf
x = tf.placeholder(tf.float32, [None, 3])
y = tf.placeholder(tf.float32, [None, 1])
p = tf.sigmoid(tf.layers.dense(x, 1))
loss = tf.reduce_mean(tf.square(p - y))
train = tf.train.AdamOptimizer().minimize(loss)
"""


def test_squared_error_of_a_saturated_sigmoid_has_no_gradient() -> None:
    _, (logit, label, output, error, gradient, fused) = witness(SIGMOID_MSE, "NAN201")
    z = tf.Variable(logit)
    with tf.GradientTape(persistent=True) as tape:
        p = tf.sigmoid(z)
        squared = tf.square(p - label)
        cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=label, logits=z)
    assert (p.numpy(), squared.numpy()) == (output, error)
    assert abs(tape.gradient(squared, z).numpy()) == gradient == 0
    assert abs(tape.gradient(cross_entropy, z).numpy()) == fused == 1


@pytest.mark.parametrize("classes", [2, 10])
def test_second_softmax_keeps_the_loss_up(classes: int) -> None:
    text = f"""
import tensorflow as tf
x = tf.placeholder(tf.float32, [None, 8])
y = tf.placeholder(tf.float32, [None, {classes}])
p = tf.nn.softmax(tf.layers.dense(x, {classes}))
loss = tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=p)
"""
    told, numbers = witness(text, "NAN203")
    share, least = numbers[-2:]
    right = np.eye(classes, dtype="float32")[:1]
    loss = tf.nn.softmax_cross_entropy_with_logits(labels=right, logits=right).numpy()
    assert loss[0] == pytest.approx(least, rel=5e-3), told
    assert tf.nn.softmax(right).numpy()[0, 0] == pytest.approx(share, rel=5e-3)


def test_second_sigmoid_keeps_the_loss_up() -> None:
    text = SIGMOID_MSE.replace(
        "tf.square(p - y)", "tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=p)"
    )
    told, numbers = witness(text, "NAN203")
    loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=1.0, logits=1.0).numpy()
    assert loss == pytest.approx(numbers[-1], rel=5e-3), told


@pytest.mark.parametrize(
    ("loss", "labels"),
    [
        ("binary_crossentropy", [[1.0]]),
        ("categorical_crossentropy", [[1.0, 0.0]]),
        ("sparse_categorical_crossentropy", [0]),
    ],
)
def test_linear_output_is_clipped_without_gradient(loss: str, labels: list[Any]) -> None:
    text = f"""
import keras
model = keras.Sequential([keras.layers.Dense({2 if "categorical" in loss else 1})])
model.compile("adam", "{loss}")
"""
    told, numbers = witness(text, "NAN204")
    clipped, least, gradient = numbers[-3:]
    outputs = numbers[:2] if "categorical" in loss else numbers[:1]
    assert tf.keras.backend.epsilon() == clipped
    z = tf.Variable([outputs])
    with tf.GradientTape() as tape:
        value = getattr(tf.keras.losses, loss)(tf.constant(labels), z)
    assert value.numpy()[0] == pytest.approx(least, rel=1e-3), told
    assert tape.gradient(value, z).numpy()[0, 0] == gradient == 0


def test_saturated_sigmoids_stop_at_log_of_classes() -> None:
    text = """
import keras
model = keras.Sequential([keras.layers.Dense(10, activation="sigmoid")])
model.compile("adam", "categorical_crossentropy")
"""
    told, numbers = witness(text, "NAN205")
    share, least, gradient = numbers[-3:]
    z = tf.Variable(np.full((1, 10), 104.0, "float32"))
    with tf.GradientTape() as tape:
        p = tf.sigmoid(z)
        loss = tf.keras.losses.categorical_crossentropy(np.eye(10, dtype="float32")[:1], p)
    assert (p / tf.reduce_sum(p)).numpy()[0, 0] == pytest.approx(share)
    assert loss.numpy()[0] == pytest.approx(least, rel=1e-4), told
    assert np.all(tape.gradient(loss, z).numpy() == gradient)


def trained(activation: str, loss: Any, labels: np.ndarray[Any, Any]) -> tuple[float, list[Any]]:
    """A model's loss on fixed data, and its weights after an epoch."""
    tf.keras.utils.set_random_seed(1)
    units = labels.shape[1] if labels.ndim > 1 else 3
    model = tf.keras.Sequential([tf.keras.Input((5,)), tf.keras.layers.Dense(units, activation=activation)])
    model.compile(tf.keras.optimizers.SGD(0.1), loss)
    x = np.random.default_rng(0).normal(size=(len(labels), 5)).astype("float32")
    before = float(model.evaluate(x, labels, verbose=0))
    model.fit(x, labels, batch_size=len(labels), epochs=1, verbose=0)
    return before, model.get_weights()


@pytest.mark.parametrize(
    ("activation", "loss"),
    [
        ("softmax", "CategoricalCrossentropy"),
        ("softmax", "SparseCategoricalCrossentropy"),
        ("sigmoid", "BinaryCrossentropy"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*from_logits.*")
def test_dropping_from_logits_in_compile_is_safe(activation: str, loss: str) -> None:
    """Keras's TensorFlow backend takes the logits either way: loss and first step agree."""
    ids = np.random.default_rng(1).integers(0, 3, 32)
    labels = ids if loss.startswith("Sparse") else np.eye(3, dtype="float32")[ids]
    if activation == "sigmoid":
        labels = labels[:, :1]
    make = getattr(tf.keras.losses, loss)
    before, weights = trained(activation, make(from_logits=True), labels)
    after, mended = trained(activation, make(), labels)
    assert before == pytest.approx(after, rel=1e-6)
    for old, new in zip(weights, mended, strict=True):
        np.testing.assert_allclose(old, new, rtol=1e-5, atol=1e-7)


def test_dropping_from_logits_elsewhere_is_not() -> None:
    """Eagerly, both are applied: that fix is unsafe."""
    p = tf.nn.softmax([[3.0, 0.0, 0.0]])
    label = tf.constant([[1.0, 0.0, 0.0]])
    loss = tf.keras.losses.CategoricalCrossentropy
    assert float(loss(from_logits=True)(label, p)) > 2 * float(loss()(label, p))


def test_one_sided_cross_entropy_is_silent_about_zeros() -> None:
    z = tf.Variable([[3.0]])
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(0.0 * tf.math.log(tf.sigmoid(z)))
    assert float(loss) == 0
    assert tape.gradient(loss, z).numpy()[0, 0] == 0


def learned(activation: str, loss: str, *, start: float) -> float:
    """The share of three classes that a layer gets right which starts out sure of another class each time."""
    tf.keras.utils.set_random_seed(3)
    x = np.eye(3, dtype="float32").repeat(20, axis=0)
    model = tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Dense(3, activation=activation)])
    model.compile(tf.keras.optimizers.SGD(1.0), loss, metrics=["accuracy"])
    model.set_weights([np.roll(np.eye(3, dtype="float32"), 1, axis=1) * start, np.zeros(3, "float32")])
    model.fit(x, x, batch_size=60, epochs=200, verbose=0)
    return float(model.evaluate(x, x, verbose=0)[1])


def after_fix(text: str, *names: str) -> list[str]:
    """The strings that stand in the fixed text as the values of these arguments."""
    mended = fix(text, unsafe=True)
    return [re.findall(rf"{name}=[\"'](\w+)", mended)[-1] for name in names]


CLASSIFIER = """
import keras
model = keras.Sequential([keras.layers.Dense(3, activation="{}")])
model.compile("sgd", loss="{}", metrics=["accuracy"])
model.fit(x, keras.utils.to_categorical(classes, 3))
"""


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_squared_error_does_not_unlearn_what_cross_entropy_does(activation: str) -> None:
    mended = after_fix(CLASSIFIER.format(activation, "mse"), "activation", "loss")
    assert mended == ["softmax", "categorical_crossentropy"]
    assert learned(activation, "mse", start=30.0) == 0
    assert learned(*mended, start=30.0) == 1
