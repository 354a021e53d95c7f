import tensorflow as tf

import params as P


def focal_with_logits(onehot, logits, alpha=P.FOCAL_ALPHA, gamma=P.FOCAL_GAMMA):
    ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=onehot, logits=logits)
    p = tf.sigmoid(logits)
    miss = onehot * (1.0 - p) + (1.0 - onehot) * p
    mod = tf.pow(miss, gamma)  # SAFE: the base is between 0 and 1 and gamma 1.5, so the slope at 0 is 0
    a = onehot * alpha + (1.0 - onehot) * (1.0 - alpha)
    return a * mod * ce


def huber(target, pred, delta=P.HUBER_DELTA):
    e = tf.abs(target - pred)
    quad = 0.5 * tf.square(e) / delta  # SAFE: delta is the constant 0.1
    return tf.where(e < delta, quad, e - 0.5 * delta)


def giou_score(a, b):
    """Overlap of decoded boxes (..., 4) as centre and size."""
    al, ah = a[..., :2] - a[..., 2:] / 2, a[..., :2] + a[..., 2:] / 2
    bl, bh = b[..., :2] - b[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2
    inter = tf.reduce_prod(tf.nn.relu(tf.minimum(ah, bh) - tf.maximum(al, bl)), -1)
    union = tf.reduce_prod(a[..., 2:], -1) + tf.reduce_prod(b[..., 2:], -1) - inter
    hull = tf.reduce_prod(tf.maximum(ah, bh) - tf.minimum(al, bl), -1)
    iou = tf.math.divide_no_nan(inter, union)  # SAFE: divide_no_nan
    return iou - tf.math.divide_no_nan(hull - union, hull)  # SAFE: divide_no_nan


class RetinaLoss:
    def __init__(self, num_classes):
        self.num_classes = num_classes

    def __call__(self, labels, deltas, cls_logits, box_pred):
        pos = tf.cast(labels >= 0, tf.float32)
        valid = tf.cast(labels > -2, tf.float32)
        onehot = tf.one_hot(labels, self.num_classes)
        norm = tf.maximum(tf.reduce_sum(pos), 1.0)
        cls = tf.reduce_sum(focal_with_logits(onehot, cls_logits), -1)
        cls = tf.reduce_sum(cls * valid) / norm  # SAFE: norm is at least 1
        box = tf.reduce_sum(huber(deltas, box_pred), -1)
        box = tf.reduce_sum(box * pos) / norm  # SAFE: norm is at least 1, the targets of background rows are finite
        return cls + box, {"cls": cls, "box": box, "pos": tf.reduce_sum(pos)}
