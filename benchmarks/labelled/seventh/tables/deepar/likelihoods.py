import math

import tensorflow as tf


class NegativeBinomial:
    """Mean / shape form, Var = mu + mu^2 * alpha."""
    n_params = 2

    @staticmethod
    def params(raw, scale):
        mu = tf.nn.softplus(raw[..., 0]) * scale + 1e-4
        alpha = tf.clip_by_value(tf.nn.softplus(raw[..., 1]) / tf.sqrt(scale), 1e-4, 1e2)  # SAFE: scale is one plus a mean of non-negative counts
        return mu, alpha

    @staticmethod
    def log_prob(z, mu, alpha):
        r = 1.0 / alpha  # SAFE: alpha is clipped to 1e-4
        ll = tf.math.lgamma(z + r) - tf.math.lgamma(z + 1.0) - tf.math.lgamma(r)  # SAFE: counts are >= 0 and r is at least 0.01
        am = alpha * mu
        ll += -r * tf.math.log1p(am)  # SAFE: both factors are positive
        ll += z * (tf.math.log(am) - tf.math.log1p(am))  # SAFE: mu is at least 1e-4 and alpha at least 1e-4
        return ll

    @staticmethod
    def sample(mu, alpha):
        rate = tf.random.gamma([], 1.0 / alpha, 1.0 / (alpha * mu))  # SAFE: both parameters have floors
        return tf.random.poisson([], rate)


class StudentT:
    n_params = 3

    @staticmethod
    def params(raw, scale):
        loc = raw[..., 0] * scale
        sigma = tf.nn.softplus(raw[..., 1]) * scale + 1e-3
        nu = 2.0 + tf.nn.softplus(raw[..., 2])
        return loc, sigma, nu

    @staticmethod
    def log_prob(z, loc, sigma, nu):
        y = (z - loc) / sigma  # SAFE: sigma is at least 1e-3
        c = tf.math.lgamma(0.5 * (nu + 1.0)) - tf.math.lgamma(0.5 * nu) - 0.5 * tf.math.log(nu * math.pi)  # SAFE: nu is at least two
        return c - tf.math.log(sigma) - 0.5 * (nu + 1.0) * tf.math.log1p(tf.square(y) / nu)  # SAFE: sigma has a floor and log1p gets a non-negative number


def masked_nll(ll, mask):
    return -tf.reduce_sum(ll * mask) / tf.maximum(tf.reduce_sum(mask), 1.0)  # SAFE: floor of one


def quantile_loss(z, zq, q):
    e = z - zq
    num = 2.0 * tf.reduce_sum(tf.maximum(q * e, (q - 1.0) * e))
    return num / tf.maximum(tf.reduce_sum(tf.abs(z)), 1.0)  # SAFE: weeks without sales divide by one
