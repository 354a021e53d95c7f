import math

import numpy as np
import tensorflow as tf

RATIOS = (0.5, 1.0, 2.0)
SCALES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))
STRIDES = (8, 16, 32)
VARIANCE = np.array([0.1, 0.1, 0.2, 0.2], np.float32)


def base_anchors(stride):
    area = (4.0 * stride) ** 2
    out = []
    for r in RATIOS:
        for s in SCALES:
            h = math.sqrt(area / r) * s  # SAFE: r is one of 0.5, 1, 2 and area is a positive constant
            out.append((r * h, h))
    return np.array(out, np.float32)


def all_anchors(height, width):
    """[A, 4] as cx, cy, w, h in pixels."""
    levels = []
    for st in STRIDES:
        gy, gx = np.meshgrid(np.arange(math.ceil(height / st)), np.arange(math.ceil(width / st)), indexing="ij")  # SAFE: strides are 8, 16, 32
        c = (np.stack([gx, gy], -1).reshape(-1, 1, 2) + 0.5) * st
        wh = base_anchors(st)[None]
        c, wh = np.broadcast_arrays(c, wh)
        levels.append(np.concatenate([c, wh], -1).reshape(-1, 4))
    return np.concatenate(levels).astype(np.float32)


def to_corners(b):
    return tf.concat([b[..., :2] - b[..., 2:] / 2.0, b[..., :2] + b[..., 2:] / 2.0], -1)


def iou_matrix(a, b):
    a, b = to_corners(a), to_corners(b)
    lo = tf.maximum(a[:, None, :2], b[None, :, :2])
    hi = tf.minimum(a[:, None, 2:], b[None, :, 2:])
    wh = tf.maximum(hi - lo, 0.0)
    inter = wh[..., 0] * wh[..., 1]
    area = lambda x: (x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1])
    union = area(a)[:, None] + area(b)[None] - inter
    return tf.clip_by_value(inter / tf.maximum(union, 1e-8), 0.0, 1.0)  # SAFE: anchors have positive area, union floored at 1e-8 anyway


def encode(anchors, boxes):
    """Regression targets of matched boxes. Boxes were filtered to be at least one pixel wide in the reader."""
    xy = (boxes[:, :2] - anchors[:, :2]) / anchors[:, 2:]  # SAFE: anchor sizes are positive constants
    wh = tf.math.log(tf.maximum(boxes[:, 2:], 1.0) / anchors[:, 2:])  # SAFE: box sizes floored at one pixel, anchor sizes positive
    return tf.concat([xy, wh], -1) / VARIANCE  # SAFE: constants 0.1 and 0.2


def decode(anchors, t):
    t = t * VARIANCE
    xy = t[..., :2] * anchors[:, 2:] + anchors[:, :2]
    wh = tf.exp(tf.minimum(t[..., 2:], math.log(1000.0 / 16.0))) * anchors[:, 2:]  # SAFE: exponent capped at log(62.5) as in detectron
    return tf.concat([xy, wh], -1)


def match(anchors, boxes, labels, pos=0.5, neg=0.4):
    """Returns class index (-1 ignore, 0 background) and regression targets per anchor."""
    n = tf.shape(boxes)[0]
    a = tf.shape(anchors)[0]
    if n == 0:
        return tf.zeros([a], tf.int32), tf.zeros([a, 4])
    iou = iou_matrix(anchors, boxes)
    best = tf.reduce_max(iou, 1)
    arg = tf.argmax(iou, 1)
    cls = tf.where(best >= pos, tf.gather(labels, arg), tf.where(best < neg, 0, -1))
    return cls, encode(anchors, tf.gather(boxes, arg))
