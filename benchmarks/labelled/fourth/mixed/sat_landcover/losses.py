import numpy as np
import tensorflow as tf

from constants import IGNORE, NUM_CLASSES


def median_frequency(freq):
    """Eigen & Fergus: weight = median(freq) / freq."""
    w = np.median(freq) / freq  # BUG: div-zero, a class that has no pixel in the training tiles (snow) gets weight inf
    return w.astype(np.float32)


def inverse_log(freq, c=1.02):
    """ENet weighting."""
    return (1.0 / np.log(c + freq)).astype(np.float32)  # SAFE: c is 1.02, so the logarithm is at least 0.0198


class WeightedCE(tf.keras.losses.Loss):
    def __init__(self, weights, gamma=0.0, **kw):
        super().__init__(reduction="sum_over_batch_size", **kw)
        self.w = tf.constant(weights)
        self.gamma = gamma

    def call(self, y_true, logits):
        y = tf.cast(y_true, tf.int32)
        valid = tf.cast(tf.not_equal(y, IGNORE), tf.float32)
        y = tf.where(tf.equal(y, IGNORE), 0, y)
        onehot = tf.one_hot(y, NUM_CLASSES)
        logp = tf.nn.log_softmax(logits)  # SAFE: fused log softmax
        ce = -tf.reduce_sum(onehot * logp * self.w, -1)
        if self.gamma:
            pt = tf.exp(tf.reduce_sum(onehot * logp, -1))  # SAFE: log probability is at most 0
            ce *= (1.0 - pt) ** self.gamma  # MAYBE: only for a gamma between 0 and 1 from the command line
        total = tf.reduce_sum(valid, axis=[1, 2])
        return tf.reduce_sum(ce * valid, axis=[1, 2]) / tf.maximum(total, 1.0)  # SAFE: tile without labels divides by 1
