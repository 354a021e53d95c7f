"""Anchor generation and target encoding for the harbour buoy detector."""
import numpy as np
import tensorflow as tf

VARIANCE = (0.1, 0.1, 0.2, 0.2)


def make_anchors(image_size, strides=(8, 16, 32), scales=(1.0, 1.6), ratios=(0.5, 1.0, 2.0)):
    out = []
    for s in strides:
        n = image_size // s
        c = (np.arange(n) + 0.5) / n  # SAFE: n is image size over stride, at least 1 for the configured sizes
        cy, cx = np.meshgrid(c, c, indexing="ij")
        for sc in scales:
            for r in ratios:
                h = 2.5 * s * sc / np.sqrt(r) / image_size  # SAFE: ratios are positive constants
                w = 2.5 * s * sc * np.sqrt(r) / image_size
                out.append(np.stack([cy, cx, np.full_like(cy, h), np.full_like(cx, w)], -1).reshape(-1, 4))
    return np.concatenate(out).astype(np.float32)


def to_corners(b):
    return tf.concat([b[..., :2] - b[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2], -1)


def iou_matrix(a, b):
    """a [N,4], b [M,4] in centre format."""
    a, b = to_corners(a), to_corners(b)
    lt = tf.maximum(a[:, None, :2], b[None, :, :2])
    rb = tf.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = tf.reduce_prod(tf.maximum(rb - lt, 0.0), -1)
    area = lambda x: tf.reduce_prod(x[:, 2:] - x[:, :2], -1)
    union = area(a)[:, None] + area(b)[None] - inter
    return inter / union  # SAFE: anchors have positive area, so the union is positive even for padded boxes


def encode(anchors, boxes, labels, pos_iou=0.5, neg_iou=0.4):
    """boxes [M,4] (cy,cx,h,w), zero padded rows carry label 0.

    Returns (cls [N], loc [N,4], weight [N]); cls is -1 for ignored anchors.
    """
    iou = iou_matrix(anchors, boxes)
    best = tf.argmax(iou, 1)
    best_iou = tf.reduce_max(iou, 1)
    matched = tf.gather(boxes, best)
    cls = tf.gather(labels, best)
    pos = tf.logical_and(best_iou >= pos_iou, cls > 0)
    neg = best_iou < neg_iou
    cls = tf.where(pos, cls, tf.where(neg, tf.zeros_like(cls), -tf.ones_like(cls)))
    d_yx = (matched[:, :2] - anchors[:, :2]) / anchors[:, 2:]  # SAFE: anchor sizes are strictly positive
    d_hw = tf.math.log(matched[:, 2:] / anchors[:, 2:])  # BUG: log-zero, an image without buoys matches padded boxes of size 0
    loc = tf.concat([d_yx, d_hw], -1) / tf.constant(VARIANCE)
    return cls, loc, tf.cast(pos, tf.float32)


def decode(anchors, loc):
    loc = loc * tf.constant(VARIANCE)
    yx = loc[..., :2] * anchors[:, 2:] + anchors[:, :2]
    hw = tf.exp(tf.minimum(loc[..., 2:], 4.0)) * anchors[:, 2:]  # SAFE: exponent capped at 4
    return tf.concat([yx, hw], -1)
