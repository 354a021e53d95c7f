"""What the rules of optimisation, data and precision rest on, computed by TensorFlow for each finding."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import keras
import numpy as np
import pytest
import tensorflow as tf

from tflint_nan.graph import Report

STEPS = 3000


def _number(report: Report, pattern: str) -> float:
    found = re.search(pattern + r" ?=? ?(-?[\d.]+(?:e[+-]?\d+)?)", report.message)
    assert found is not None, report.message
    return float(found[1])


def diverging(report: Report) -> None:
    """A parabola of the printed curvature, descended at the printed rate."""
    rate, limit = _number(report, "learning rate"), _number(report, "λmax")
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.float32(1.0)
        for _ in range(STEPS):
            error = error * np.float32(1 - rate * 2 / limit)
    assert not np.isfinite(error)


def ascending(report: Report) -> None:
    """The wrong sign on a squared error."""
    w = tf.Variable(0.5)
    optimizer = keras.optimizers.SGD(-0.5)
    for _ in range(200):
        with tf.GradientTape() as tape:
            loss = tf.square(w - 1.0)
        optimizer.apply([tape.gradient(loss, w)], [w])
    assert not np.isfinite(float(loss))


def unclipped(report: Report) -> None:
    """What `clip_by_norm` is given stays as it was; a setting of 0 or below clips nothing."""
    if "clips nothing" not in report.message:
        gradient = tf.constant([30.0, 40.0])
        assert float(tf.norm(tf.clip_by_norm(gradient, 1.0))) < 1.1 < float(tf.norm(gradient))
        return
    name, given = report.message.split(" = ")[0], _number(report, " = ")
    w = keras.Variable(np.zeros(2, "float32"))
    keras.optimizers.SGD(1.0, **{name: given}).apply([tf.constant([30.0, 40.0])], [w])
    np.testing.assert_allclose(w.numpy(), [-30.0, -40.0])


@cache
def recurrent_gradient(kind: str, gain: float, steps: int) -> float:
    """The length of the gradient of a recurrent layer whose recurrent kernel is orthogonal times `gain`."""
    keras.utils.set_random_seed(0)
    layer = getattr(keras.layers, kind)(32, recurrent_initializer=keras.initializers.Orthogonal(gain))
    x = tf.random.normal([16, steps, 4], seed=1)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(layer(x) - 1.0))
    return float(tf.linalg.global_norm(tape.gradient(loss, layer.trainable_variables)))


def exploding(report: Report) -> None:
    """With large weights the gradient grows with the number of steps, and a step is as long as it is."""
    kind, gain = {"lstm": ("LSTM", 10.0), "gru": ("GRU", 10.0), "rnn": ("SimpleRNN", 2.0)}[
        report.because[0][0].name
    ]
    few, many = recurrent_gradient(kind, gain, 5), recurrent_gradient(kind, gain, 50)
    assert many > 10 * few
    plain, clipped = keras.Variable(0.0), keras.Variable(0.0)
    keras.optimizers.SGD(1.0).apply([tf.constant(many)], [plain])
    keras.optimizers.SGD(1.0, clipnorm=1.0).apply([tf.constant(many)], [clipped])
    assert abs(float(plain.numpy())) > 10 * few
    assert abs(float(clipped.numpy())) <= 1.0001


def out_of_range(report: Report) -> None:
    """The formula that the constant breaks, at the constant."""
    message = report.message
    with np.errstate(all="ignore"):
        if "0 / 0" in message:
            assert not np.isfinite(np.float32(0.0) / (np.sqrt(np.float32(0.0)) + np.float32(0.0)))
        elif "constant feature" in message:
            given = np.float32(_number(report, "epsilon"))
            assert not np.isfinite(1 / np.sqrt(np.float32(0.0) + given))
        elif " is 1 in " in message:
            unlearned(report)
        elif "divides by" in message:
            assert _number(report, r"\w+ =") <= 0
        else:
            assert not 0 <= _number(report, r"\w+ =") < 1


def blackened(report: Report) -> None:
    """What is left of scaled pixels."""
    pixels = tf.constant([[0.0, 0.5, 1.0]])
    assert float(tf.reduce_max(keras.layers.Rescaling(1 / 255)(pixels))) < 0.01
    seen = keras.applications.mobilenet_v2.preprocess_input(tf.identity(pixels))
    assert float(tf.reduce_max(seen) - tf.reduce_min(seen)) < 0.01


def mismatched(report: Report) -> None:
    """Pixels of the other range are at least as many times as large or as small as bytes are."""
    lo, hi = (float(n) for n in re.search(r"\[(.*), (.*)\]", report.message).groups())  # type: ignore[union-attr]
    assert hi - lo > 100 if "scaled data" in report.message else hi - lo < 3


def moved(name: str, gradient: float, dtype: str, steps: int = 1, **settings: float) -> float:
    """How far the first steps of an optimizer, by its normalised name, go from a weight of 0."""
    rate, found = 1e-3, name.rpartition(".")[2]
    if hasattr(keras.optimizers, found):
        w = keras.Variable(np.zeros(1), dtype=dtype)
        made = getattr(keras.optimizers, found)(rate, **settings)
        for _ in range(steps):
            made.apply([tf.constant([gradient], dtype)], [w])
        return float(w.numpy()[0])
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        v = tf.compat.v1.get_variable("v", initializer=tf.zeros(1, dtype))
        named = {key.replace("_", ""): value for key, value in settings.items()}
        made = getattr(tf.compat.v1.train, found)(rate, **named)
        step = made.apply_gradients([(tf.constant([gradient], dtype), v)])
        session.run(tf.compat.v1.global_variables_initializer())
        for _ in range(steps):
            session.run(step)
        return float(session.run(v)[0])


def unlearned(report: Report) -> None:
    """The first step with a beta_2 that is 1 in the format of the weights, and with the recommended one."""
    found = re.search(r"is 1 in (\w+),", report.message)
    assert found is not None
    name, dtype, beta = report.op.api, found[1], _number(report, "beta_2")
    gradient, usual = (0.0 if "without a gradient" in report.message else 0.1), float(report.help.split()[-1])
    made = moved(name, gradient, dtype, 5, beta_2=beta)
    right = moved(name, 0.1, dtype, 5, beta_2=usual)
    assert abs(right / -5e-3 - 1) < 0.3
    if "NaN" in report.message:
        assert np.isnan(made)
    elif "no gradient moves" in report.message:
        assert made == 0
    else:
        assert made / right > 10


def normalised(report: Report) -> None:
    """A row of zeros, one under the number that is told, one above it; the epsilon that is recommended."""
    epsilon, small = _number(report, "epsilon"), _number(report, "numbers under")
    rows = tf.constant([[0.0, 0.0], [0.9 * small, 0.9 * small], [2 * small, 0.0]], tf.float16)
    if report.op.api == "keras.layers.UnitNormalization":
        broken, right = keras.layers.UnitNormalization(dtype="float16")(rows), None
    else:
        f = keras.ops.normalize if report.op.api.startswith("keras.") else tf.math.l2_normalize
        broken, right = (f(rows, axis=-1, epsilon=number) for number in (epsilon, 1e-4))
    assert np.isnan(broken[0]).all()
    assert np.isinf(broken[1]).all()
    assert np.isfinite(broken[2]).all()
    assert right is None or np.isfinite(right).all()


def vanished(report: Report) -> None:
    """The first step of a float16 weight without a gradient; with a small one, of the length that is told."""
    if report.op.name == "l2_normalize":
        normalised(report)
        return
    settings = {"epsilon": _number(report, "epsilon")}
    if "learning rates" not in report.message:
        assert np.isnan(moved(report.op.api, 0.0, "float16", **settings))
        return
    told, small = _number(report, "up to"), _number(report, "under")
    assert 0.8 * told < abs(moved(report.op.api, 0.95 * small, "float16", **settings)) / 1e-3 < 1.1 * told
    assert abs(moved(report.op.api, 0.95 * small, "float16", epsilon=1e-4)) / 1e-3 < 100


def rounded(report: Report) -> None:
    """Float16 has no digits left where float32 does."""
    f = tf.nn.softmax if "softmax" in report.message else tf.sigmoid
    half, single = (f(tf.constant([[-18.0, 0.0]], dtype)).numpy()[0, 0] for dtype in ("float16", "float32"))
    assert half == 0 < single


@cache
def epochs(*guards: type) -> int:
    """How many of ten epochs are run on data with an inf in it."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    callbacks = [guard() for guard in guards]
    return len(model.fit(np.full([4, 1], np.inf), np.ones([4, 1]), 1, 10, 0, callbacks).history["loss"])


