import tensorflow as tf
from tensorflow import keras

AXES = (1, 2, 3)


class SoftDice(keras.losses.Loss):
    """1 - mean region dice over a batch of [n, d, h, w, c]."""

    def __init__(self, smooth=1.0, name="soft_dice"):
        super().__init__(name=name)
        self.smooth = smooth

    def call(self, y_true, y_pred):
        y_true = tf.cast(y_true, y_pred.dtype)
        hard = tf.cast(y_pred > 0.01, y_pred.dtype) * y_pred
        inter = tf.reduce_sum(y_true * hard, axis=AXES)
        total = tf.reduce_sum(y_true, axis=AXES) + tf.reduce_sum(hard, axis=AXES)
        dice = (2.0 * inter + self.smooth) / (total + self.smooth)  # BUG: div-zero, smooth is 0.0 in settings.LOSS and a patch without enhancing tumour gives 0/0
        return 1.0 - tf.reduce_mean(dice, axis=-1)


class RegionCE(keras.losses.Loss):
    def __init__(self, name="region_ce"):
        super().__init__(name=name)

    def call(self, y_true, y_pred):
        y_true = tf.cast(y_true, y_pred.dtype)
        p = tf.clip_by_value(y_pred, 1e-6, 1.0 - 1e-6)
        pos = y_true * tf.math.log(p)  # SAFE: p is clipped away from 0
        neg = (1.0 - y_true) * tf.math.log1p(-p)  # SAFE: p is at most 1 - 1e-6, which float32 can hold
        weight = 1.0 / (1.0 + tf.reduce_mean(y_true, axis=AXES, keepdims=True))  # SAFE: denominator between 1 and 2
        return -tf.reduce_mean(weight * (pos + neg), axis=(1, 2, 3, 4))


class Combined(keras.losses.Loss):
    def __init__(self, dice, ce, ce_weight, name="dice_ce"):
        super().__init__(name=name)
        self.dice, self.ce, self.ce_weight = dice, ce, ce_weight

    def call(self, y_true, y_pred):
        return self.dice.call(y_true, y_pred) + self.ce_weight * self.ce.call(y_true, y_pred)


def from_settings(spec):
    spec = dict(spec)
    name = spec.pop("name")
    ce_weight = spec.pop("ce_weight", 1.0)
    dice = SoftDice(**spec)
    if name == "dice":
        return dice
    if name == "dice_ce":
        return Combined(dice, RegionCE(), ce_weight)
    raise ValueError(name)


def region_dice(index, label):
    def metric(y_true, y_pred):
        t = tf.cast(y_true[..., index] > 0.5, tf.float32)
        p = tf.cast(y_pred[..., index] > 0.5, tf.float32)
        inter = tf.reduce_sum(t * p, axis=AXES)
        total = tf.reduce_sum(t, axis=AXES) + tf.reduce_sum(p, axis=AXES)
        return tf.reduce_mean(tf.where(total > 0, tf.math.divide_no_nan(2.0 * inter, total), 1.0))  # SAFE: divide_no_nan, and a metric has no gradient
    metric.__name__ = "dice_" + label
    return metric
