"""Distances and mining for person re-identification."""
import tensorflow as tf


def squared_distances(emb):
    dot = tf.matmul(emb, emb, transpose_b=True)
    sq = tf.linalg.diag_part(dot)
    d2 = tf.expand_dims(sq, 1) - 2.0 * dot + tf.expand_dims(sq, 0)
    return tf.maximum(d2, 0.0)


def distances(emb, squared=False):
    d2 = squared_distances(emb)
    if squared:
        return d2
    return tf.sqrt(d2)  # BUG: sqrt-grad, identities with few images are drawn with replacement, so a positive pair can be the same image twice: distance 0 with a non-zero incoming gradient


def positive_mask(labels):
    same = tf.equal(tf.expand_dims(labels, 0), tf.expand_dims(labels, 1))
    eye = tf.cast(tf.eye(tf.shape(labels)[0]), tf.bool)
    return tf.logical_and(same, tf.logical_not(eye))


def negative_mask(labels):
    return tf.not_equal(tf.expand_dims(labels, 0), tf.expand_dims(labels, 1))


def batch_hard(dist, labels):
    pos = tf.cast(positive_mask(labels), dist.dtype)
    neg = tf.cast(negative_mask(labels), dist.dtype)
    hardest_pos = tf.reduce_max(dist * pos, axis=1)
    worst = tf.reduce_max(dist, axis=1, keepdims=True)
    hardest_neg = tf.reduce_min(dist + worst * (1.0 - neg), axis=1)
    return hardest_pos, hardest_neg