def unguarded(report: Report) -> None:
    """`fit` goes on with NaN, and so does a loop; what is recommended ends them at once."""
    if "ends this training" in report.message:
        assert (epochs(), epochs(keras.callbacks.TerminateOnNaN)) == (10, 1)
        return
    w = keras.Variable(1.0)
    keras.optimizers.SGD(0.1).apply([tf.constant(np.nan)], [w])
    assert np.isnan(w.numpy())
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.debugging.check_numerics(tf.constant(np.nan), "loss")


def underflowing(report: Report) -> None:
    """A gradient under the number is 0 in float16, unless scaled; what expects a scale divides by it."""
    gradient = _number(report, "under")
    wrapped = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1.0))
    w = tf.Variable(1.0, dtype=tf.float16)
    with tf.GradientTape(persistent=True) as tape:
        loss = 0.99 * gradient * tf.cast(w, tf.float32)
        scaled = wrapped.scale_loss(loss)
    assert float(tape.gradient(loss, w)) == 0
    factor = wrapped.initial_scale
    assert abs(float(tape.gradient(scaled, w)) / (0.99 * gradient * factor) - 1) < 1e-3
    if "expects" in report.message:
        v = keras.Variable(1.0)
        wrapped.apply([tf.constant(2.0**10)], [v])
        assert float(v.numpy()) == 1 - 2.0**10 / factor


