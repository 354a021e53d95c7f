"""Densities used by the model (Loaiza-Ganem & Cunningham, 2019)."""
import math

import tensorflow as tf

from config import HALF_WIDTH

LOG_2PI = math.log(2.0 * math.pi)  # SAFE: constant


def bernoulli_ll(logits, x):
    """x*log(lam) + (1-x)*log(1-lam), written with logits."""
    return x * logits - tf.nn.softplus(logits)


def log_norm_const(lam):
    """log C(lam), with a Taylor expansion around 1/2 where the formula is 0/0."""
    outside = tf.logical_or(lam < 0.5 - HALF_WIDTH, lam > 0.5 + HALF_WIDTH)
    exact = tf.math.log(tf.abs(2.0 * tf.math.atanh(1.0 - 2.0 * lam)) / tf.abs(1.0 - 2.0 * lam))  # BUG: where-grad, lam is exactly 0.5 at start (zero-initialised output layer), 0/0 is hidden only in the forward pass
    d = lam - 0.5
    taylor = math.log(2.0) + 4.0 / 3.0 * d ** 2 + 104.0 / 45.0 * d ** 4
    return tf.where(outside, exact, taylor)


def cont_bernoulli_log_prob(logits, x):
    lam = tf.clip_by_value(tf.sigmoid(logits), 1e-4, 1.0 - 1e-4)
    return bernoulli_ll(logits, x) + log_norm_const(lam)


def cont_bernoulli_mean(logits):
    """E[x] under the continuous Bernoulli; used for plots and for the MSE metric."""
    lam = tf.clip_by_value(tf.sigmoid(logits), 1e-4, 1.0 - 1e-4)
    near = tf.abs(lam - 0.5) < HALF_WIDTH
    lam_s = tf.where(near, 0.25 * tf.ones_like(lam), lam)
    m = lam_s / (2.0 * lam_s - 1.0) + 1.0 / (2.0 * tf.math.atanh(1.0 - 2.0 * lam_s))  # SAFE: lam_s is moved away from 1/2 before the division and is clipped to [1e-4, 1-1e-4]
    return tf.where(near, 0.5 + (lam - 0.5) / 3.0, m)


def gaussian_kl(mu, logvar):
    return 0.5 * tf.reduce_sum(tf.square(mu) + tf.exp(logvar) - 1.0 - logvar, axis=-1)  # SAFE: encoder clips logvar to [-8, 4]


def gaussian_log_prob(z, mu, logvar):
    q = tf.square(z - mu) / tf.exp(logvar)  # SAFE: logvar >= -8 so the divisor is >= 3e-4
    return -0.5 * tf.reduce_sum(LOG_2PI + logvar + q, axis=-1)
