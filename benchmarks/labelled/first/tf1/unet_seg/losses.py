import numpy as np
import tensorflow as tf

from utils import safe_div, safe_log


def pixelwise_softmax(x):
    m = tf.reduce_max(x, axis=3, keep_dims=True)
    e = tf.exp(x - m)  # SAFE: shifted by the maximum
    return e / tf.reduce_sum(e, axis=3, keep_dims=True)  # SAFE: sum >= 1


def raw_softmax(x):
    e = tf.exp(x)  # BUG: exp-overflow, logits above 88 give inf / inf
    return e / tf.reduce_sum(e, axis=3, keep_dims=True)  # MAYBE: the quotient of the line above


def cross_entropy(y, p):
    return -tf.reduce_mean(y * tf.log(tf.clip_by_value(p, 1e-10, 1.0)))  # SAFE: clipped at 1e-10


def weighted_ce(y, p, w):
    return -tf.reduce_mean(tf.reduce_sum(w * y * safe_log(p), 3))  # SAFE: helper adds 1e-7


def focal(y, p, gamma=0.5):
    p = tf.clip_by_value(p, 1e-6, 1.0)
    mod = tf.pow(1.0 - p, gamma)  # BUG: sqrt-grad, p = 1 gives the gradient 0.5 * 0 ** -0.5 = inf, times log(1) = 0
    return -tf.reduce_mean(tf.reduce_sum(y * mod * tf.log(p), 3))  # SAFE: clipped at 1e-6


def dice_coef(y, p, smooth=1.0):
    inter = tf.reduce_sum(y * p, [1, 2])
    den = tf.reduce_sum(y, [1, 2]) + tf.reduce_sum(p, [1, 2])
    return tf.reduce_mean((2 * inter + smooth) / (den + smooth))  # SAFE: smooth = 1 on non-negative sums


def jaccard_loss(y, p):
    inter = tf.reduce_sum(y * p, [1, 2])
    union = tf.reduce_sum(y + p - y * p, [1, 2])
    return 1.0 - tf.reduce_mean(safe_div(inter, union))  # SAFE: helper guards with tf.where on both sides


def boundary_dice(y, p):
    """dice on thresholded edges"""
    ey = tf.nn.relu(tf.abs(y[:, 1:] - y[:, :-1]) - 0.5)
    ep = tf.nn.relu(tf.abs(p[:, 1:] - p[:, :-1]) - 0.5)
    inter = tf.reduce_sum(ey * ep, [1, 2])
    return 1.0 - tf.reduce_mean(2 * inter / (tf.reduce_sum(ey, [1, 2]) + tf.reduce_sum(ep, [1, 2])))  # BUG: div-zero, a class absent from the image and no hard edge predicted -> 0/0


def class_weights(counts):
    freq = counts / np.sum(counts)  # SAFE: pixels counted, sum > 0
    return 1.0 / np.log(1.02 + freq)  # SAFE: log(1.02) > 0


def median_weights(counts):
    freq = counts / float(np.sum(counts))  # SAFE: sum > 0
    return (np.median(freq) / freq).astype(np.float32)  # BUG: div-zero, a class that never occurs has frequency 0 -> inf weight, times label 0 is NaN
