import tensorflow as tf


def mape(y, y_hat):
    return tf.reduce_mean(tf.abs((y - y_hat) / y))  # BUG: div-zero, solar output in megawatt is exactly 0 at night


def smape(y, y_hat):
    num = tf.abs(y - y_hat)
    den = tf.abs(y) + tf.abs(y_hat) + 1e-3
    return tf.reduce_mean(2.0 * num / den)  # SAFE: sum of absolute values plus 1e-3


def rmsle(y, y_hat):
    a = tf.math.log1p(tf.nn.relu(y))  # SAFE: argument is at least 0
    b = tf.math.log1p(tf.nn.softplus(y_hat))  # SAFE: softplus is non negative
    return tf.sqrt(tf.reduce_mean(tf.square(a - b)) + 1e-8)  # SAFE: 1e-8 under the root


def pinball(y, y_hat, q):
    e = y - y_hat
    return tf.reduce_mean(tf.maximum(q * e, (q - 1.0) * e))


LOSSES = {"mape": mape, "smape": smape, "rmsle": rmsle}


def mase(y, y_hat, naive_error):
    scale = tf.where(naive_error > 1e-6, naive_error, tf.ones_like(naive_error))
    return tf.reduce_mean(tf.abs(y - y_hat)) / scale  # SAFE: a zero naive error is replaced by 1
