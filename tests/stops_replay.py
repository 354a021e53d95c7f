"""What a report says of gradients that stop, computed by TensorFlow."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tflint_nan.graph import Report
from tflint_nan.value import Op

Function = Callable[[tf.Tensor], tf.Tensor]


def floating(function: Function) -> Function:
    """The function, and what it gives as floating-point numbers, as a loss has them."""
    return lambda x: tf.cast(function(x), tf.float32)


#: Canonical name -> the operation, of numbers around 0 and of nothing else.
FUNCTIONS: dict[str, Function] = {
    name: floating(function)
    for name, function in {
        "sign": tf.sign,
        "round": tf.round,
        "floor": tf.floor,
        "ceil": tf.math.ceil,
        "trunc": keras.ops.trunc,
        "floordiv": lambda x: x // 0.5,
        "truncatediv": lambda x: tf.truncatediv(x, 0.5),
        "heaviside": lambda x: tf.experimental.numpy.heaviside(x, 0.5),
        "equal": lambda x: tf.equal(x, 0.5),
        "not_equal": lambda x: tf.not_equal(x, 0.5),
        "greater": lambda x: x > 0.5,
        "greater_equal": lambda x: x >= 0.5,
        "less": lambda x: x < 0.5,
        "less_equal": lambda x: x <= 0.5,
        "logical_and": lambda x: tf.logical_and(x > 0.5, x < 1.0),
        "logical_or": lambda x: tf.logical_or(x > 0.5, x < 0.0),
        "logical_not": lambda x: tf.logical_not(x > 0.5),
        "logical_xor": lambda x: tf.math.logical_xor(x > 0.5, x < 0.0),
        "any": lambda x: tf.reduce_any(x > 0.5),
        "all": lambda x: tf.reduce_all(x > 0.5),
        "count_nonzero": tf.math.count_nonzero,
        "fraction": tf.math.zero_fraction,
        "argmax": tf.argmax,
        "argmin": tf.argmin,
        "argsort": tf.argsort,
        "one_hot": lambda x: tf.one_hot(tf.argmax(x), 3),
        "categorical": lambda x: tf.random.categorical(x[None], 1),
        "edit_distance": lambda x: tf.edit_distance(words(x), words(x[::-1])),
        "metric": lambda x: keras.metrics.binary_accuracy(tf.constant([1.0, 0.0, 1.0]), x),
        "cast": lambda x: tf.cast(x, tf.int32),
    }.items()
}
#: Beginning of an API -> what it makes of a tensor, given back to TensorFlow.
READ_OUT: dict[str, Function] = {
    "tensor.numpy": lambda x: tf.constant(x.numpy()),
    "tensor.item": lambda x: tf.constant(x.numpy()[0].item()),
    "np.": lambda x: tf.constant(np.tanh(x)),
}


def words(x: tf.Tensor) -> tf.SparseTensor:
    return tf.sparse.from_dense(tf.cast(x * 10, tf.int64)[None])


def gradient(function: Function) -> np.ndarray | None:
    """The gradient of a function at three numbers, none of which is a whole one; None where there is none."""
    x = tf.Variable([0.3, 1.7, -2.2])
    with tf.GradientTape() as tape:
        y = function(tf.identity(x))
    found = tape.gradient(y, x)
    return None if found is None else tf.convert_to_tensor(found).numpy()


def function_of(op: Op) -> Function:
    return next((f for api, f in READ_OUT.items() if op.api.startswith(api)), None) or FUNCTIONS[op.name]


def stopped(report: Report) -> None:
    """No witness: the gradient of each op that is said to stop it is 0, or there is none."""
    assert report.witness is None
    told = [(report.op, report.message), *(pair for pair in report.because if "gradient comes" in pair[1])]
    for op, words in told:
        found = gradient(function_of(op))
        if "of sign is 0" in words:
            np.testing.assert_array_equal(found, np.zeros(3))
        else:
            assert "no gradient comes back" in words
            assert found is None
