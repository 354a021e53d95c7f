import math

import tensorflow as tf

import settings as S


def corners(xywh):
    xy, wh = xywh[..., :2], xywh[..., 2:4]
    return xy - wh / 2.0, xy + wh / 2.0


def pairwise_iou(a, b):
    """a, b: [..., 4] centre format, same shape."""
    a0, a1 = corners(a)
    b0, b1 = corners(b)
    inter_wh = tf.maximum(tf.minimum(a1, b1) - tf.maximum(a0, b0), 0.0)
    inter = inter_wh[..., 0] * inter_wh[..., 1]
    area_a = tf.maximum(a[..., 2], 0.0) * tf.maximum(a[..., 3], 0.0)
    area_b = tf.maximum(b[..., 2], 0.0) * tf.maximum(b[..., 3], 0.0)
    union = area_a + area_b - inter
    return inter / tf.maximum(union, S.EPS)  # SAFE: union floored at 1e-7 in float32


def ciou(pred, true):
    """Complete IoU, true boxes of the matched cells only."""
    iou = pairwise_iou(pred, true)
    p0, p1 = corners(pred)
    t0, t1 = corners(true)
    enclose = tf.maximum(p1, t1) - tf.minimum(p0, t0)
    c2 = tf.reduce_sum(tf.square(enclose), -1) + S.EPS
    rho2 = tf.reduce_sum(tf.square(pred[..., :2] - true[..., :2]), -1)
    at = tf.math.atan2(true[..., 2], true[..., 3] + S.EPS)
    ap = tf.math.atan2(tf.maximum(pred[..., 2], S.EPS), tf.maximum(pred[..., 3], S.EPS))  # SAFE: both arguments are at least 1e-7, so x*x+y*y is 2e-14 and the slope is finite
    v = 4.0 / math.pi ** 2 * tf.square(at - ap)
    alpha = tf.stop_gradient(v / (1.0 - iou + v + S.EPS))  # SAFE: iou <= 1 up to rounding and v >= 0, EPS covers the perfect match
    return iou - rho2 / c2 - alpha * v  # SAFE: c2 is a sum of squares plus 1e-7


def nms(boxes, scores, max_out=50):
    b0, b1 = corners(boxes)
    yx = tf.concat([b0[..., ::-1], b1[..., ::-1]], -1)
    keep = tf.image.non_max_suppression(yx, scores, max_out, iou_threshold=0.5)
    return tf.gather(boxes, keep), tf.gather(scores, keep)
