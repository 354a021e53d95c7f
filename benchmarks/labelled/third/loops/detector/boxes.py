import numpy as np
import tensorflow as tf

STRIDES = (8, 16, 32)
ANCHORS = np.array([[12, 16], [36, 40], [90, 80]], np.float32)


def area(b):
    return tf.maximum(b[..., 2] - b[..., 0], 0.0) * tf.maximum(b[..., 3] - b[..., 1], 0.0)


def xywh_to_xyxy(b):
    return tf.concat([b[..., :2] - 0.5 * b[..., 2:], b[..., :2] + 0.5 * b[..., 2:]], -1)


def iou_parts(a, b):
    lt = tf.maximum(a[..., :2], b[..., :2])
    rb = tf.minimum(a[..., 2:], b[..., 2:])
    wh = tf.maximum(rb - lt, 0.0)
    inter = wh[..., 0] * wh[..., 1]
    return inter, area(a) + area(b) - inter


def iou(a, b):
    inter, union = iou_parts(a, b)
    return tf.math.divide_no_nan(inter, union)  # SAFE: divide_no_nan, padded boxes of area 0 give 0


def giou(a, b):
    inter, union = iou_parts(a, b)
    i = inter / (union + 1e-7)  # SAFE: union >= 0, so the divisor is at least 1e-7 in float32
    hull = tf.concat([tf.minimum(a[..., :2], b[..., :2]), tf.maximum(a[..., 2:], b[..., 2:])], -1)
    c = area(hull)
    return i - (c - union) / (c + 1e-7)  # SAFE: c >= 0


def encode(boxes, anchors, centers, stride):
    """regression targets of xywh boxes, shape [N, M, 4]"""
    d = (boxes[..., :2] - centers) / stride  # SAFE: stride is 8, 16 or 32
    s = tf.math.log(boxes[..., 2:] / anchors)  # BUG: log-zero, targets are padded with zero boxes to max_boxes, -inf times the 0 mask is NaN
    return tf.concat([d, tf.broadcast_to(s, tf.shape(d))], -1)


def decode(raw, anchors, centers, stride):
    xy = raw[..., :2] * stride + centers
    wh = tf.exp(tf.minimum(raw[..., 2:], 4.135)) * anchors  # SAFE: capped at log(1000 / 16)
    return tf.concat([xy, wh], -1)
