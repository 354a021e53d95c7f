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


@pytest.mark.filterwarnings("ignore:.*softmax over axis -1.*")
def test_loss_of_a_softmax_over_one_unit_falls_and_predictions_stay() -> None:
    """Keras's TensorFlow backend takes what comes before a softmax that is last."""
    tf.keras.utils.set_random_seed(1)
    x = np.random.default_rng(0).normal(size=(2048, 20)).astype("float32")
    labels = (x[:, :1] + x[:, 1:2] > 0).astype("float32")
    layer = tf.keras.layers.Dense
    model = tf.keras.Sequential([layer(16, activation="relu"), layer(1, activation="softmax")])
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    history = model.fit(x, labels, epochs=4, verbose=0).history
    predictions = model.predict(x, verbose=0)
    assert history["loss"][-1] < history["loss"][0] * 3 / 4
    np.testing.assert_allclose(predictions, 1, atol=1e-6)
    assert history["accuracy"] == pytest.approx([labels.mean()] * 4)
    wrong = tf.keras.losses.binary_crossentropy(0 * labels, tf.constant(predictions))
    np.testing.assert_allclose(wrong, 15.9, atol=0.05)


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
    model.compile(tf.keras.optimizers.SGD(10.0), loss, metrics=["accuracy"])
    model.set_weights([np.roll(np.eye(3, dtype="float32"), 1, axis=1) * start, np.zeros(3, "float32")])
    model.fit(x, x, batch_size=60, epochs=20, verbose=0)
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


def trained_by(text: str, x: Any, y: Any) -> Any:
    """The model of a fixed or unfixed text, trained."""
    tf.keras.utils.set_random_seed(1)
    names: dict[str, Any] = {"np": np, "x": x, "y": y}
    exec(text, names)
    return names["model"]


TWO_CLASSES = """
import keras
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="{}")])
model.compile(keras.optimizers.SGD(2.0), loss="binary_crossentropy", metrics=["accuracy"])
model.fit(x, y, epochs=30, verbose=0)
"""


def test_one_softmax_learns_nothing_and_its_sigmoid_does() -> None:
    x = np.array([[1.0, 0.0], [0.0, 1.0]], "float32").repeat(8, axis=0)
    y = x[:, :1]
    text = TWO_CLASSES.format("softmax")
    before, after = (trained_by(t, x, y).predict(x, verbose=0) for t in (text, fix(text, unsafe=True)))
    assert np.allclose(before, 1, atol=1e-6)
    assert np.array_equal(after > 0.5, y > 0.5)


THREE_CLASSES = """
import keras
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, activation="{activation}")])
model.compile(keras.optimizers.SGD(2.0), loss="{loss}", metrics=["accuracy"])
model.layers[0].set_weights([-np.ones((3, 3)), np.zeros(3)])
model.fit(x, y, epochs=30, verbose=0)
"""


@pytest.mark.filterwarnings("ignore")
def test_dead_relus_are_nan_and_a_softmax_learns() -> None:
    x = np.eye(3, dtype="float32").repeat(8, axis=0)
    text = THREE_CLASSES.format(activation="relu", loss="categorical_crossentropy")
    before, after = (trained_by(t, x, x) for t in (text, fix(text, unsafe=True)))
    assert np.all(np.isnan(before.predict(x, verbose=0)))
    assert np.array_equal(after.predict(x, verbose=0).argmax(1), x.argmax(1))


def test_equal_shares_cost_what_a_guess_costs_after_the_fix() -> None:
    """log(3); before, Keras takes the logits and asks three questions of their sigmoids, log(2) each."""
    x = np.eye(3, dtype="float32")
    text = """
import keras
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, activation="softmax")])
model.compile("sgd", loss="binary_crossentropy")
model.set_weights([np.zeros((3, 3)), np.zeros(3)])
"""
    binary, categorical = (
        float(trained_by(program, x, x).evaluate(x, x, verbose=0))
        for program in (text, fix(text, unsafe=True))
    )
    assert binary == pytest.approx(np.log(2), rel=1e-4)
    assert categorical == pytest.approx(np.log(3), rel=1e-4)


@pytest.mark.parametrize("sparse", [True, False])
def test_the_other_kind_of_labels_stops_and_the_other_loss_learns(sparse: bool) -> None:
    labels = "keras.utils.to_categorical(y, 3)" if sparse else "keras.utils.to_categorical(y, 3).argmax(1)"
    text = f"""
import keras
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, activation="softmax")])
model.compile(keras.optimizers.SGD(2.0), loss="{"sparse_" if sparse else ""}categorical_crossentropy")
model.fit(x, {labels}, epochs=30, verbose=0)
"""
    x, y = np.eye(3, dtype="float32"), np.arange(3)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        trained_by(text, x, y)
    mended = trained_by(fix(text, unsafe=False), x, y)
    assert np.array_equal(mended.predict(x, verbose=0).argmax(1), y)


def test_exchanged_operands_do_not_unlearn_and_the_right_ones_do() -> None:
    text = """
import keras
def loss(y_true, y_pred):
    return keras.losses.binary_crossentropy(y_pred, y_true)
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])
model.compile(keras.optimizers.SGD(2.0), loss=loss)
model.set_weights([np.array([[-10.0], [10.0]]), np.zeros(1)])
model.fit(x, y, epochs=30, verbose=0)
"""
    x = np.array([[1.0, 0.0], [0.0, 1.0]], "float32").repeat(8, axis=0)
    y = x[:, :1]
    before, after = (trained_by(t, x, y).predict(x, verbose=0) for t in (text, fix(text, unsafe=True)))
    assert np.array_equal(before > 0.5, y < 0.5)
    assert np.array_equal(after > 0.5, y > 0.5)


def test_clipped_outputs_stay_where_they_are_and_a_softmax_does_not() -> None:
    text = """
import keras
from keras import ops
def loss(y_true, y_pred):
    return -ops.sum(y_true * ops.log(ops.clip(y_pred, 1e-7, 1.0)), axis=-1)
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
model.compile(keras.optimizers.SGD(2.0), loss=loss)
model.set_weights([-np.ones((3, 3)), np.zeros(3)])
model.fit(x, y, epochs=30, verbose=0)
"""
    x = np.eye(3, dtype="float32").repeat(8, axis=0)
    before, after = (trained_by(t, x, x).predict(x, verbose=0) for t in (text, fix(text, unsafe=True)))
    assert np.all(before == -1)
    assert np.array_equal(after.argmax(1), x.argmax(1))
