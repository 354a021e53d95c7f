import keras
from keras import ops


def margin_loss(m_plus=0.9, m_minus=0.1, down=0.5):
    def loss(y_true, lengths):
        present = y_true * ops.square(ops.maximum(0.0, m_plus - lengths))
        absent = (1 - y_true) * ops.square(ops.maximum(0.0, lengths - m_minus))
        return ops.mean(ops.sum(present + down * absent, axis=-1))
    return loss


def spread_loss(margin=0.2):
    def loss(y_true, a):
        target = ops.sum(y_true * a, axis=-1, keepdims=True)
        gap = ops.maximum(0.0, margin - (target - a)) * (1 - y_true)
        return ops.mean(ops.sum(ops.square(gap), axis=-1))
    return loss


def symmetric_ce(alpha=0.1, beta=1.0):
    """Wang et al. 2019, for noisy labels."""
    def loss(y_true, scores):
        p = scores / ops.sum(scores, axis=-1, keepdims=True)  # SAFE: Length returns at least sqrt(1e-7) for every class
        p = ops.clip(p, 1e-7, 1.0)
        t = ops.clip(y_true, 1e-4, 1.0)
        forward = -ops.sum(y_true * ops.log(p), axis=-1)  # SAFE: clipped from below at 1e-7
        reverse = -ops.sum(p * ops.log(t), axis=-1)  # SAFE: labels are clipped to at least 1e-4
        return ops.mean(alpha * forward + beta * reverse)
    return loss


class BalancedAccuracy(keras.metrics.Metric):
    def __init__(self, n_classes, name='balanced_accuracy', **kwargs):
        super().__init__(name=name, **kwargs)
        self.hits = self.add_weight(shape=(n_classes,), initializer='zeros', name='hits')
        self.seen = self.add_weight(shape=(n_classes,), initializer='zeros', name='seen')

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = ops.cast(y_true, 'float32')
        guess = ops.one_hot(ops.argmax(y_pred, axis=-1), y_true.shape[-1])
        self.hits.assign(self.hits + ops.sum(y_true * guess, axis=0))
        self.seen.assign(self.seen + ops.sum(y_true, axis=0))

    def result(self):
        present = ops.cast(self.seen > 0, 'float32')
        per_class = self.hits / ops.maximum(self.seen, 1.0)  # SAFE: counts below one are raised to one
        return ops.sum(per_class) / ops.maximum(ops.sum(present), 1.0)  # SAFE: the divisor is at least 1