def overflowing(report: Report) -> None:
    """The constant in its format; the one that is recommended is finite, and hides as much in a softmax."""
    stored = re.search(r"^(\S+) is (\S+) in (\w+):", report.message)
    assert stored is not None
    dtype = tf.as_dtype(stored[3])
    if report.op.name == "softmax":
        masked, right = (tf.nn.softmax(tf.fill([1, 3], tf.cast(x, dtype))) for x in (float(stored[1]), -3e4))
        assert np.isnan(masked).all()
        assert np.isfinite(tf.cast(right, tf.float32)).all()
        return
    products = tf.cast(tf.constant([0.0, 0.5, 1.0]), dtype) * float(stored[1])
    assert products.dtype == dtype
    nothing, *rest = tf.cast(products, tf.float32).numpy()
    assert np.isnan(nothing)
    assert set(rest) == {float(stored[2])}
    scores = tf.constant([-1000.0, 1000.0, 0.0], dtype) + tf.constant([0.0, 1.0, 1.0], dtype) * -3e4
    for computed in (scores, tf.cast(scores, tf.float32)):
        assert tf.nn.softmax(computed).numpy().tolist() == [1.0, 0.0, 0.0]


def beyond(report: Report) -> None:
    """So many numbers along one axis, and along rows and columns of several channels; and in float32."""
    found = re.search(r"sum of (\d+) numbers that reach (\S+) is", report.message)
    assert found is not None
    count, number, stuck = int(found[1]), float(found[2]), _number(report, "stays near")
    row = tf.fill([1, count], tf.cast(number, tf.float16))
    assert np.isinf(float(tf.reduce_sum(row)))
    assert float(tf.reduce_sum(tf.cast(row, tf.float32))) == count * np.float32(np.float16(number))
    columns = tf.tile(tf.reshape(row, [1, count, 1]), [1, 1, 4])
    found_there = tf.reduce_sum(columns, axis=1).numpy()
    assert all(np.isinf(one) or abs(one - stuck) <= stuck for one in found_there.ravel())


OPTIMISATION: dict[str, Callable[[Report], None]] = {
    "NAN302": blackened,
    "NAN303": mismatched,
    "NAN402": diverging,
    "NAN403": ascending,
    "NAN404": unclipped,
    "NAN405": exploding,
    "NAN406": out_of_range,
    "NAN407": unguarded,
    "NAN601": vanished,
    "NAN602": rounded,
    "NAN603": underflowing,
    "NAN604": overflowing,
    "NAN605": beyond,
}
