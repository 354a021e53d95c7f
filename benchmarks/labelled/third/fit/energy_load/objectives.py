import tensorflow as tf


def mape(y_true, y_pred):
    return 100.0 * tf.reduce_mean(tf.abs((y_true - y_pred) / y_true))  # BUG: div-zero, targets are min-max scaled by default (params, series.MinMax), the minimum of the training load is exactly 0


def wape(y_true, y_pred):
    return tf.reduce_sum(tf.abs(y_true - y_pred)) / tf.maximum(tf.reduce_sum(tf.abs(y_true)), 1e-3)  # SAFE: sum floored at 1e-3


def logcosh(y_true, y_pred):
    d = y_pred - y_true
    return tf.reduce_mean(d + tf.nn.softplus(-2.0 * d) - tf.math.log(2.0))  # SAFE: stable form of log(cosh), log of a constant


def rmse(y_true, y_pred):
    return tf.sqrt(tf.reduce_mean(tf.square(y_true - y_pred)) + 1e-9)  # SAFE: 1e-9 inside the root, float32


OBJECTIVES = {"mape": mape, "wape": wape, "logcosh": logcosh, "rmse": rmse, "mae": "mae",
              "keras_mape": "mean_absolute_percentage_error"}
