import math

import numpy as np
import tensorflow as tf

import params as P


def anchor_grid():
    out = []
    for level in P.LEVELS:
        stride = 2 ** level
        n = P.IMAGE_SIZE // stride
        c = (np.arange(n) + 0.5) * stride
        cx, cy = np.meshgrid(c, c)
        for s in P.SCALES:
            for r in P.RATIOS:
                size = P.ANCHOR_BASE * stride * s
                w = np.full_like(cx, size * math.sqrt(r))
                h = np.full_like(cy, size / math.sqrt(r))  # SAFE: ratios are the constants 0.5, 1 and 2
                out.append(np.stack([cx, cy, w, h], -1).reshape(-1, 4))
    return tf.constant(np.concatenate(out), tf.float32)


def iou_matrix(a, b):
    """a (n, 4), b (m, 4), both as centre and size."""
    al, ah = a[:, None, :2] - a[:, None, 2:] / 2, a[:, None, :2] + a[:, None, 2:] / 2
    bl, bh = b[None, :, :2] - b[None, :, 2:] / 2, b[None, :, :2] + b[None, :, 2:] / 2
    wh = tf.maximum(tf.minimum(ah, bh) - tf.maximum(al, bl), 0.0)
    inter = wh[..., 0] * wh[..., 1]
    area_a = a[:, 2] * a[:, 3]
    area_b = b[:, 2] * b[:, 3]
    union = area_a[:, None] + area_b[None, :] - inter
    return inter / tf.maximum(union, 1e-6)  # SAFE: maximum with 1e-6, padded boxes have no area


def encode(gt, anchors):
    """gt boxes matched to the anchors, rows of zeros for background."""
    v = tf.constant(P.VARIANCES)
    wh = tf.maximum(gt[:, 2:], 1.0)
    d_xy = (gt[:, :2] - anchors[:, :2]) / anchors[:, 2:]  # SAFE: anchor sizes are positive constants
    d_wh = tf.math.log(wh / anchors[:, 2:])  # SAFE: box sizes are at least 1 pixel after maximum, anchors positive
    return tf.concat([d_xy, d_wh], -1) / v  # SAFE: constant variances


def decode(delta, anchors):
    v = tf.constant(P.VARIANCES)
    d = delta * v
    xy = d[..., :2] * anchors[:, 2:] + anchors[:, :2]
    wh = tf.exp(tf.minimum(d[..., 2:], P.MAX_SIZE_DELTA)) * anchors[:, 2:]  # SAFE: exponent cut at 4.135
    return tf.concat([xy, wh], -1)


def match(gt_boxes, gt_labels, anchors):
    """Labels: class id, -1 background, -2 ignored."""
    m = iou_matrix(anchors, gt_boxes)
    m = tf.where((gt_labels >= 0)[None, :], m, -1.0)
    best = tf.reduce_max(m, axis=1)
    arg = tf.argmax(m, axis=1)
    labels = tf.gather(gt_labels, arg)
    labels = tf.where(best >= P.POS_IOU, labels, tf.where(best < P.NEG_IOU, -1, -2))
    boxes = tf.where((labels >= 0)[:, None], tf.gather(gt_boxes, arg), 0.0)
    return labels, encode(boxes, anchors)
