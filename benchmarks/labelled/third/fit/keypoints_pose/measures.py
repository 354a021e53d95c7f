import numpy as np
import tensorflow as tf

SIGMAS = np.array([.26, .25, .25, .35, .35, .79, .79, .72, .72, .62, .62, 1.07, 1.07, .87, .87, .89, .89], "float32") / 10.0  # SAFE: constant divisor


def visible_only(points, vis):
    return points * tf.cast(vis > 0, points.dtype)[..., None]


def mean_distance(true, pred, vis):
    """Mean euclidean error over keypoints, those that are not annotated count as no error."""
    diff = visible_only(pred, vis) - visible_only(true, vis)
    dist = tf.norm(diff, axis=-1)  # BUG: norm-grad, unannotated keypoints have diff exactly 0 by visible_only and their gradient is not cut off
    return tf.reduce_mean(dist)


def oks(true, pred, vis, area):
    """Object keypoint similarity (COCO), evaluation only."""
    d2 = tf.reduce_sum(tf.square(true - pred), -1)
    k2 = tf.square(2.0 * SIGMAS)
    e = d2 / (2.0 * tf.maximum(area, 1e-4)[:, None] * k2[None])  # SAFE: area floored and the sigmas are positive constants
    v = tf.cast(vis > 0, tf.float32)
    return tf.reduce_sum(tf.exp(-e) * v, -1) / tf.maximum(tf.reduce_sum(v, -1), 1.0)  # SAFE: exponent not positive, number of visible points floored at 1


def soft_argmax(heat, beta=20.0):
    """heat [n, h, w, k] logits to coordinates in [0, 1]."""
    shape = tf.shape(heat)
    h, w, k = shape[1], shape[2], heat.shape[-1]
    p = tf.nn.softmax(beta * tf.reshape(heat, (-1, h * w, k)), axis=1)  # SAFE: stable softmax over the positions
    p = tf.reshape(p, (-1, h, w, k))
    ys = tf.linspace(0.0, 1.0, h)
    xs = tf.linspace(0.0, 1.0, w)
    x = tf.einsum("nhwk,w->nk", p, xs)
    y = tf.einsum("nhwk,h->nk", p, ys)
    return tf.stack([x, y], -1), p


def spread_penalty(p, points):
    h, w = tf.shape(p)[1], tf.shape(p)[2]
    gx = tf.reshape(tf.linspace(0.0, 1.0, w), (1, 1, -1, 1))
    gy = tf.reshape(tf.linspace(0.0, 1.0, h), (1, -1, 1, 1))
    var = tf.reduce_sum(p * (tf.square(gx - points[:, None, None, :, 0]) + tf.square(gy - points[:, None, None, :, 1])), axis=(1, 2))
    return tf.reduce_mean(tf.sqrt(var + 1e-6))  # SAFE: 1e-6 inside the root
