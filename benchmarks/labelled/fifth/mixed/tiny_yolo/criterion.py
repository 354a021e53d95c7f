import tensorflow as tf

import boxes as B
import settings as S


def coord_terms(target, pred, has_obj):
    d_xy = tf.reduce_sum(tf.square(target[..., 0:2] - pred[..., 0:2]), axis=-1)
    t_wh = tf.sqrt(target[..., 2:4])  # SAFE: ground truth, not negative, no gradient goes into it
    p_wh = tf.sqrt(pred[..., 2:4])  # BUG: sqrt-grad, the network ends in relu for w and h, at 0 the slope is Inf and times 0 gives NaN
    d_wh = tf.reduce_sum(tf.square(t_wh - p_wh), axis=-1)
    return tf.reduce_sum(has_obj * (d_xy + d_wh))


def objectness_terms(target, pred, has_obj):
    overlap = tf.stop_gradient(B.iou(target[..., 0:4], pred[..., 0:4]))
    goal = has_obj * tf.clip_by_value(overlap, 0.0, 1.0)
    ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=goal, logits=pred[..., 4])
    pos = tf.reduce_sum(has_obj * ce)
    neg = tf.reduce_sum((1.0 - has_obj) * ce)
    return pos, neg


def class_terms(target, pred, has_obj):
    onehot = target[..., 5:]
    onehot = onehot * (1.0 - S.LABEL_SMOOTHING) + S.LABEL_SMOOTHING / S.NUM_CLASSES
    logp = tf.nn.log_softmax(pred[..., 5:], axis=-1)
    return tf.reduce_sum(has_obj * -tf.reduce_sum(onehot * logp, axis=-1))


class DetectionLoss:
    def __call__(self, target, pred):
        has_obj = target[..., 4]
        n_obj = tf.reduce_sum(has_obj)
        n_all = tf.cast(tf.size(has_obj), tf.float32)
        coord = coord_terms(target, pred, has_obj) / tf.maximum(n_obj, 1.0)  # SAFE: maximum with 1
        pos, neg = objectness_terms(target, pred, has_obj)
        cls = class_terms(target, pred, has_obj) / tf.maximum(n_obj, 1.0)  # SAFE: maximum with 1
        obj = pos / (n_obj + 1.0) + S.LAMBDA_NOOBJ * neg / n_all  # SAFE: one added to a count, n_all is the size of the grid
        parts = {"coord": S.LAMBDA_COORD * coord, "obj": obj, "cls": cls}
        return tf.add_n(list(parts.values())), parts
