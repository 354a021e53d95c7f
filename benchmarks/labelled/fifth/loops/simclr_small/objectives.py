"""Contrastive objectives on L2 normalised projections."""
import tensorflow as tf


def unit(x):
    return tf.math.l2_normalize(x, axis=-1, epsilon=1e-6)  # SAFE: epsilon inside the rsqrt, zero vectors map to zero


def _pair_mask(n):
    """0 on the positions (i, i), (i, i+n): everything else is a negative."""
    eye = tf.eye(n)
    return 1.0 - tf.tile(eye, [2, 2])


class HardNegativeLoss:
    """Robinson et al. 2021, debiased and reweighted negatives."""

    def __init__(self, temperature, beta, tau_plus):
        self.t = temperature
        self.beta = beta
        self.tau_plus = tau_plus

    def __call__(self, a, b):
        a, b = unit(a), unit(b)
        n = tf.shape(a)[0]
        z = tf.concat([a, b], 0)
        sim = tf.matmul(z, z, transpose_b=True)
        mask = _pair_mask(n)
        neg = tf.exp(sim / self.t) * mask  # BUG: exp-overflow, cosine 1 divided by the default temperature 0.01 is 100; inf * 0 on the masked diagonal
        pos = tf.exp(tf.reduce_sum(a * b, -1) / self.t)  # BUG: exp-overflow, aligned views reach a cosine above 0.89, which overflows at temperature 0.01
        pos = tf.concat([pos, pos], 0)
        w = tf.exp(self.beta * sim) * mask  # SAFE: beta is asserted <= 2 and the similarity is a cosine
        w = w / tf.reduce_mean(w, axis=1, keepdims=True)  # SAFE: weights are at least exp(-2) off the mask, batch > 1
        m = tf.cast(2 * n - 2, tf.float32)
        neg = tf.reduce_sum(w * neg, 1)
        ng = (neg - m * self.tau_plus * pos) / (1.0 - self.tau_plus)  # SAFE: tau_plus < 0.5 is asserted in the options
        ng = tf.maximum(ng, m * tf.exp(-1.0 / self.t))
        return -tf.reduce_mean(tf.math.log(pos / (pos + ng)))  # BUG: log-zero, at temperature 0.01 the ratio of a badly aligned pair to a close negative underflows to 0


def nt_xent(a, b, temperature=0.1):
    """Plain version for monitoring the validation split."""
    a, b = unit(a), unit(b)
    n = tf.shape(a)[0]
    z = tf.concat([a, b], 0)
    logits = tf.matmul(z, z, transpose_b=True) / temperature
    logits -= 1e9 * tf.eye(2 * n)
    labels = tf.concat([tf.range(n, 2 * n), tf.range(n)], 0)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))  # SAFE: stable op in float32, -1e9 only on the diagonal


def alignment_uniformity(a, b):
    a, b = unit(a), unit(b)
    align = tf.reduce_mean(tf.reduce_sum(tf.square(a - b), -1))
    d2 = 2.0 - 2.0 * tf.matmul(a, a, transpose_b=True)
    uni = tf.math.log(tf.reduce_mean(tf.exp(-2.0 * d2)))  # SAFE: d2 is in [0, 4], so the mean is at least exp(-8)
    return float(align), float(uni)
