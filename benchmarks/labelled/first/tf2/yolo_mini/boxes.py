import tensorflow as tf
from config import S, ANCHORS, WH_MAX, EPS


def grid():
    r = tf.range(S, dtype=tf.float32)
    gx, gy = tf.meshgrid(r, r)
    return tf.stack([gx, gy], -1)[None, :, :, None, :]


def decode(raw, bounded=False):
    """raw (b,S,S,B,5+C) -> xy, wh in cells, objectness logit, class logits"""
    xy = tf.sigmoid(raw[..., 0:2]) + grid()
    t = raw[..., 2:4]
    if bounded:
        wh = ANCHORS * tf.exp(tf.minimum(t, WH_MAX))  # SAFE: minimum with 4
    else:
        wh = ANCHORS * tf.exp(t)  # BUG: exp-overflow, free network output, the usual way YOLO training turns NaN in the first epoch
    return xy, wh, raw[..., 4], raw[..., 5:]


def iou(xy1, wh1, xy2, wh2):
    a1, b1 = xy1 - wh1 / 2.0, xy1 + wh1 / 2.0  # SAFE: constants
    a2, b2 = xy2 - wh2 / 2.0, xy2 + wh2 / 2.0  # SAFE: constants
    inter = tf.reduce_prod(tf.maximum(tf.minimum(b1, b2) - tf.maximum(a1, a2), 0.0), -1)
    union = wh1[..., 0] * wh1[..., 1] + wh2[..., 0] * wh2[..., 1] - inter
    return tf.math.divide_no_nan(inter, union)  # SAFE: divide_no_nan


def ciou(xy1, wh1, xy2, wh2):
    i = iou(xy1, wh1, xy2, wh2)
    lo = tf.minimum(xy1 - wh1 / 2, xy2 - wh2 / 2)  # SAFE: constants
    hi = tf.maximum(xy1 + wh1 / 2, xy2 + wh2 / 2)  # SAFE: constants
    c2 = tf.reduce_sum(tf.square(hi - lo), -1)
    rho2 = tf.reduce_sum(tf.square(xy1 - xy2), -1)
    v = (4 / 9.8696044) * tf.square(tf.atan(wh2[..., 0] / (wh2[..., 1] + EPS)) - tf.atan(wh1[..., 0] / (wh1[..., 1] + EPS)))  # SAFE: EPS 1e-9 beside a non-negative height
    alpha = v / (1.0 - i + v + EPS)  # SAFE: 1 - iou + v is zero or more, EPS last
    return i - rho2 / (c2 + EPS) - tf.stop_gradient(alpha) * v  # SAFE: EPS
