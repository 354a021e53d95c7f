"""What the pages of the gradient rules say of TensorFlow: gradients at the edge of a function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

Function = Callable[[Any], Any]


def gradient(function: Function, at: float, size: int = 3) -> np.ndarray:
    """The gradient of the sum of `function` over `size` numbers that are all `at`."""
    x = tf.Variable(tf.fill([size], at))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(function(x))
    return np.asarray(tf.convert_to_tensor(tape.gradient(total, x)))


def length(x: Any) -> Any:
    return tf.sqrt(tf.reduce_sum(x**2))


NAN_AT_ZERO: dict[str, Function] = {
    "root of squares": length,
    "root mean square": lambda x: tf.sqrt(tf.reduce_mean(tf.square(x))),
    "tf.norm": tf.norm,
    "reduce_euclidean_norm": tf.math.reduce_euclidean_norm,
    "global_norm": lambda x: tf.linalg.global_norm([x]),
    "reduce_std": tf.math.reduce_std,
    "keras.ops.norm": keras.ops.norm,
    "keras.ops.std": keras.ops.std,
    "power of squares": lambda x: tf.pow(x * x, 0.5),
    "root of relu": lambda x: tf.sqrt(tf.nn.relu(x)),
    "epsilon outside": lambda x: length(x) + 1e-7,
    "distances": lambda x: tf.sqrt(tf.square(x[:, None] - x[None])),
    "row over its length": lambda x: x / tf.norm(x),
}
FINITE_AT_ZERO: dict[str, Function] = {
    "norm of order 1": lambda x: tf.norm(x, ord=1),
    "largest element": lambda x: tf.norm(x, ord=np.inf),
    "l2_normalize": tf.math.l2_normalize,
    "epsilon inside": lambda x: tf.sqrt(tf.reduce_sum(x**2) + 1e-7),
    "bounded inside": lambda x: tf.sqrt(tf.maximum(tf.reduce_sum(x**2), 1e-12)),
    "variance": tf.math.reduce_variance,
    # Exactly 0 comes back to the root.
    "squared": lambda x: tf.square(length(x)),
    "bounded": lambda x: tf.maximum(length(x), 1e-3),
    "row over its length and an epsilon": lambda x: x / (length(x) + 1e-6),
    "deviation over the spread and an epsilon": lambda x: (
        (x - tf.reduce_mean(x)) / (tf.math.reduce_std(x) + 1e-6)
    ),
    "chosen": lambda x: tf.where(x > 0, length(x), 0.0),
}


@pytest.mark.parametrize("name", NAN_AT_ZERO)
def test_gradients_that_are_nan_at_zero(name: str) -> None:
    assert np.isnan(gradient(NAN_AT_ZERO[name], 0.0)).all()


@pytest.mark.parametrize("name", FINITE_AT_ZERO)
def test_gradients_that_are_finite_at_zero(name: str) -> None:
    assert np.isfinite(gradient(FINITE_AT_ZERO[name], 0.0)).all()


@pytest.mark.parametrize("exponent", [-88.0, -95.0, -104.0])
def test_the_root_of_an_exp_has_no_gradient_where_the_exp_is_flushed(exponent: float) -> None:
    assert np.isnan(gradient(lambda x: tf.sqrt(tf.exp(x)), exponent)).all()
    assert np.isfinite(gradient(lambda x: tf.exp(x / 2), exponent)).all()


#: function -> an argument at its edge.
NOT_STOPPED: dict[str, tuple[Function, float]] = {
    "log": (tf.math.log, 0.0),
    "log1p": (tf.math.log1p, -1.0),
    "divisor": (lambda x: 1.0 / x, 0.0),
    "dividend": (lambda x: x / tf.zeros_like(x), 0.0),
    "power": (lambda x: tf.pow(x, 0.5), 0.0),
    "power of a negative number": (lambda x: tf.pow(x, 0.5), -1.0),
    "acos": (tf.acos, 1.0),
    "asin": (tf.asin, -1.0),
    "acosh": (tf.acosh, 1.0),
    "erfinv": (tf.math.erfinv, 1.0),
    "lgamma": (tf.math.lgamma, 0.0),
    "digamma": (tf.math.digamma, 0.0),
    "exp": (tf.exp, 104.0),
}
STOPPED: dict[str, tuple[Function, float]] = {
    "sqrt": (tf.sqrt, 0.0),
    "rsqrt": (tf.math.rsqrt, 0.0),
    "norm": (tf.norm, 0.0),
    "reciprocal": (tf.math.reciprocal, 0.0),
}


#: What takes a number that is trained beside one that is infinite.
NOT_STOPPED_BESIDE: dict[str, Function] = {
    "mul": lambda x: x * -math.inf,
    "div": lambda x: math.inf / x,
    "square": lambda x: tf.square(-math.inf - x),
    "squared_difference": lambda x: tf.math.squared_difference(x, math.inf),
}
STOPPED_BESIDE: dict[str, Function] = {
    "sub": lambda x: -math.inf - x,
    "abs": lambda x: tf.abs(math.inf - x),
    "divisor": lambda x: x / math.inf,
    "exp": lambda x: tf.exp(-math.inf + x),
}


def unchosen(function: Function) -> Function:
    return lambda x: tf.where(tf.zeros_like(x, tf.bool), function(x), tf.zeros_like(x))


@pytest.mark.parametrize("name", NOT_STOPPED)
def test_where_does_not_stop_the_gradient(name: str) -> None:
    function, edge = NOT_STOPPED[name]
    assert np.isnan(gradient(unchosen(function), edge)).all()


@pytest.mark.parametrize("name", NOT_STOPPED_BESIDE)
def test_where_does_not_stop_what_infinity_multiplies(name: str) -> None:
    assert np.isnan(gradient(unchosen(NOT_STOPPED_BESIDE[name]), 2.0)).all()


@pytest.mark.parametrize("name", STOPPED_BESIDE)
def test_beside_infinity_0_is_handed_back(name: str) -> None:
    assert (gradient(unchosen(STOPPED_BESIDE[name]), 2.0) == 0).all()


@pytest.mark.parametrize("name", STOPPED)
def test_the_gradient_of_a_root_is_stopped(name: str) -> None:
    function, edge = STOPPED[name]
    assert (gradient(unchosen(function), edge) == 0).all()


def test_one_ulp_past_the_edge() -> None:
    past = np.nextafter(np.float32(1), np.float32(2))
    assert np.isnan(tf.acos(past))
    assert gradient(tf.acos, 1.0)[0] == -np.inf
    assert gradient(tf.asin, 1.0)[0] == gradient(tf.acosh, 1.0)[0] == np.inf
    assert np.isinf([tf.atanh(1.0), tf.math.erfinv(1.0), tf.math.lgamma(0.0)]).all()
    assert np.isnan(tf.math.digamma(0.0))


def test_the_cosine_of_two_equal_rows_passes_1() -> None:
    rows = tf.math.l2_normalize(tf.random.stateless_normal([4096, 16], [1, 2]), axis=1)
    cosines = tf.reduce_sum(rows * rows, axis=1)
    assert tf.reduce_max(cosines) > 1.0
    assert np.isnan(tf.acos(cosines)).any()


def test_powers_outside_of_their_domain() -> None:
    assert np.isnan(tf.pow(-1.0, 1 / 3))
    assert np.isinf(tf.pow(0.0, -0.5))
    assert tf.pow(-1.0, 3.0) == -1.0


def test_zero_times_the_log_of_zero() -> None:
    assert np.isnan(gradient(lambda p: p * tf.math.log(p), 0.0)).all()
    assert np.isnan(gradient(lambda p: tf.math.multiply_no_nan(tf.math.log(p), p), 0.0)).all()
    assert (gradient(lambda p: tf.math.xlogy(p, p), 0.0) == 0).all()


Pair = Callable[[Any, Any], Any]
#: Functions of a label `y` that is missing and an output `p`.
TOUCHED: dict[str, Pair] = {
    "square": lambda y, p: tf.square(y - p),
    "abs": lambda y, p: tf.abs(y - p),
    "exp": lambda y, p: tf.exp(y - p),
    "log": lambda y, p: tf.math.log(y + p),
    "log1p": lambda y, p: tf.math.log1p(y + p),
    "sigmoid": lambda y, p: tf.sigmoid(y - p),
    "tanh": lambda y, p: tf.tanh(y - p),
    "softplus": lambda y, p: tf.nn.softplus(y - p),
    "sin": lambda y, p: tf.sin(y - p),
    "cos": lambda y, p: tf.cos(y - p),
    "erf": lambda y, p: tf.math.erf(y - p),
    "pow": lambda y, p: (y - p) ** 3,
    "mul": lambda y, p: y * p,
    "mul of a constant": lambda y, p: tf.stop_gradient(y) * p,
    "div": lambda y, p: p / y,
    "div by what is trained": lambda y, p: y / p,
    "squared_difference": tf.math.squared_difference,
    "sigmoid_cross_entropy_with_logits": lambda y, p: tf.nn.sigmoid_cross_entropy_with_logits(y, p),
}
UNTOUCHED: dict[str, Pair] = {
    "add": lambda y, p: y + p,
    "sub": lambda y, p: y - p,
    "mul by other data": lambda y, p: 2.0 * (y - p),
    "div by other data": lambda y, p: (y - p) / 2.0,
    "maximum": tf.maximum,
    "minimum": tf.minimum,
    "relu": lambda y, p: tf.nn.relu(y - p),
    "clip": lambda y, p: tf.clip_by_value(y - p, -1.0, 1.0),
}


def of_the_output(function: Pair) -> np.ndarray:
    """The gradient with respect to `p` where `y` is NaN, and the function is not chosen."""
    y = tf.fill([3], math.nan)
    return gradient(lambda p: tf.where(tf.math.is_nan(y), tf.zeros_like(y), function(y, p)), 0.5)


@pytest.mark.parametrize("name", TOUCHED)
def test_where_does_not_stop_what_nan_multiplies(name: str) -> None:
    assert np.isnan(of_the_output(TOUCHED[name])).all()


@pytest.mark.parametrize("name", UNTOUCHED)
def test_where_stops_what_nan_does_not_multiply(name: str) -> None:
    assert (of_the_output(UNTOUCHED[name]) == 0).all()


#: Bounds that are the edge itself -> the function, what is exactly at the edge, what is past it.
CLIPPED: dict[str, tuple[Function, float, float]] = {
    "acos of clip_by_value": (lambda x: tf.acos(tf.clip_by_value(x, -1.0, 1.0)), 1.0, 1.5),
    "asin of clip_by_value": (lambda x: tf.asin(tf.clip_by_value(x, -1.0, 1.0)), -1.0, -1.5),
    "keras.ops": (lambda x: keras.ops.arccos(keras.ops.clip(x, -1.0, 1.0)), 1.0, 1.5),
    "minimum of maximum": (lambda x: tf.acos(tf.minimum(tf.maximum(x, -1.0), 1.0)), 1.0, 1.5),
    "acosh of maximum": (lambda x: tf.acosh(tf.maximum(x, 1.0)), 1.0, 0.5),
    "atanh of clip_by_value": (lambda x: tf.atanh(tf.clip_by_value(x, -1.0, 1.0)), 1.0, 1.5),
}
#: The bound stands first, and gets the gradient of two that are equal.
BOUND_FIRST: dict[str, Function] = {
    "acos": lambda x: tf.acos(tf.maximum(-1.0, tf.minimum(1.0, x))),
    "acosh": lambda x: tf.acosh(tf.maximum(1.0, x)),
}
#: Two operands that are 0.
ANGLES: dict[str, Function] = {
    "tf.atan2": lambda x: tf.atan2(x[0], x[1]),
    "keras.ops.arctan2": lambda x: keras.ops.arctan2(x[0], x[1]),
    "masked": lambda x: tf.atan2(x[0], x[1]) * 0.0,
    "not chosen": lambda x: tf.where(x[1] > 0, tf.atan2(x[0], x[1]), 0.0),
}


@pytest.mark.parametrize("name", CLIPPED)
def test_a_bound_at_the_edge_hands_an_infinite_slope_on_there_and_none_past_it(name: str) -> None:
    function, edge, past = CLIPPED[name]
    assert np.isinf(gradient(function, edge)).all()
    assert (gradient(function, past) == 0).all()


@pytest.mark.parametrize("name", BOUND_FIRST)
def test_a_bound_that_stands_first_gets_the_gradient(name: str) -> None:
    assert (gradient(BOUND_FIRST[name], 1.0) == 0).all()


@pytest.mark.parametrize("name", ANGLES)
def test_nothing_stops_the_gradient_of_the_angle_of_0(name: str) -> None:
    assert np.isnan(gradient(ANGLES[name], 0.0, size=2)).all()
