"""A few distributions with the interface of TFP, without the dependency."""
import math

import tensorflow as tf

from base import floor_for, log1mexp, positive, safe_log, safe_norm, xlogy

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


class Normal:
    def __init__(self, loc, raw_scale):
        self.loc, self.scale = loc, positive(raw_scale)

    def log_prob(self, x):
        return -0.5 * tf.square((x - self.loc) / self.scale) - tf.math.log(self.scale) - HALF_LOG_2PI  # SAFE: scale = softplus + 1e-3

    def sample(self):
        return self.loc + self.scale * tf.random.normal(tf.shape(self.loc))

    def kl(self, other):
        r = tf.square(self.scale / other.scale)  # SAFE: scales are at least 1e-3
        d = tf.square((self.loc - other.loc) / other.scale)  # SAFE: same
        return 0.5 * (r + d - 1.0 - tf.math.log(r))  # SAFE: r is a squared ratio of scales in float32 range


class Laplace:
    def __init__(self, loc, raw_scale):
        self.loc, self.scale = loc, positive(raw_scale)

    def log_prob(self, x):
        return -tf.abs(x - self.loc) / self.scale - tf.math.log(2.0 * self.scale)  # SAFE: scale >= 1e-3

    def quantile(self, u):
        u = tf.clip_by_value(u, 1e-6, 1.0 - 1e-6)
        c = u - 0.5
        return self.loc - self.scale * tf.sign(c) * tf.math.log1p(-2.0 * tf.abs(c))  # SAFE: |c| <= 0.5 - 1e-6, so the argument stays above -1 in float32


class Categorical:
    def __init__(self, logits):
        self.logp = tf.nn.log_softmax(logits)  # SAFE: stable primitive

    def entropy(self):
        return -tf.reduce_sum(tf.exp(self.logp) * self.logp, -1)  # SAFE: logp is finite for finite logits, exp of a non-positive number

    def relaxed(self, tau):
        u = tf.random.uniform(tf.shape(self.logp), minval=1e-7, maxval=1.0)
        g = -tf.math.log(-tf.math.log(tf.clip_by_value(u, 1e-7, 1.0 - 1e-7)))  # SAFE: u clipped; 1 - 1e-7 is below 1 in float32, so the inner log is negative
        return tf.nn.softmax((self.logp + g) / max(tau, 0.1))  # SAFE: temperature floored

    def kl_to(self, probs):
        p = tf.exp(self.logp)  # SAFE: exponent <= 0
        return tf.reduce_sum(p * self.logp - xlogy(p, probs), -1)


class Dirichlet:
    def __init__(self, raw):
        self.c = positive(raw, 1e-2)

    def log_prob(self, p):
        p = tf.maximum(p, 1e-6)
        p = p / tf.reduce_sum(p, -1, keepdims=True)  # SAFE: all entries >= 1e-6
        return tf.reduce_sum((self.c - 1.0) * safe_log(p), -1) - self.norm()

    def norm(self):
        return tf.reduce_sum(tf.math.lgamma(self.c), -1) - tf.math.lgamma(tf.reduce_sum(self.c, -1))  # SAFE: concentrations are at least 0.01

    def mean(self):
        return self.c / tf.reduce_sum(self.c, -1, keepdims=True)  # SAFE: sum of positive concentrations


class Exponential:
    def __init__(self, raw):
        self.rate = positive(raw)

    def log_prob(self, x):
        return tf.math.log(self.rate) - self.rate * x  # SAFE: rate >= 1e-3

    def log_cdf(self, x):
        return log1mexp(self.rate * x)

    def interval_log_prob(self, lo, hi):
        return -self.rate * lo + log1mexp(self.rate * (hi - lo))


class Spherical:
    """Isotropic t with 3 degrees of freedom around a location."""

    def __init__(self, loc):
        self.loc = loc

    def log_prob(self, x):
        r = safe_norm(x - self.loc)
        d = tf.cast(tf.shape(self.loc)[-1], x.dtype)
        return -0.5 * (3.0 + d) * tf.math.log1p(tf.square(r) / 3.0)  # SAFE: argument of log1p >= 0


class Beta:
    def __init__(self, raw_a, raw_b):
        self.a, self.b = positive(raw_a, 0.05), positive(raw_b, 0.05)

    def log_prob(self, x):
        e = floor_for(x.dtype)
        x = tf.clip_by_value(x, e, 1.0 - e)
        return (self.a - 1.0) * tf.math.log(x) + (self.b - 1.0) * tf.math.log1p(-x) - tf.math.lbeta(tf.stack([self.a, self.b], -1))  # SAFE: x clipped to [1e-7, 1-1e-7], which is below 1 in float32
