"""Intensity features in [0, 1] are mapped to the real line before the flow."""
import math

import numpy as np
import tensorflow as tf


def load(path):
    with np.load(path) as z:
        x = z["x"].astype(np.float32)
    lo, hi = x.min(0), x.max(0)
    span = np.where(hi - lo < 1e-6, 1.0, hi - lo)
    return (x - lo) / span  # SAFE: constant columns are divided by one


def split(x, frac=0.1, seed=0):
    order = np.random.RandomState(seed).permutation(len(x))
    k = max(int(frac * len(x)), 1)
    return x[order[k:]], x[order[:k]]


def to_logit(x):
    y = tf.math.log(x) - tf.math.log(1.0 - x)  # BUG: log-zero, min-max scaling puts exact zeros and ones in every column
    logdet = tf.reduce_sum(tf.nn.softplus(y) + tf.nn.softplus(-y), -1)
    return y, logdet


def to_logit_squeezed(x, alpha=0.05):
    s = alpha + (1.0 - 2.0 * alpha) * x
    y = tf.math.log(s) - tf.math.log(1.0 - s)  # SAFE: s lies between alpha and 1 - alpha
    logdet = tf.reduce_sum(tf.nn.softplus(y) + tf.nn.softplus(-y) + math.log(1.0 - 2.0 * alpha), -1)  # SAFE: alpha is 0.05
    return y, logdet


def from_logit(y):
    return tf.sigmoid(y)
