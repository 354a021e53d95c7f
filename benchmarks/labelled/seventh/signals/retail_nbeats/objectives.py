import tensorflow as tf


def smape(y, y_hat):
    """Symmetric MAPE of the M4 competition, in percent."""
    num = 2.0 * tf.abs(y_hat - y)
    den = tf.abs(y) + tf.abs(y_hat)
    return 100.0 * tf.reduce_mean(num / den)  # BUG: div-zero, zero-sales day with forecast exactly 0 from the final relu gives 0/0


def mase(y, y_hat, past, season=7):
    scale = tf.reduce_mean(tf.abs(past[:, season:] - past[:, :-season]), axis=1, keepdims=True)
    return tf.reduce_mean(tf.abs(y - y_hat) / tf.maximum(scale, 0.01))  # SAFE: scale floored at 0.01


def wape(y, y_hat):
    return tf.math.divide_no_nan(tf.reduce_sum(tf.abs(y - y_hat)), tf.reduce_sum(tf.abs(y)))  # SAFE: divide_no_nan, denominator is a function of the data only


def rmsle(y, y_hat):
    d = tf.math.log1p(tf.nn.relu(y_hat)) - tf.math.log1p(y)  # SAFE: both arguments are >= 0
    return tf.sqrt(tf.reduce_mean(tf.square(d)) + 1e-9)  # SAFE: 1e-9 under the root keeps the slope finite in float32


def tweedie(y, y_hat, rho=1.5):
    mu = tf.maximum(y_hat, 1e-3)
    a = y * tf.pow(mu, 1.0 - rho) / (1.0 - rho)  # SAFE: mu >= 1e-3 and rho is 1.5
    b = tf.pow(mu, 2.0 - rho) / (2.0 - rho)  # SAFE: mu >= 1e-3 and 2 - rho is 0.5
    return tf.reduce_mean(b - a)


OBJECTIVES = {"smape": smape, "rmsle": rmsle, "tweedie": tweedie}
