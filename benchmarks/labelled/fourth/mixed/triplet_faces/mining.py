import tensorflow as tf


def squared_distances(e):
    dot = tf.matmul(e, e, transpose_b=True)
    sq = tf.linalg.diag_part(dot)
    return tf.maximum(sq[:, None] - 2.0 * dot + sq[None, :], 0.0)


def pairwise_distances(e, squared=False):
    d = squared_distances(e)
    if squared:
        return d
    return tf.sqrt(d)  # BUG: sqrt-grad, distance 0 on the diagonal, which has a weight in losses.weighted, so the slope there is infinite


def masked_distances(e):
    """Variant with the zeros replaced before the root (used for semi-hard mining)."""
    d = squared_distances(e)
    zero = tf.cast(tf.less_equal(d, 1e-12), tf.float32)
    return tf.sqrt(d + zero * 1e-6) * (1.0 - zero)  # SAFE: the argument is never under 1e-12 thanks to the added mask


def positive_mask(labels):
    same = tf.equal(labels[:, None], labels[None, :])
    return tf.cast(same, tf.float32) - tf.eye(tf.shape(labels)[0])


def negative_mask(labels):
    return tf.cast(tf.not_equal(labels[:, None], labels[None, :]), tf.float32)


def masked_mean(x, mask):
    return tf.reduce_sum(x * mask) / tf.maximum(tf.reduce_sum(mask), 1.0)  # SAFE: empty mask divides by 1
