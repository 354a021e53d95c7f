import numpy as np
import tensorflow as tf

import settings as S


def to_corners(xywh):
    xy, wh = xywh[..., :2], xywh[..., 2:4]
    return tf.concat([xy - wh / 2.0, xy + wh / 2.0], axis=-1)


def pairwise_area(corners):
    wh = tf.maximum(corners[..., 2:] - corners[..., :2], 0.0)
    return wh[..., 0] * wh[..., 1]


def iou(a, b):
    """Elementwise IoU of two sets of boxes given as centre and size."""
    a, b = to_corners(a), to_corners(b)
    lo = tf.maximum(a[..., :2], b[..., :2])
    hi = tf.minimum(a[..., 2:], b[..., 2:])
    wh = tf.maximum(hi - lo, 0.0)
    inter = wh[..., 0] * wh[..., 1]
    union = pairwise_area(a) + pairwise_area(b) - inter
    return inter / (union + S.IOU_EPS)  # SAFE: union is not negative and 1e-6 is added


def encode(boxes, classes):
    """Boxes (n, 4) as relative x, y, w, h to a (G, G, 5 + C) target."""
    target = np.zeros((S.GRID, S.GRID, 5 + S.NUM_CLASSES), np.float32)
    for (x, y, w, h), c in zip(boxes, classes):
        if w <= 0 or h <= 0:
            continue
        col = min(int(x * S.GRID), S.GRID - 1)
        row = min(int(y * S.GRID), S.GRID - 1)
        target[row, col, 0:4] = (x * S.GRID - col, y * S.GRID - row, w, h)
        target[row, col, 4] = 1.0
        target[row, col, 5 + int(c)] = 1.0
    return target


def decode(pred):
    g = tf.cast(tf.range(S.GRID), tf.float32)
    cols, rows = tf.meshgrid(g, g)
    xy = (pred[..., 0:2] + tf.stack([cols, rows], -1)) / float(S.GRID)  # SAFE: constant grid size 7
    boxes = tf.concat([xy, pred[..., 2:4]], axis=-1)
    obj = tf.sigmoid(pred[..., 4:5])
    return boxes, obj * tf.nn.softmax(pred[..., 5:])


def postprocess(pred):
    boxes, scores = decode(pred)
    corners = tf.reshape(to_corners(boxes), [-1, 4])
    scores = tf.reshape(scores, [-1, S.NUM_CLASSES])
    best = tf.reduce_max(scores, axis=-1)
    keep = tf.image.non_max_suppression(corners, best, S.MAX_BOXES, S.NMS_IOU, S.SCORE_THRESHOLD)
    return tf.gather(corners, keep), tf.gather(best, keep), tf.argmax(tf.gather(scores, keep), -1)
