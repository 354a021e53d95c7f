"""Box geometry. Boxes are [y1, x1, y2, x2] in pixels unless stated otherwise."""
import math

import tensorflow as tf

EPS = 1e-6
MAX_DELTA = math.log(1000.0 / 16.0)


def area(boxes):
    h = tf.maximum(boxes[..., 2] - boxes[..., 0], 0.0)
    w = tf.maximum(boxes[..., 3] - boxes[..., 1], 0.0)
    return h * w


def to_center(boxes):
    hw = tf.maximum(boxes[..., 2:] - boxes[..., :2], 1.0)
    return boxes[..., :2] + 0.5 * (boxes[..., 2:] - boxes[..., :2]), hw


def encode(gt, anchors):
    """Regression targets; sides of both box sets are floored at one pixel in to_center."""
    gc, ghw = to_center(gt)
    ac, ahw = to_center(anchors)
    offset = (gc - ac) / ahw  # SAFE: anchor sides floored at 1 pixel in to_center
    scale = tf.math.log(ghw / ahw)  # SAFE: both sides floored at 1 pixel
    return tf.concat([offset, scale], axis=-1)


def decode(deltas, anchors):
    ac, ahw = to_center(anchors)
    center = deltas[..., :2] * ahw + ac
    hw = ahw * tf.exp(tf.minimum(deltas[..., 2:], MAX_DELTA))  # SAFE: exponent capped at log(62.5)
    return tf.concat([center - 0.5 * hw, center + 0.5 * hw], axis=-1)


def pairwise_iou(a, b):
    tl = tf.maximum(a[:, None, :2], b[None, :, :2])
    br = tf.minimum(a[:, None, 2:], b[None, :, 2:])
    hw = tf.maximum(br - tl, 0.0)
    inter = hw[..., 0] * hw[..., 1]
    union = area(a)[:, None] + area(b)[None, :] - inter
    return tf.math.divide_no_nan(inter, union)  # SAFE: divide_no_nan, zero for padded boxes


def ciou(pred, target):
    """Complete IoU of matching rows."""
    tl = tf.maximum(pred[..., :2], target[..., :2])
    br = tf.minimum(pred[..., 2:], target[..., 2:])
    hw = tf.maximum(br - tl, 0.0)
    inter = hw[..., 0] * hw[..., 1]
    union = area(pred) + area(target) - inter
    iou = tf.minimum(inter / (union + EPS), 1.0)  # SAFE: union is non negative and EPS is added

    outer = tf.maximum(pred[..., 2:], target[..., 2:]) - tf.minimum(pred[..., :2], target[..., :2])
    diag2 = tf.reduce_sum(tf.square(outer), axis=-1)
    pc = 0.5 * (pred[..., :2] + pred[..., 2:])
    tc = 0.5 * (target[..., :2] + target[..., 2:])
    dist2 = tf.reduce_sum(tf.square(pc - tc), axis=-1)

    _, phw = to_center(pred)
    _, thw = to_center(target)
    v = tf.square(tf.atan(thw[..., 1] / thw[..., 0]) - tf.atan(phw[..., 1] / phw[..., 0]))  # SAFE: sides floored at 1 in to_center
    v = v * 4.0 / math.pi ** 2
    alpha = tf.stop_gradient(v / (1.0 - iou + v + EPS))  # SAFE: iou is at most 1 and EPS is added
    return iou - dist2 / (diag2 + EPS) - alpha * v  # SAFE: squared diagonal plus EPS
