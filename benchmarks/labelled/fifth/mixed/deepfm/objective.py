import numpy as np
import tensorflow as tf


class WeightedLogLoss(tf.keras.losses.Loss):
    """Log loss on logits, corrected for down-sampled negatives."""

    def __init__(self, neg_rate, **kw):
        super().__init__(**kw)
        if not 0.0 < neg_rate <= 1.0:
            raise ValueError("neg_rate must be in (0, 1]")
        self.shift = float(np.log(neg_rate))  # SAFE: the rate was checked to be above 0

    def call(self, y_true, logits):
        y = tf.cast(y_true, logits.dtype)
        z = logits - self.shift
        pos = y * tf.math.log_sigmoid(z)  # SAFE: log_sigmoid is stable
        neg = (1.0 - y) * tf.math.log_sigmoid(-z)  # SAFE: log_sigmoid is stable
        return -tf.reduce_mean(pos + neg, axis=-1)


class NormalizedEntropy(tf.keras.metrics.Metric):
    """Log loss divided by the entropy of the average click rate."""

    def __init__(self, name="ne", **kw):
        super().__init__(name=name, **kw)
        self.ll = self.add_weight(name="ll", shape=(), initializer="zeros")
        self.pos = self.add_weight(name="pos", shape=(), initializer="zeros")
        self.n = self.add_weight(name="n", shape=(), initializer="zeros")

    def update_state(self, y_true, logits, sample_weight=None):
        y = tf.cast(tf.reshape(y_true, [-1]), tf.float32)
        ll = tf.nn.sigmoid_cross_entropy_with_logits(y, tf.reshape(logits, [-1]))
        self.ll.assign_add(tf.reduce_sum(ll))
        self.pos.assign_add(tf.reduce_sum(y))
        self.n.assign_add(tf.cast(tf.size(y), tf.float32))

    def result(self):
        n = tf.maximum(tf.convert_to_tensor(self.n), 1.0)
        rate = tf.clip_by_value(self.pos / n, 1e-5, 1.0 - 1e-5)  # SAFE: n is at least 1
        base = -(rate * tf.math.log(rate) + (1.0 - rate) * tf.math.log1p(-rate))  # SAFE: rate clipped to [1e-5, 1 - 1e-5]
        return (self.ll / n) / base  # SAFE: the entropy of the clipped rate is at least 1e-4


def calibration(y, p):
    return float(p.sum() / max(float(y.sum()), 1.0))  # SAFE: maximum with 1
