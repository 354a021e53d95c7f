import tensorflow as tf
from tensorflow import keras

from . import schema


def deviance_poisson(y, mu):
    """2 * (y log(y/mu) - (y - mu)), with the y = 0 rows reduced to 2 mu"""
    y = tf.cast(y, mu.dtype)
    mu = tf.maximum(mu, 1e-6)
    positive = y > 0
    ratio = tf.where(positive, y, tf.ones_like(y)) / mu  # SAFE: mu floored above
    term = tf.where(positive, y * tf.math.log(ratio), tf.zeros_like(y))  # SAFE: the inner where keeps the ratio positive
    return 2.0 * tf.reduce_mean(term - (y - mu))


class PoissonLoss(keras.losses.Loss):
    """Negative log-likelihood on the log scale: exp(eta) - y eta."""

    def call(self, y_true, eta):
        eta = tf.minimum(eta, 5.0)
        mu = tf.exp(eta)  # SAFE: eta is capped at 5
        return tf.reduce_mean(mu - y_true * eta, axis=-1)


class GammaLoss(keras.losses.Loss):
    """Unit gamma deviance with log link, y in thousands."""

    def call(self, y_true, eta):
        eta = tf.clip_by_value(eta, -8.0, 8.0)
        return 2.0 * tf.reduce_mean(y_true * tf.exp(-eta) + eta - tf.math.log(y_true) - 1.0, axis=-1)  # SAFE: severity rows have paid > 0


def build(maps, cfg, with_offset, start):
    num = keras.Input((len(schema.NUMERIC),), name="num")
    inputs = {"num": num}
    parts = [num]
    for c in schema.CATEGORICAL:
        inp = keras.Input((), name=c, dtype="int32")
        inputs[c] = inp
        dim = max(2, min(8, len(maps[c]) // 2))
        parts.append(keras.layers.Embedding(len(maps[c]) + 1, dim)(inp))
    h = keras.layers.Concatenate()(parts)
    for width in cfg["hidden"]:
        h = keras.layers.Dense(width, activation="tanh")(h)
        if cfg["dropout"]:
            h = keras.layers.Dropout(cfg["dropout"])(h)
    eta = keras.layers.Dense(1, kernel_initializer="zeros",  # SAFE: only the output layer starts at zero, its gradient is alive
                             bias_initializer=keras.initializers.Constant(start))(h)
    if with_offset:
        off = keras.Input((1,), name="offset")
        inputs["offset"] = off
        eta = keras.layers.Add()([eta, off])
    return keras.Model(inputs, eta)
