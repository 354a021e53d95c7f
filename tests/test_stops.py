"""Where gradients stop: what the table says of operations, and what TensorFlow does with terms of a loss."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from stops_replay import FUNCTIONS, READ_OUT, Function, gradient

from tflint_nan.ops.table import OPERATORS
from tflint_nan.stops import STOPS


@pytest.mark.parametrize("name", sorted(STOPS))
def test_no_gradient_comes_back_through_an_operation_that_stops_it(name: str) -> None:
    found = gradient(FUNCTIONS[name])
    if name == "sign":
        np.testing.assert_array_equal(found, np.zeros(3))
    else:
        assert found is None


@pytest.mark.parametrize("name", sorted(STOPS))
def test_the_operator_table_has_no_gradient_for_it_either(name: str) -> None:
    assert OPERATORS[name].differentiable is (name == "cast")


@pytest.mark.parametrize("function", READ_OUT.values(), ids=READ_OUT)
def test_nothing_is_recorded_outside_of_tensorflow(function: Function) -> None:
    assert gradient(function) is None


@pytest.mark.parametrize(
    "function",
    [
        tf.constant,
        tf.convert_to_tensor,
        lambda x: tf.convert_to_tensor([x[0], x[1]]),
        lambda x: x % 0.5,
        lambda x: x + tf.stop_gradient(tf.round(x) - x),
        lambda x: tf.round(x) + x - tf.stop_gradient(x),
        lambda x: tf.gather(x, tf.argmax(x)),
        lambda x: tf.where(x > 0.5, x, 0.0),
        lambda x: x * tf.cast(x > 0.5, tf.float32),
    ],
    ids=["constant", "convert", "list", "mod", "through", "past", "element", "choice", "mask"],
)
def test_a_gradient_comes_back_through_what_is_silent(function: Function) -> None:
    assert np.any(gradient(function))


@pytest.mark.parametrize("name", ["sign", "round", "greater", "argmax"])
def test_a_term_without_gradient_changes_no_step_of_training(name: str) -> None:
    """And no warning tells of it: the other term has a gradient."""
    moved = []
    for weight in (0.0, 1.0):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, kernel_initializer="ones")])
        optimizer = keras.optimizers.SGD(0.1)
        with tf.GradientTape() as tape:
            p = model(tf.constant([[0.3, 0.4, -0.2]]))[0]
            loss = tf.reduce_sum(tf.square(p - 2.0)) + weight * tf.reduce_sum(FUNCTIONS[name](p))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        moved.append(model.get_weights())
    for without, with_term in zip(*moved, strict=True):
        np.testing.assert_array_equal(without, with_term)
        assert np.any(without != 1.0)


def test_a_whole_loss_without_gradient_is_an_error_of_the_optimizer() -> None:
    w = tf.Variable([0.3, 1.7])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.round(w))
    with pytest.raises(ValueError, match="No gradients provided"):
        keras.optimizers.SGD(0.1).apply_gradients([(tape.gradient(loss, w), w)])
