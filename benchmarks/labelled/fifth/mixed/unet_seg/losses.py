"""Region losses for binary segmentation.  Predictions are probabilities."""
import tensorflow as tf


def _flatten(y_true, y_pred):
    b = tf.shape(y_true)[0]
    return tf.reshape(y_true, [b, -1]), tf.reshape(y_pred, [b, -1])


def hard_dice(y_true, y_pred, threshold=0.5):
    y_true, y_pred = _flatten(y_true, tf.cast(y_pred > threshold, tf.float32))
    inter = tf.reduce_sum(y_true * y_pred, axis=-1)
    total = tf.reduce_sum(y_true + y_pred, axis=-1)
    return tf.reduce_mean(tf.math.divide_no_nan(2.0 * inter, total))  # SAFE: divide_no_nan, empty pairs count as 0


def iou_metric(y_true, y_pred):
    y_true, y_pred = _flatten(y_true, tf.round(y_pred))
    inter = tf.reduce_sum(y_true * y_pred, axis=-1)
    union = tf.reduce_sum(y_true, -1) + tf.reduce_sum(y_pred, -1) - inter
    return tf.reduce_mean((inter + 1.0) / (union + 1.0))  # SAFE: one is added, the union is not negative


def squared_dice_loss(smooth):
    def loss(y_true, y_pred):
        y_true, y_pred = _flatten(y_true, y_pred)
        p = tf.cast(y_pred >= 0.5, tf.float32) * y_pred
        inter = tf.reduce_sum(y_true * p, axis=-1)
        denom = tf.reduce_sum(tf.square(y_true), -1) + tf.reduce_sum(tf.square(p), -1)
        return 1.0 - (2.0 * inter + smooth) / (denom + smooth)  # BUG: div-zero, config gives smooth=0.0; crop without nuclei and no pixel above 0.5 is 0/0
    return loss


def focal_tversky_loss(alpha, gamma, smooth):
    def loss(y_true, y_pred):
        y_true, y_pred = _flatten(y_true, y_pred)
        tp = tf.reduce_sum(y_true * y_pred, axis=-1)
        fn = tf.reduce_sum(y_true * (1.0 - y_pred), axis=-1)
        fp = tf.reduce_sum((1.0 - y_true) * y_pred, axis=-1)
        tversky = (tp + smooth) / (tp + alpha * fn + (1.0 - alpha) * fp + smooth)  # SAFE: config gives tversky_smooth=1.0, all terms not negative
        return tf.pow(tf.maximum(1.0 - tversky, 1e-4), gamma)  # SAFE: the base is at least 1e-4, so pow with exponent 0.75 has a finite slope
    return loss


def clipped_bce(eps):
    def loss(y_true, y_pred):
        y_true, y_pred = _flatten(y_true, y_pred)
        p = tf.clip_by_value(y_pred, eps, 1.0 - eps)
        pos = y_true * tf.math.log(p)  # SAFE: clipped to at least 1e-6
        neg = (1.0 - y_true) * tf.math.log(1.0 - p)  # SAFE: 1 - 1e-6 is still below 1 in float32
        return -tf.reduce_mean(pos + neg, axis=-1)
    return loss


def build_loss(cfg):
    bce = clipped_bce(cfg.clip)
    dice = squared_dice_loss(cfg.smooth)
    tversky = focal_tversky_loss(cfg.alpha, cfg.gamma, cfg.tversky_smooth)

    def combined(y_true, y_pred):
        y_true = tf.cast(y_true, tf.float32)
        region = 0.5 * dice(y_true, y_pred) + 0.5 * tversky(y_true, y_pred)
        return cfg.bce_weight * bce(y_true, y_pred) + cfg.dice_weight * region

    return combined
