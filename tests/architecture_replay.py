"""What the reports of the rules about architecture say in numbers, computed by TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from tflint_nan.graph import Report


def largest_slope(name: str) -> float:
    """The largest slope of an activation; of one output of a softmax of two."""
    z = tf.Variable(np.stack([np.linspace(-9, 9, 2001), np.zeros(2001)], axis=1))
    with tf.GradientTape() as tape:
        y = getattr(tf.nn, name)(z)[:, :1]
    return float(tf.reduce_max(tape.gradient(y, z)[:, 0]))


def equal_units(report: Report) -> None:
    """No witness: two units with this kernel give the same number, or neither factor gets a gradient."""
    assert report.witness is None
    if "starts at 0" in report.message:
        factors = tf.Variable(tf.zeros([3])), tf.Variable(tf.zeros([3]))
        with tf.GradientTape() as tape:
            loss = tf.square(tf.reduce_sum(factors[0] * factors[1]) - 1.0)
        assert not np.any(tape.gradient(loss, factors))
        return
    (value,) = map(float, re.findall(r" is (\S+) everywhere", report.message))
    outputs = tf.random.normal([5, 3], seed=1) @ tf.fill([3, 2], value)
    np.testing.assert_array_equal(outputs[:, 0], outputs[:, 1])
    if "both stay 0" in report.message:
        kernels = tf.Variable(tf.zeros([3, 2])), tf.Variable(tf.zeros([2, 4]))
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(tf.random.normal([5, 3], seed=1) @ kernels[0] @ kernels[1] - 1.0))
        assert not any(np.any(gradient) for gradient in tape.gradient(loss, kernels))
    if "no gradient at 0" in report.message:
        z = tf.Variable(outputs)
        with tf.GradientTape() as tape:
            y = tf.nn.relu(z)
        assert not np.any(tape.gradient(y, z))


def far_start(report: Report) -> None:
    """No witness: how large the sums get, or how flat it is where they start."""
    assert report.witness is None
    sums = re.findall(r"weights of (\S+) for (\d+) inputs, .* numbers near (\S+) for", report.message)
    if sums:
        spread, inputs, near = map(float, sums[0])
        assert np.sqrt(inputs) * spread == pytest.approx(near, rel=1e-2)
        return
    if report.because:
        grown_sums(report)
        return
    found = re.findall(r"^(\w+) starts (?:at|near) ([^ ,]+).* slope is (\S+) of", report.message)
    name, start, share = found[0]
    z = tf.Variable([float(start), 0.0])
    with tf.GradientTape() as tape:
        y = getattr(tf.nn, name)(z)
    slope, largest = tape.gradient(y, z).numpy()
    assert slope / largest == pytest.approx(float(share), rel=0.05, abs=1e-12)  # of tanh float32 has no less


def grown_sums(report: Report) -> None:
    """How large the sums of each layer are that gets what relus leave of those before, with drawn weights."""
    said = [
        re.findall(r"weights of (\S+) for (\d+): sums near (\S+)", words)[0] for _, words in report.because
    ]
    given = tf.ones([4000, int(said[0][1])])
    for spread, inputs, near in said:
        given = given[:, : int(inputs)]
        sums = given @ tf.random.normal([given.shape[1], 4000], stddev=float(spread), seed=1)
        assert float(tf.math.sqrt(tf.reduce_mean(sums**2))) == pytest.approx(float(near), rel=0.1)
        given = tf.nn.relu(tf.random.normal([4000, 1024], stddev=float(near), seed=2))
    (start,) = map(float, re.findall(r"starts near (\S+) from 0", report.message))
    z = tf.Variable(tf.random.normal([4000], stddev=start, seed=3))
    with tf.GradientTape() as tape:
        y = tf.sigmoid(z)
    assert float(tf.reduce_mean(tf.cast(tape.gradient(y, z) < 1e-6, tf.float32))) > 0.8


def slopes_of_a_row(report: Report) -> None:
    """No witness: the largest slope of each activation."""
    assert report.witness is None
    (count,) = map(int, re.findall(r"first of (\d+) hidden layers", report.message))
    assert count == len(report.because)
    for op, words in report.because:
        (above, _, below) = words.rpartition("slope at most ")[2].partition("/")
        assert largest_slope(op.name) == pytest.approx(float(above) / float(below or 1), rel=1e-4)


def one_of_two(report: Report) -> None:
    """No witness: two linear layers are one."""
    assert report.witness is None
    x, first, shift, second, offset = (
        tf.random.normal(shape, seed=seed) for seed, shape in enumerate(([5, 4], [4, 6], [6], [6, 3], [3]))
    )
    both = (x @ first + shift) @ second + offset
    one = x @ (first @ second) + (tf.linalg.matvec(second, shift, transpose_a=True) + offset)
    np.testing.assert_allclose(both, one, atol=1e-4)


def bent_twice(report: Report) -> None:
    """No witness: what the second activation can give for all that the first gives."""
    assert report.witness is None
    second, first, words = re.findall(r"^(\w+) of the output of a (\w+): (.*)$", report.message)[0]
    check_pair(second, first, words)


def check_pair(second: str, first: str, words: str) -> None:
    """The bounds that NAN505 names; of a softmax what its logits are."""
    z = np.linspace(-200, 200, 4001)
    inner = np.linspace(0, 1, 1001) if first == "softmax" else getattr(tf.nn, first)(z).numpy()
    if second == "softmax":
        assert (np.ptp(inner) <= 1) == ("at most 1 apart" in words)
        assert (np.min(inner) == inner[z < 0].max()) == ("cut off" in words)
        return
    outer = getattr(tf.nn, second)(inner).numpy()
    bounds = [float(number) for number in re.findall(r"-?\d(?:\.\d+)?", words)]
    if bounds:
        assert [outer.min(), outer.max()][: len(bounds)] == pytest.approx(bounds, abs=5e-3)
    else:
        np.testing.assert_array_equal(outer, inner)


def one_number(report: Report) -> None:
    """Whatever the number is, its normalised form is the one that is named, and its gradient 0."""
    x, result, gradient = (float(n) for n in re.findall(r"= (-?\d+)", str(report.witness)))
    signed = "sign" in report.message
    layer = tf.keras.layers.UnitNormalization() if signed else tf.keras.layers.LayerNormalization()
    with tf.GradientTape() as tape:
        given = tf.constant([[x], [7 * x]])
        tape.watch(given)
        found = layer(given)
    np.testing.assert_allclose(found, [[result], [result]], atol=1e-6)
    np.testing.assert_allclose(tape.gradient(found, given), [[gradient], [gradient]], atol=1e-6)


ARCHITECTURE: dict[str, Callable[[Report], None]] = {
    "NAN501": equal_units,
    "NAN502": far_start,
    "NAN503": slopes_of_a_row,
    "NAN504": one_of_two,
    "NAN505": bent_twice,
    "NAN506": one_number,
}
