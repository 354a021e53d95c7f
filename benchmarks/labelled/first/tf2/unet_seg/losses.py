import tensorflow as tf
from tensorflow.keras import backend as K

from config import SMOOTH, EPS, TINY, GAMMA, ALPHA, TVERSKY_ALPHA


def dice_coef(y_true, y_pred, smooth=SMOOTH):
    yt, yp = K.flatten(y_true), K.flatten(y_pred)
    inter = K.sum(yt * yp)
    return (2.0 * inter + smooth) / (K.sum(yt) + K.sum(yp) + smooth)  # SAFE: SMOOTH is 1.0 in config


def dice_loss(y_true, y_pred):
    return 1.0 - dice_coef(y_true, y_pred)


def hard_dice_loss(y_true, y_pred):
    """no smoothing, the reviewer asked for it"""
    inter = tf.reduce_sum(y_true * y_pred, axis=[1, 2, 3])
    tot = tf.reduce_sum(y_true, axis=[1, 2, 3]) + tf.reduce_sum(y_pred, axis=[1, 2, 3])
    return 1.0 - tf.reduce_mean(2.0 * inter / tot)  # MAYBE: needs an empty mask and a prediction underflowed to 0 in every pixel


def log_cosh_dice(y_true, y_pred):
    x = dice_loss(y_true, y_pred)
    return tf.math.log((tf.exp(x) + tf.exp(-x)) / 2.0)  # SAFE: x is in [0, 1], cosh >= 1


def tversky(y_true, y_pred, alpha=TVERSKY_ALPHA, smooth=SMOOTH):
    tp = K.sum(y_true * y_pred)
    fn = K.sum(y_true * (1 - y_pred))
    fp = K.sum((1 - y_true) * y_pred)
    return (tp + smooth) / (tp + alpha * fn + (1 - alpha) * fp + smooth)  # SAFE: smooth 1.0


def focal_tversky(y_true, y_pred, gamma=0.75):
    return K.pow(1.0 - tversky(y_true, y_pred), gamma)  # BUG: sqrt-grad, power 0.75 of a loss that reaches exactly 0 (empty masks, all probabilities underflowed), gradient 0**-0.25


def focal(y_true, y_pred, gamma=GAMMA, alpha=ALPHA):
    p = tf.clip_by_value(y_pred, EPS, 1.0 - EPS)
    pos = -alpha * y_true * tf.pow(1.0 - p, gamma) * tf.math.log(p)  # SAFE: clipped by EPS 1e-7 from config
    neg = -(1 - alpha) * (1 - y_true) * tf.pow(p, gamma) * tf.math.log(1.0 - p)  # SAFE: 1 - 1e-7 is below 1 in float32
    return tf.reduce_mean(pos + neg)


def weighted_bce(y_true, y_pred, w=5.0):
    p = tf.clip_by_value(y_pred, TINY, 1.0 - TINY)
    return -tf.reduce_mean(w * y_true * tf.math.log(p) + (1 - y_true) * tf.math.log(1.0 - p))  # BUG: weak-guard, 1 - 1e-10 is 1 in float32, log(1 - p) is log(0) for a sure wrong pixel, 0 * inf for a sure right one


def bce_dice(y_true, y_pred):
    return tf.reduce_mean(tf.keras.losses.binary_crossentropy(y_true, y_pred)) + dice_loss(y_true, y_pred)  # SAFE: library loss on sigmoid output, clipped inside


def boundary(y_true, y_pred):
    gy = tf.image.sobel_edges(y_pred)
    mag = tf.sqrt(tf.reduce_sum(tf.square(gy), axis=-1))  # BUG: sqrt-grad, saturated flat regions have exactly zero sobel response
    gt = tf.sqrt(tf.reduce_sum(tf.square(tf.image.sobel_edges(y_true)), axis=-1))  # SAFE: of the labels, no gradient goes there
    return tf.reduce_mean(tf.abs(mag - gt))


def iou_metric(y_true, y_pred):
    p = tf.cast(y_pred > 0.5, tf.float32)
    inter = tf.reduce_sum(y_true * p)
    return inter / (tf.reduce_sum(y_true) + tf.reduce_sum(p) - inter + EPS)  # SAFE: metric and EPS


LOSSES = {"dice": dice_loss, "hard": hard_dice_loss, "logcosh": log_cosh_dice, "tversky": focal_tversky,
          "focal": focal, "wbce": weighted_bce, "bce_dice": bce_dice,
          "boundary": lambda a, b: bce_dice(a, b) + 0.1 * boundary(a, b)}
