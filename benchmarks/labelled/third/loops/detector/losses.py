import tensorflow as tf


def sigmoid_focal(labels, logits, alpha=0.25, gamma=2.0):
    p = tf.sigmoid(logits)
    ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)  # SAFE: cross entropy from the logits
    pt = labels * p + (1.0 - labels) * (1.0 - p)
    w = labels * alpha + (1.0 - labels) * (1.0 - alpha)
    return w * tf.pow(1.0 - pt, gamma) * ce  # SAFE: gamma is 2, 1 - pt lies in [0, 1]


def quality_focal(target_iou, prob, beta=2.0):
    """prob is a sigmoid output of the quality branch"""
    ce = -(target_iou * tf.math.log(prob) + (1.0 - target_iou) * tf.math.log(1.0 - prob))  # BUG: log-sigmoid, prob is exactly 1 for logits above 17 and 0 below -104
    return tf.pow(tf.abs(target_iou - prob), beta) * ce


def smooth_l1(x, delta=1.0 / 9):
    a = tf.abs(x)
    return tf.where(a < delta, 0.5 * tf.square(x) / delta, a - 0.5 * delta)
