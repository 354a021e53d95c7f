import math

import keras
import tensorflow as tf
from keras import layers

LOG_2PI = math.log(2.0 * math.pi)  # SAFE: a constant


class QuantileHead(layers.Layer):
    """Non crossing quantiles: the lowest value plus positive steps."""

    def __init__(self, quantiles):
        super().__init__()
        self.q = tf.constant(sorted(quantiles), tf.float32)
        self.first, self.steps = layers.Dense(1), layers.Dense(len(quantiles) - 1)

    def call(self, h):
        inc = tf.nn.softplus(self.steps(h)) + 1e-3
        return tf.concat([self.first(h), self.first(h) + tf.cumsum(inc, axis=1)], 1)

    def loss(self, y, pred):
        e = y[:, None] - pred
        return tf.reduce_mean(tf.maximum(self.q * e, (self.q - 1.0) * e))

    def width_penalty(self, pred, y):
        width = pred[:, -1] - pred[:, 0]
        return tf.reduce_mean(tf.math.log(tf.maximum(width, 1e-3)))  # SAFE: floored before the logarithm

    def interval_score(self, y, pred, alpha=0.1):
        lo, hi = pred[:, 0], pred[:, -1]
        return tf.reduce_mean(hi - lo + 2.0 / alpha * (tf.nn.relu(lo - y) + tf.nn.relu(y - hi)))  # SAFE: alpha is the constant 0.1


class MixtureHead(layers.Layer):

    def __init__(self, k):
        super().__init__()
        self.k, self.out = k, layers.Dense(3 * k)

    def call(self, h):
        logit, mu, raw = tf.split(self.out(h), 3, 1)
        log_s = 4.0 * tf.tanh(raw / 4.0)
        return tf.nn.log_softmax(logit), mu, log_s  # SAFE: log_softmax of finite logits

    def loss(self, y, params):
        logp, mu, log_s = params
        z = (y[:, None] - mu) * tf.exp(-log_s)  # SAFE: log_s is kept between -4 and 4 by tanh
        comp = -0.5 * tf.square(z) - log_s - 0.5 * LOG_2PI
        return -tf.reduce_mean(tf.reduce_logsumexp(logp + comp, 1))  # SAFE: logsumexp subtracts the maximum and a component is always finite

    def mean_std(self, params):
        logp, mu, log_s = params
        p = tf.exp(logp)  # SAFE: log-probabilities are not positive
        m = tf.reduce_sum(p * mu, 1)
        v = tf.reduce_sum(p * (tf.exp(2.0 * log_s) + tf.square(mu)), 1) - tf.square(m)
        return m, tf.sqrt(tf.maximum(v, 1e-6))  # SAFE: floored before the root


class EvidentialHead(layers.Layer):
    """Normal inverse gamma (Amini 2020)."""

    def __init__(self, lam=0.01):
        super().__init__()
        self.lam, self.out = lam, layers.Dense(4)

    def call(self, h):
        g, v, a, b = tf.split(self.out(h), 4, 1)
        return g[:, 0], tf.nn.softplus(v[:, 0]) + 1e-3, tf.nn.softplus(a[:, 0]) + 1.01, tf.nn.softplus(b[:, 0]) + 1e-3

    def loss(self, y, params):
        g, v, a, b = params
        om = 2.0 * b * (1.0 + v)
        nll = 0.5 * tf.math.log(math.pi / v) - a * tf.math.log(om)  # SAFE: v and b have floors of 1e-3
        nll += (a + 0.5) * tf.math.log(tf.square(y - g) * v + om)  # SAFE: om is at least 0.002
        nll += tf.math.lgamma(a) - tf.math.lgamma(a + 0.5)  # SAFE: a is at least 1.01
        return tf.reduce_mean(nll + self.lam * tf.abs(y - g) * (2.0 * v + a))

    @staticmethod
    def uncertainty(params):
        _, v, a, b = params
        return b / (v * (a - 1.0))  # SAFE: v is at least 1e-3 and a - 1 at least 0.01
