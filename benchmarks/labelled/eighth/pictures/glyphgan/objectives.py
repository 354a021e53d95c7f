"""Adversarial objectives. D returns probabilities."""
import tensorflow as tf

_bce = tf.keras.losses.BinaryCrossentropy(from_logits=False)


def d_objective(p_real, p_fake, smooth=0.1):
    real = _bce(tf.ones_like(p_real) * (1.0 - smooth), p_real)  # SAFE: D ends in a sigmoid and Keras clips probabilities
    fake = _bce(tf.zeros_like(p_fake), p_fake)  # SAFE: probabilities with from_logits=False, clipped inside
    return real + fake


def g_saturating(p_fake):
    return tf.reduce_mean(tf.math.log(1.0 - p_fake))  # BUG: log-sigmoid, 1 - sigmoid rounds to 0 when D is fooled and log gives -inf


def g_nonsaturating(p_fake):
    return -tf.reduce_mean(tf.math.log(tf.maximum(p_fake, 1e-7)))  # SAFE: floored at 1e-7 in float32


G_OBJECTIVES = {"saturating": g_saturating, "nonsaturating": g_nonsaturating}


def feature_diversity(z1, z2, x1, x2):
    """Mode seeking ratio; bounded and inverted."""
    dz = tf.reduce_mean(tf.abs(z1 - z2))
    dx = tf.reduce_mean(tf.abs(x1 - x2))
    return dz / (dx + 1e-3)  # SAFE: dx is a mean of absolute values plus 1e-3
