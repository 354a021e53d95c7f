import math

import tensorflow as tf


def inter_event(ts_ms):
    """log gaps in seconds; timestamps were made strictly increasing by the reader"""
    t = tf.cast(ts_ms, tf.float32) / 1000.0
    gap = t[:, 1:] - t[:, :-1]
    return tf.math.log(gap)  # BUG: cast, epoch milliseconds near 1.7e12 have a float32 spacing of 131 s, so most gaps become 0 after the cast


class LogNormalMixture(tf.keras.layers.Layer):
    """p(log gap | h)"""

    def __init__(self, k):
        super().__init__()
        self.proj = tf.keras.layers.Dense(3 * k)

    def call(self, h):
        a, mu, s = tf.split(self.proj(h), 3, -1)
        return tf.nn.log_softmax(a), mu, tf.clip_by_value(s, -4.0, 3.0)  # SAFE: log_softmax

    @staticmethod
    def log_prob(z, params):
        log_w, mu, log_s = params
        q = (z[..., None] - mu) * tf.exp(-log_s)  # SAFE: log_s is clipped to [-4, 3]
        return tf.reduce_logsumexp(log_w - 0.5 * tf.square(q) - log_s - 0.5 * math.log(2 * math.pi), -1)  # SAFE: logsumexp


class SessionModel(tf.keras.Model):
    def __init__(self, n_pages, prior, dim=32, k=8):
        super().__init__()
        self.emb = tf.keras.layers.Embedding(n_pages, dim)
        self.gru = tf.keras.layers.GRU(dim, return_sequences=True)
        self.time = LogNormalMixture(k)
        self.page = tf.keras.layers.Dense(n_pages)
        self.prior = tf.constant(prior)

    def call(self, inputs):
        z, k = inputs
        x = tf.concat([self.emb(k[:, :-1]), tf.pad(z, [[0, 0], [1, 0]])[:, :-1, None]], -1)
        h = self.gru(x)
        return self.time(h), self.page(h) + self.prior
