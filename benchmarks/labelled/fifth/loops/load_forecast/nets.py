import tensorflow as tf
from tensorflow.keras import layers


class Forecaster(tf.keras.Model):
    def __init__(self, units, horizon, n_q):
        super().__init__()
        self.enc = layers.GRU(units)
        self.mix = layers.TimeDistributed(layers.Dense(units, "relu"))
        self.head = layers.TimeDistributed(layers.Dense(n_q))
        self.horizon = horizon

    def call(self, x, fut):
        h = self.enc(x)
        h = tf.tile(h[:, None], [1, self.horizon, 1])
        out = self.head(self.mix(tf.concat([h, fut], -1)))
        base = out[..., :1]
        return tf.concat([base, base + tf.cumsum(tf.nn.softplus(out[..., 1:]), -1)], -1)  # SAFE: softplus does not overflow


class Objective:
    """Pinball loss plus a squared term on the median."""

    def __init__(self, quantiles, mse_weight=1.0):
        self.q = tf.constant(quantiles)
        self.mid = len(quantiles) // 2
        self.w = mse_weight

    def pinball(self, y, p):
        d = y[..., None] - p
        return tf.reduce_sum(tf.maximum(self.q * d, (self.q - 1.0) * d))

    def __call__(self, y, p):
        return self.pinball(y, p) + self.w * tf.reduce_sum(tf.square(y - p[..., self.mid]))


def crossing_rate(p):
    return tf.reduce_mean(tf.cast(p[..., 1:] < p[..., :-1], tf.float32))  # SAFE: mean over a non-empty tensor, metric only
