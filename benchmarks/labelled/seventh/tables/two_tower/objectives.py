import tensorflow as tf


def sampled_softmax(scores, items, log_pop, weight):
    """In-batch negatives with log-popularity correction; duplicates of the positive are masked."""
    logits = scores - tf.gather(log_pop, items)[None]
    same = tf.equal(items[:, None], items[None, :])
    dup = tf.logical_and(same, tf.logical_not(tf.eye(tf.shape(items)[0], dtype=tf.bool)))
    logits = tf.where(dup, tf.fill(tf.shape(logits), -1e9), logits)
    nll = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.range(tf.shape(items)[0]), logits=logits)  # SAFE: logits are scaled cosines and the diagonal is never masked
    return tf.reduce_sum(weight * nll) / (tf.reduce_sum(weight) + 1e-6)  # SAFE: weights are not negative and an epsilon is added


def pairwise(scores, weight):
    pos = tf.linalg.diag_part(scores)[:, None]
    n = tf.cast(tf.shape(scores)[0], tf.float32)
    off = 1.0 - tf.eye(tf.shape(scores)[0])
    loss = -tf.math.log_sigmoid(pos - scores) * off  # SAFE: log_sigmoid is the stable form
    return tf.reduce_mean(weight * tf.reduce_sum(loss, 1) / tf.maximum(n - 1.0, 1.0))  # SAFE: floor of one


def completion_loss(target, logit):
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=logit)  # SAFE: the head is linear and the target is clipped to [0, 1]


def uniformity(v, t=2.0):
    sq = 2.0 - 2.0 * tf.matmul(v, v, transpose_b=True)
    return tf.reduce_logsumexp(-t * tf.maximum(sq, 0.0)) - 2.0 * tf.math.log(tf.cast(tf.shape(v)[0], tf.float32))  # SAFE: the batch is not empty and logsumexp is stable
