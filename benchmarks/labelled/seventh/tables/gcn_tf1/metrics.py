import tensorflow as tf


def masked_softmax_cross_entropy(preds, labels, mask):
    loss = tf.nn.softmax_cross_entropy_with_logits_v2(logits=preds, labels=tf.stop_gradient(labels))  # SAFE: preds are the outputs of the last linear layer
    mask = tf.cast(mask, dtype=tf.float32)
    mask /= tf.reduce_mean(mask)  # SAFE: sample_mask refuses empty splits
    return tf.reduce_mean(loss * mask)


def masked_accuracy(preds, labels, mask):
    correct = tf.equal(tf.argmax(preds, 1), tf.argmax(labels, 1))
    mask = tf.cast(mask, dtype=tf.float32)
    return tf.reduce_sum(tf.cast(correct, tf.float32) * mask) / tf.reduce_sum(mask)  # SAFE: sample_mask refuses empty splits


def mean_entropy(logits, mask):
    p = tf.nn.softmax(logits)
    per_node = -tf.reduce_sum(p * tf.nn.log_softmax(logits), axis=1)  # SAFE: log_softmax is finite for finite logits
    return tf.reduce_sum(per_node * mask) / tf.maximum(tf.reduce_sum(mask), 1.0)  # SAFE: maximum with one
