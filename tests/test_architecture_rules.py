"""What the rules about architecture say, computed by TensorFlow; programs are trained before and after."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from architecture_replay import check_pair
from lint import check, fix
from tflint_nan.rules.double_activation import WRONG

from tflint_nan.build import build
from tflint_nan.source import Source
from tflint_nan.starts import CUT, started


def only(text: str, code: str, *, strict: bool = False) -> str:
    """The message of the one finding of `code`."""
    (found,) = [finding for finding in check(text, strict=strict) if finding.code == code]
    return found.message


def mended(text: str, code: str) -> str:
    """The program after its fixes, which leave nothing of `code`."""
    after = fix(text, unsafe=True)
    assert not [finding for finding in check(after) if finding.code == code]
    return after


def run(text: str) -> tf.keras.Model:
    """The model that a program makes and compiles."""
    tf.keras.utils.set_random_seed(1)
    names: dict[str, Any] = {}
    exec(compile(text, "program", "exec"), names)
    return names["model"]


def train(model: tf.keras.Model, target: Any, steps: int = 300) -> float:
    """The loss after some steps, each on the same 256 points."""
    x = np.random.default_rng(0).normal(size=(256, 2)).astype("float32")
    y = target(x).astype("float32")[:, None]
    model.fit(np.tile(x, (steps, 1)), np.tile(y, (steps, 1)), batch_size=256, shuffle=False, verbose=0)
    return float(model.evaluate(x, y, batch_size=256, verbose=0))


SYMMETRIC = """
import keras
from keras.layers import Dense
model = keras.Sequential([
    keras.Input((2,)),
    Dense(16, activation="tanh", kernel_initializer=START),
    Dense(1, kernel_initializer="ones"),
])
model.compile(keras.optimizers.Adam(0.02), "mse")
"""


@pytest.mark.parametrize("start", ['"ones"', '"zeros"', "keras.initializers.Constant(0.3)"])
def test_equal_kernels_stay_equal(start: str) -> None:
    """A layer of copies is one unit wide; a product of two inputs needs more."""
    text = SYMMETRIC.replace("START", start)
    assert "they stay copies" in only(text, "NAN501")
    model, repaired = run(text), run(mended(text, "NAN501"))
    loss, after = (train(one, lambda x: x[:, 0] * x[:, 1]) for one in (model, repaired))
    kernel = model.layers[0].get_weights()[0]
    np.testing.assert_allclose(kernel, np.repeat(kernel[:, :1], 16, axis=1), atol=1e-5)
    assert np.ptp(repaired.layers[0].get_weights()[0], axis=1).min() > 0.1
    assert after < loss / 4


def test_relu_of_zeros_never_moves() -> None:
    text = SYMMETRIC.replace("START", '"zeros"').replace("tanh", "relu").replace('"ones"', '"glorot_uniform"')
    assert "no gradient at 0" in only(text, "NAN501")
    model = run(text)
    train(model, lambda x: x[:, 0], steps=20)
    assert not np.any(model.layers[0].get_weights()[0])
    assert train(run(mended(text, "NAN501")), lambda x: x[:, 0]) < 0.05


def test_a_bias_keeps_the_relu_alive() -> None:
    text = SYMMETRIC.replace("START", '"zeros", bias_initializer="ones"').replace("tanh", "relu")
    assert "no gradient" not in only(text, "NAN501")
    model = run(text)
    train(model, lambda x: x[:, 0], steps=20)
    assert np.all(model.layers[0].get_weights()[0][0])


STACKED = """
import keras
from keras.layers import Dense, Dropout
model = keras.Sequential([keras.Input((2,)), Dense(32), Dropout(0.0), Dense(1)])
model.compile(keras.optimizers.Adam(0.02), "mse")
"""


def test_two_linear_layers_are_one() -> None:
    model = run(STACKED)
    assert "two linear layers in a row compute what one can" in only(STACKED, "NAN504")
    points = np.random.default_rng(2).normal(size=(20, 2)).astype("float32")
    loss = train(model, lambda x: np.square(x[:, 0]))
    (first, shift), (second, offset) = model.layers[0].get_weights(), model.layers[-1].get_weights()
    one = points @ (first @ second) + (shift @ second + offset)
    np.testing.assert_allclose(model.predict(points, verbose=0), one, atol=1e-4)
    assert train(run(mended(STACKED, "NAN504")), lambda x: np.square(x[:, 0])) < loss / 20


SIGMOIDS = """
import keras
from keras.layers import Dense
model = keras.Sequential([
    keras.Input((2,)),
    Dense(32, activation="sigmoid"),
    Dense(32, activation="sigmoid"),
    Dense(32, activation="sigmoid"),
    Dense(32, activation="sigmoid"),
    Dense(1),
])
model.compile(keras.optimizers.SGD(0.05), "mse")
"""


def test_sigmoids_leave_no_gradient() -> None:
    assert "first of 4 hidden layers" in only(SIGMOIDS, "NAN503")
    x = np.random.default_rng(0).normal(size=(256, 2)).astype("float32")

    def first_layers_share(model: tf.keras.Model) -> float:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x) - x[:, :1]))
        gradients = tape.gradient(loss, [layer.kernel for layer in model.layers])
        return float(tf.norm(gradients[0]) / tf.norm(gradients[-1]))

    before, after = run(SIGMOIDS), run(mended(SIGMOIDS, "NAN503"))
    assert first_layers_share(before) < 1 / 4**4
    assert first_layers_share(after) > 0.1
    assert train(after, lambda x: x[:, 0]) < train(before, lambda x: x[:, 0]) / 4


@pytest.mark.parametrize("pair", WRONG, ids="-of-".join)
def test_what_two_activations_give(pair: tuple[str, str]) -> None:
    check_pair(*pair, WRONG[pair])


def test_a_softmax_of_sigmoids_is_flat() -> None:
    p = tf.nn.softmax(tf.nn.sigmoid([1000.0, *[-1000.0] * 9]))
    assert p.numpy().max() == pytest.approx(0.23, abs=5e-3)


BENT_TWICE = """
import keras
from keras.layers import Activation, Dense
model = keras.Sequential([keras.Input((2,)), Dense(1, activation="relu"), Activation("sigmoid")])
model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
"""


def test_a_sigmoid_of_a_relu_cannot_say_no() -> None:
    assert "never below 0.5" in only(BENT_TWICE, "NAN505")
    loss = train(run(BENT_TWICE), lambda x: x[:, 0] > 0)
    assert loss > np.log(2) / 2 - 0.01, "half of the examples cost log 2"
    assert train(run(mended(BENT_TWICE, "NAN505")), lambda x: x[:, 0] > 0) < loss / 3


FAR = """
import tensorflow as tf
x = tf.placeholder(tf.float32, [None, 784])
y = tf.placeholder(tf.float32, [None, 10])
w = tf.Variable(START)
hidden = tf.nn.ACTIVATION(tf.matmul(x, w))
loss = tf.losses.softmax_cross_entropy(y, tf.layers.dense(hidden, 10))
train = tf.train.AdamOptimizer().minimize(loss)
"""


@pytest.mark.parametrize(
    ("activation", "initializer"),
    [("relu", "HeNormal"), ("tanh", "GlorotNormal"), ("sigmoid", "LecunNormal")],
)
def test_usual_scales_are_those_of_keras(activation: str, initializer: str) -> None:
    text = FAR.replace("START", "tf.random_normal([784, 256], stddev=3.0)").replace("ACTIVATION", activation)
    usual = float(re.findall(r"times the usual ([\d.]+)", only(text, "NAN502"))[0])
    drawn = getattr(tf.keras.initializers, initializer)(seed=1)((784, 256))
    assert float(tf.math.reduce_std(drawn)) == pytest.approx(usual, rel=0.03)


@pytest.mark.parametrize(
    "start",
    [
        "tf.random_normal([784, 256], stddev=2.0)",
        "tf.random_uniform([784, 256], -4.0, 4.0)",
        "tf.random_uniform([784, 256], 0.0, 4.0)",
        "3.0 * tf.truncated_normal([784, 256])",
    ],
)
def test_sums_are_as_large_as_said(start: str) -> None:
    text = FAR.replace("START", start).replace("ACTIVATION", "sigmoid")
    said = float(re.findall(r"numbers near ([\d.]+)", only(text, "NAN502"))[0])
    tf.random.set_seed(3)
    w = eval(start, {"tf": tf.compat.v1})
    x = np.random.default_rng(0).normal(size=(2000, 784)).astype("float32")
    z = tf.matmul(x, w)
    assert float(tf.sqrt(tf.reduce_mean(tf.square(z)))) == pytest.approx(said, rel=0.03)
    slopes = tf.nn.sigmoid(z) * (1 - tf.nn.sigmoid(z))
    assert float(tf.reduce_mean(tf.cast(slopes < 0.025, tf.float32))) > 0.8


@pytest.mark.parametrize(
    "initial",
    [
        "tf.random.normal([400, 300], mean=1.0, stddev=0.5)",
        "tf.random.truncated_normal([400, 300], stddev=0.5) / 2.0",
        "tf.random.uniform([400, 300], -1.0, 3.0)",
        "0.1 * tf.random.normal([400, 300]) - 0.5",
        "tf.keras.initializers.RandomNormal(stddev=0.2)([400, 300])",
        "tf.keras.initializers.TruncatedNormal(mean=2.0, stddev=0.2)([400, 300])",
        "tf.keras.initializers.Constant(0.4)([400, 300])",
        "tf.reshape(tf.ones([120000]), [400, 300])",
    ],
)
def test_starts_are_what_is_drawn(initial: str) -> None:
    program = Source("program.py", f"import tensorflow as tf\nw = tf.Variable({initial})\n")
    (variable,) = build(program, {}).ops("variable")
    start = started(variable.arg("initial_value"))
    assert start is not None
    tf.random.set_seed(5)
    drawn = eval(initial, {"tf": tf})
    assert start.mean == pytest.approx(float(tf.reduce_mean(drawn)), abs=0.01)
    assert start.deviation == pytest.approx(float(tf.math.reduce_std(drawn)), rel=0.02, abs=1e-6)


TANHS = """
import keras
from keras import layers
model = keras.Sequential([keras.Input((256,))])
for _ in range(3):
    model.add(layers.Dense(256, "tanh", kernel_initializer=keras.initializers.RandomNormal(stddev=1.0)))
