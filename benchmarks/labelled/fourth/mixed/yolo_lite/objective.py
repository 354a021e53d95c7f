import math

import tensorflow as tf


def corners(xy, wh, grid):
    c = xy / float(grid)  # SAFE: grid is 8
    return c - wh / 2.0, c + wh / 2.0


def iou(xy, wh, txy, twh, grid):
    a0, a1 = corners(xy, wh, grid)
    b0, b1 = corners(txy, twh, grid)
    side = tf.maximum(tf.minimum(a1, b1) - tf.maximum(a0, b0), 0.0)
    inter = side[..., 0] * side[..., 1]
    area_a = tf.maximum(wh[..., 0], 0.0) * tf.maximum(wh[..., 1], 0.0)
    union = area_a + twh[..., 0] * twh[..., 1] - inter
    return tf.clip_by_value(tf.math.divide_no_nan(inter, union), 0.0, 1.0)  # SAFE: divide_no_nan, result clipped and used without gradient


def aspect_gap(wh, twh):
    """Angle term of CIoU, logged only."""
    a = tf.atan2(tf.maximum(wh[..., 0], 0.0), tf.maximum(wh[..., 1], 1e-6))  # SAFE: height floored at 1e-6
    b = tf.atan2(twh[..., 0], tf.maximum(twh[..., 1], 1e-6))
    return 4.0 / math.pi ** 2 * tf.square(a - b)


def focal(logit, target, gamma):
    ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=logit)  # SAFE: stable logits form
    p = tf.sigmoid(logit)
    miss = target * (1.0 - p) + (1.0 - target) * p
    return tf.pow(miss, gamma) * ce  # SAFE: gamma is 2, slope at zero is finite


def detection_loss(cfg, out, t):
    xy, wh, conf, cls = out
    obj = t[..., 4]
    txy, twh = t[..., None, 0:2], t[..., None, 2:4]
    score = tf.stop_gradient(iou(xy, wh, txy, twh, cfg.grid))
    resp = tf.one_hot(tf.argmax(score, -1), cfg.boxes) * obj[..., None]
    n = tf.maximum(tf.reduce_sum(obj), 1.0)

    l_xy = tf.reduce_sum(resp * tf.reduce_sum(tf.square(xy - txy), -1))
    d = tf.sqrt(wh) - tf.sqrt(twh)  # BUG: domain, box_activation is linear in cfg.py, so width and height can be negative
    l_wh = tf.reduce_sum(resp * tf.reduce_sum(tf.square(d), -1))
    l_obj = tf.reduce_sum(resp * focal(conf, tf.ones_like(conf), cfg.focal_gamma))
    l_no = tf.reduce_sum((1.0 - resp) * focal(conf, tf.zeros_like(conf), cfg.focal_gamma))
    ce = tf.nn.softmax_cross_entropy_with_logits(labels=t[..., 5:], logits=cls)  # SAFE: fused, empty cells have all-zero labels and give 0
    l_cls = tf.reduce_sum(obj * ce)
    total = cfg.lambda_coord * (l_xy + l_wh) + l_obj + cfg.lambda_noobj * l_no + l_cls
    return total / n  # SAFE: n is floored at 1
