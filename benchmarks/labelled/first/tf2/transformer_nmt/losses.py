import tensorflow as tf

_ce = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")  # SAFE: Transformer.out is linear


def masked_loss(y, logits):
    m = tf.cast(tf.not_equal(y, 0), tf.float32)
    l = _ce(y, logits) * m
    return tf.reduce_sum(l) / tf.reduce_sum(m)  # SAFE: every target row has at least its end token

def smoothed_loss(y, logits, eps=0.1):
    v = tf.shape(logits)[-1]
    soft = tf.one_hot(y, v) * (1.0 - eps) + eps / tf.cast(v, tf.float32)  # SAFE: vocabulary size
    l = tf.nn.softmax_cross_entropy_with_logits(soft, logits)  # SAFE: fused
    m = tf.cast(tf.not_equal(y, 0), tf.float32)
    return tf.reduce_sum(l * m) / tf.maximum(tf.reduce_sum(m), 1.0)  # SAFE: maximum


def unlikelihood(y, logits):
    """penalise tokens already seen in the prefix"""
    p = tf.nn.softmax(logits)
    seen = tf.cast(tf.cumsum(tf.one_hot(y, tf.shape(logits)[-1]), axis=1, exclusive=True) > 0, tf.float32)
    seen = seen * (1.0 - tf.one_hot(y, tf.shape(logits)[-1]))
    return -tf.reduce_mean(tf.reduce_sum(seen * tf.math.log(1.0 - p), axis=-1))  # BUG: log-softmax, 1 - p is 0 once one repeated token takes all the mass (or the right token does: 0 * -inf)


def perplexity(loss):
    return tf.exp(tf.minimum(loss, 20.0))  # SAFE: metric, minimum