model.add(layers.Dense(1))
model.compile("sgd", "mean_squared_error")
"""


def test_tanhs_that_start_flat_tear_neighbours_apart() -> None:
    said = only(TANHS, "NAN502")
    far, usual = (float(n) for n in re.findall(r"weights of (\S+) .* the usual ([\d.]+)", said)[0])
    random = np.random.default_rng(2)
    x = random.normal(size=(200, 256))
    near = x + 0.1 * random.normal(size=x.shape)
    apart = {}
    for deviation in (far, usual):
        a, b = (tf.constant(rows, tf.float32) for rows in (x, near))
        for _ in range(3):
            kernel = tf.constant(random.normal(scale=deviation, size=(256, 256)), tf.float32)
            a, b = tf.tanh(a @ kernel), tf.tanh(b @ kernel)
        apart[deviation] = float(tf.norm(a - b) / tf.norm(a))
    assert apart[usual] < 0.15
    assert apart[far] > 0.7


GROWING = """
import tensorflow as tf
x, y = tf.placeholder(tf.float32, [None, 32]), tf.placeholder(tf.float32, [None, 1])
w = [tf.Variable(tf.random_normal(shape, stddev=1.0)) for shape in ([32, 256], [256, 256], [256, 1])]
h = tf.nn.relu(tf.matmul(tf.nn.relu(tf.matmul(x, w[0])), w[1]))
p = tf.clip_by_value(tf.sigmoid(tf.matmul(h, w[2])), 1e-6, 1 - 1e-6)
loss = -tf.reduce_mean(y * tf.log(p) + (1 - y) * tf.log(1 - p))
train = tf.train.AdamOptimizer(1e-3).minimize(loss)
"""


def learned(scale: Callable[[int], float]) -> float:
    """The accuracy of GROWING on a plane after 300 steps, its weights drawn with `scale(fan-in)`."""
    random = np.random.default_rng(0)
    x = random.normal(size=(1024, 32)).astype("float32")
    y = (x @ random.normal(size=(32, 1)) > 0).astype("float32")
    w = [
        tf.Variable(tf.random.stateless_normal([rows, columns], seed=[rows, columns]) * scale(rows))
        for rows, columns in ((32, 256), (256, 256), (256, 1))
    ]
    optimizer = tf.keras.optimizers.Adam(1e-3)

    def logits(rows: np.ndarray) -> tf.Tensor:
        return tf.nn.relu(tf.nn.relu(rows @ w[0]) @ w[1]) @ w[2]

    for _ in range(300):
        some = random.integers(0, 1024, 64)
        with tf.GradientTape() as tape:
            p = tf.clip_by_value(tf.sigmoid(logits(x[some])), 1e-6, 1 - 1e-6)
            loss = -tf.reduce_mean(y[some] * tf.math.log(p) + (1 - y[some]) * tf.math.log(1 - p))
        optimizer.apply_gradients(zip(tape.gradient(loss, w), w, strict=True))
    return float(np.mean((logits(x).numpy() > 0) == (y > 0.5)))


def test_a_sigmoid_behind_layers_that_multiply_hardly_learns() -> None:
    assert "starts near 128 from 0" in only(GROWING, "NAN502")
    assert learned(lambda _: 1.0) < 0.85
    assert learned(lambda inputs: math.sqrt(2 / inputs)) > 0.95


def test_a_cut_normal_distribution_is_narrower() -> None:
    drawn = tf.random.truncated_normal([1_000_000], seed=1)
    assert float(tf.math.reduce_std(drawn)) == pytest.approx(CUT, rel=3e-3)


@pytest.mark.parametrize(("name", "weight"), [("sigmoid", 2.0), ("sigmoid", -3.0), ("tanh", 1.5)])
def test_slope_where_a_neuron_starts(name: str, weight: float) -> None:
    text = f"""
