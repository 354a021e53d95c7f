import math

import tensorflow as tf


def pair_vectors(pos, idx_i, idx_j):
    return tf.gather(pos, idx_j) - tf.gather(pos, idx_i)


def pair_distances(pos, idx_i, idx_j):
    return tf.norm(pair_vectors(pos, idx_i, idx_j), axis=-1)  # BUG: norm-grad, the neighbour lists hold the atom itself and forces need the gradient at distance zero


def safe_distances(vec):
    return tf.sqrt(tf.reduce_sum(tf.square(vec), -1) + 1e-8)  # SAFE: epsilon inside the root


def bond_angles(vec_a, vec_b):
    cos = tf.reduce_sum(vec_a * vec_b, -1) / (safe_distances(vec_a) * safe_distances(vec_b))  # SAFE: each distance is at least 1e-4
    return tf.acos(tf.clip_by_value(cos, -0.9999, 0.9999))  # SAFE: clipped inside the open interval


def gaussian_basis(d, cutoff, n):
    centers = tf.linspace(0.0, cutoff, n)
    width = cutoff / (n - 1)  # SAFE: n is the 32 of the configuration
    return tf.exp(-0.5 * tf.square((d[:, None] - centers) / width))  # SAFE: a negative square in the exponent, the width is a positive constant


def bessel_basis(d, cutoff, n):
    k = math.pi * tf.range(1, n + 1, dtype=tf.float32) / cutoff
    safe = tf.maximum(d, 1e-3)[:, None]
    return math.sqrt(2.0 / cutoff) * tf.sin(k * safe) / safe  # SAFE: the distance is floored


def cosine_cutoff(d, cutoff):
    inside = tf.cast(d < cutoff, tf.float32)
    return 0.5 * (tf.cos(math.pi * tf.minimum(d, cutoff) / cutoff) + 1.0) * inside  # SAFE: the cutoff is a positive constant


def bump_cutoff(d, cutoff):
    u2 = tf.square(d / cutoff)
    return tf.where(d < cutoff, tf.exp(1.0 - 1.0 / (1.0 - u2)), tf.zeros_like(d))  # BUG: where-grad, beyond the cutoff the hidden exponential is infinite just outside of it and so is its gradient


def polynomial_cutoff(d, cutoff, p=6):
    u = tf.minimum(d / cutoff, 1.0)
    c = [-(p + 1.0) * (p + 2.0) / 2.0, p * (p + 2.0), -p * (p + 1.0) / 2.0]
    return 1.0 + c[0] * u ** p + c[1] * u ** (p + 1) + c[2] * u ** (p + 2)  # SAFE: non-negative base with constant integer exponents
