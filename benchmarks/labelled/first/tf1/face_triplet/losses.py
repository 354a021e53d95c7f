"""Metric learning losses."""
import tensorflow as tf

EPS = 1e-16


def pairwise_distances(emb, squared=False):
    dot = tf.matmul(emb, tf.transpose(emb))
    sq = tf.diag_part(dot)
    d = tf.expand_dims(sq, 0) - 2.0 * dot + tf.expand_dims(sq, 1)
    d = tf.maximum(d, 0.0)
    if not squared:
        mask = tf.to_float(tf.equal(d, 0.0))
        d = d + mask * 1e-16
        d = tf.sqrt(d)  # SAFE: zeros are replaced by 1e-16 through the mask, the gradient 5e7 meets the zero of maximum
        d = d * (1.0 - mask)
    return d


def pairwise_naive(emb):
    a = tf.expand_dims(emb, 0)
    b = tf.expand_dims(emb, 1)
    return tf.sqrt(tf.reduce_sum(tf.square(a - b), 2))  # BUG: sqrt-grad, the diagonal is exactly 0 at every step (NaN at once before TF 1.13, later when all images of a person collapse)


def _triplet_mask(labels):
    same = tf.equal(tf.expand_dims(labels, 0), tf.expand_dims(labels, 1))
    n = tf.shape(labels)[0]
    not_self = tf.logical_not(tf.cast(tf.eye(n), tf.bool))
    ij = tf.expand_dims(tf.logical_and(same, not_self), 2)
    ik = tf.expand_dims(tf.logical_not(same), 1)
    return tf.to_float(tf.logical_and(ij, ik))


def batch_all(labels, emb, margin, squared=False):
    d = pairwise_distances(emb, squared)
    t = tf.expand_dims(d, 2) - tf.expand_dims(d, 1) + margin
    mask = _triplet_mask(labels)
    t = tf.maximum(t * mask, 0.0)
    positive = tf.to_float(tf.greater(t, EPS))
    n_pos = tf.reduce_sum(positive)
    n_valid = tf.reduce_sum(mask)
    fraction = n_pos / (n_valid + EPS)  # SAFE: counts are 0 or >= 1, 0/1e-16 = 0; metric
    return tf.reduce_sum(t) / (n_pos + EPS), fraction  # SAFE: when the count is 0 the sum is 0 too and its gradient is cut


def batch_hard(labels, emb, margin):
    d = pairwise_naive(emb)
    same = tf.to_float(tf.equal(tf.expand_dims(labels, 0), tf.expand_dims(labels, 1)))
    hardest_pos = tf.reduce_max(d * same, 1)
    hardest_neg = tf.reduce_min(d + same * tf.reduce_max(d), 1)
    return tf.reduce_mean(tf.nn.softplus(hardest_pos - hardest_neg + margin))  # SAFE: library softplus


def contrastive(y, e1, e2, margin=1.0):
    sq = tf.reduce_sum(tf.square(e1 - e2), 1)
    dist = tf.sqrt(sq + 1e-6, name='dist')  # SAFE: epsilon in the root
    return tf.reduce_mean(y * sq + (1.0 - y) * tf.square(tf.maximum(margin - dist, 0.0)))


def angular_softmax(emb, labels, n_class, s=30.0, m=0.5):
    """additive angular margin"""
    with tf.variable_scope('arc'):
        W = tf.get_variable('W', [emb.get_shape()[-1], n_class])
        W = tf.nn.l2_normalize(W, 0)  # SAFE: library epsilon
        cos = tf.matmul(emb, W)
        theta = tf.acos(cos)  # BUG: domain, a cosine of 1 (1.0000001 by rounding) gives NaN, gradient 1/sqrt(0)
        one = tf.one_hot(labels, n_class)
        logits = s * tf.cos(theta + m * one)
        return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=one, logits=logits))  # SAFE: fused