import tensorflow as tf
x = tf.placeholder(tf.float32)
w = tf.Variable({weight})
b = tf.Variable({weight})
y = tf.nn.{name}(w * x + b)
loss = tf.square(y - 0.5)
train = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
with tf.Session() as session:
    session.run(train, feed_dict={{x: 1.0}})
"""
    message = only(text, "NAN502")
    start, share = (float(n) for n in re.findall(r"starts at (\S+) .* slope is (\S+) of", message)[0])
    z = tf.Variable([2 * weight, 0.0])
    with tf.GradientTape() as tape:
        y = getattr(tf.nn, name)(z)
    slope, largest = tape.gradient(y, z).numpy()
    assert start == 2 * weight
    assert slope / largest == pytest.approx(share, rel=0.05)


@pytest.mark.parametrize("drawn", [False, True])
def test_product_of_two_embeddings_that_start_at_zero_stays_zero(drawn: bool) -> None:
    text = f"""
import keras
from keras import layers
user, item = keras.Input((), dtype="int32"), keras.Input((), dtype="int32")
users = layers.Embedding(5, 4, embeddings_initializer={"normal" if drawn else "zeros"!r})(user)
items = layers.Embedding(6, 4, embeddings_initializer="zeros", embeddings_regularizer="l2")(item)
model = keras.Model([user, item], layers.Dot(axes=-1)([users, items]))
model.compile("adam", "mse")
"""
    found = [finding.code for finding in check(text)]
    model, ids = run(text), np.arange(5, dtype="int32")
    model.fit([ids, ids], np.ones((5, 1), "float32"), epochs=2, verbose=0)
    still = [not np.any(weights) for weights in model.get_weights()]
    assert (found, still) == (([], [False, False]) if drawn else (["NAN501"], [True, True]))
