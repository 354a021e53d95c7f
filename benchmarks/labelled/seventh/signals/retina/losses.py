import keras
import tensorflow as tf


class FocalLoss(keras.losses.Loss):
    """Sigmoid focal loss on logits, summed and divided by the number of positives."""

    def __init__(self, classes, alpha=0.25, gamma=2.0, **kw):
        super().__init__(**kw)
        self.classes, self.alpha, self.gamma = classes, alpha, gamma

    def call(self, y, logits):
        target = tf.one_hot(tf.cast(y, tf.int32) - 1, self.classes)
        keep = tf.cast(y >= 0, tf.float32)[..., None]
        ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=logits)  # SAFE: the class head has no activation
        p = tf.sigmoid(logits)
        pt = target * p + (1.0 - target) * (1.0 - p)
        a = target * self.alpha + (1.0 - target) * (1.0 - self.alpha)
        loss = a * tf.pow(1.0 - pt, self.gamma) * ce * keep  # SAFE: gamma is 2, the slope of x**2 at 0 is 0
        n_pos = tf.reduce_sum(tf.cast(y > 0, tf.float32), axis=1)
        return tf.reduce_sum(loss, [1, 2]) / tf.maximum(n_pos, 1.0)  # SAFE: images without objects are divided by 1


def smooth_l1(target, pred, beta=1.0 / 9.0):
    d = tf.abs(target - pred)
    return tf.where(d < beta, 0.5 * tf.square(d) / beta, d - 0.5 * beta)  # SAFE: beta is 1/9 and both branches are finite


def box_loss(y, target, pred):
    pos = tf.cast(y > 0, tf.float32)
    per = tf.reduce_sum(smooth_l1(target, pred), -1) * pos
    return tf.reduce_sum(per) / tf.maximum(tf.reduce_sum(pos), 1.0)  # SAFE: max with 1


def giou_loss(y, true, pred):
    """true, pred: corner boxes [B, A, 4]."""
    pos = tf.cast(y > 0, tf.float32)
    lo = tf.maximum(true[..., :2], pred[..., :2])
    hi = tf.minimum(true[..., 2:], pred[..., 2:])
    wh = tf.nn.relu(hi - lo)
    inter = wh[..., 0] * wh[..., 1]
    area = lambda b: tf.nn.relu(b[..., 2] - b[..., 0]) * tf.nn.relu(b[..., 3] - b[..., 1])
    union = area(true) + area(pred) - inter
    iou = tf.math.divide_no_nan(inter, union)  # SAFE: divide_no_nan, the slope is also defined as 0 for an empty union
    ewh = tf.maximum(true[..., 2:], pred[..., 2:]) - tf.minimum(true[..., :2], pred[..., :2])
    enclose = ewh[..., 0] * ewh[..., 1]
    giou = iou - (enclose - union) / tf.maximum(enclose, 1e-3)  # SAFE: enclosing area floored at 1e-3 square pixels
    return tf.reduce_sum((1.0 - giou) * pos) / tf.maximum(tf.reduce_sum(pos), 1.0)  # SAFE: max with 1
