import tensorflow as tf


def intent_loss(probs, labels, smooth):
    one_hot = tf.one_hot(labels, probs.shape[-1], dtype=tf.float32)
    p = tf.cast(probs, tf.float32)
    return -tf.reduce_mean(tf.reduce_sum(one_hot * tf.math.log(p + 1e-7), -1))  # SAFE: the intent head works in float32, where the epsilon survives


def slot_loss(probs, labels, mask, smooth):
    one_hot = tf.one_hot(labels, probs.shape[-1], dtype=probs.dtype)
    nll = -tf.reduce_sum(one_hot * tf.math.log(probs + smooth), -1)  # BUG: weak-guard, the default smooth of 1e-8 is zero in float16 and rare slots underflow
    m = tf.cast(mask, nll.dtype)
    per_sentence = tf.reduce_sum(nll * m, -1) / tf.maximum(tf.reduce_sum(m, -1), 1.0)  # SAFE: floor of one token
    return tf.reduce_mean(per_sentence)


def slot_entropy(probs):
    p = tf.cast(probs, tf.float32)
    return tf.reduce_mean(-tf.reduce_sum(tf.math.xlogy(p, p), -1))  # SAFE: xlogy is zero for zero, and a log value only


def length_penalty(lengths, dtype):
    total = tf.reduce_sum(tf.cast(lengths, tf.float32))
    return tf.cast(tf.math.rsqrt(tf.maximum(total, 1.0)), dtype)  # SAFE: float32 and a floor of one
