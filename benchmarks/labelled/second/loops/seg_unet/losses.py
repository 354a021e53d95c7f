import tensorflow as tf


def _flatten(t):
    return tf.reshape(t, [tf.shape(t)[0], -1])


def dice_loss(y_true, y_pred, smooth=1.0):
    t, p = _flatten(y_true), _flatten(y_pred)
    inter = tf.reduce_sum(t * p, axis=1)
    total = tf.reduce_sum(t, axis=1) + tf.reduce_sum(p, axis=1)
    return tf.reduce_mean(1.0 - (2.0 * inter + smooth) / (total + smooth))  # SAFE: masks and probabilities are non negative, smooth is 1


class FocalTversky(tf.keras.losses.Loss):
    """Abraham & Khan 2018, per image."""

    def __init__(self, alpha, gamma, smooth, name="focal_tversky"):
        super().__init__(name=name)
        self.alpha = alpha
        self.gamma = gamma
        self.smooth = smooth

    def tversky(self, y_true, y_pred):
        t, p = _flatten(y_true), _flatten(y_pred)
        tp = tf.reduce_sum(t * p, axis=1)
        fn = tf.reduce_sum(t * (1.0 - p), axis=1)
        fp = tf.reduce_sum((1.0 - t) * p, axis=1)
        denom = tp + self.alpha * fn + (1.0 - self.alpha) * fp + self.smooth
        return (tp + self.smooth) / denom  # SAFE: all terms non negative and smooth is 1

    def call(self, y_true, y_pred):
        index = self.tversky(y_true, y_pred)
        return tf.pow(1.0 - index, self.gamma)  # BUG: sqrt-grad, gamma 0.75 from the config; an image without foreground reaches index 1 and the gradient is inf


class BinaryFocal(tf.keras.losses.Loss):
    def __init__(self, gamma=2.0, alpha=0.25, name="binary_focal"):
        super().__init__(name=name)
        self.gamma = gamma
        self.alpha = alpha

    def call(self, y_true, y_pred):
        p = tf.clip_by_value(y_pred, 1e-6, 1.0 - 1e-6)
        pos = self.alpha * y_true * tf.pow(1.0 - p, self.gamma) * tf.math.log(p)  # SAFE: p in [1e-6, 1 - 1e-6]
        neg = (1.0 - self.alpha) * (1.0 - y_true) * tf.pow(p, self.gamma) * tf.math.log(1.0 - p)  # SAFE: 1 - p stays near 1e-6 in float32
        return -tf.reduce_mean(pos + neg, axis=[1, 2, 3])


def boundary_weights(mask, kernel=5):
    dil = tf.nn.max_pool2d(mask, kernel, 1, "SAME")
    ero = -tf.nn.max_pool2d(-mask, kernel, 1, "SAME")
    edge = dil - ero
    count = tf.reduce_sum(edge, axis=[1, 2, 3], keepdims=True)
    return tf.math.divide_no_nan(edge, count)  # SAFE: divide_no_nan


def boundary_loss(y_true, y_pred):
    w = boundary_weights(y_true)
    err = tf.square(y_true - y_pred)
    return tf.reduce_mean(tf.reduce_sum(w * err, axis=[1, 2, 3]))


class IoUMetric(tf.keras.metrics.Metric):
    def __init__(self, threshold=0.5, name="iou"):
        super().__init__(name=name)
        self.threshold = threshold
        self.inter = self.add_weight(name="inter", initializer="zeros")
        self.union = self.add_weight(name="union", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        p = tf.cast(y_pred > self.threshold, tf.float32)
        inter = tf.reduce_sum(p * y_true)
        self.inter.assign_add(inter)
        self.union.assign_add(tf.reduce_sum(p) + tf.reduce_sum(y_true) - inter)

    def result(self):
        return self.inter / (self.union + 1e-7)  # SAFE: union is a count, metric only

    def reset_state(self):
        self.inter.assign(0.0)
        self.union.assign(0.0)


def build_loss(cfg):
    if cfg.name == "focal_tversky":
        main = FocalTversky(cfg.alpha, cfg.gamma, cfg.smooth)
    elif cfg.name == "focal":
        main = BinaryFocal(cfg.focal_gamma)
    elif cfg.name == "dice":
        main = lambda t, p: dice_loss(t, p, cfg.smooth)
    else:
        raise ValueError(cfg.name)
    return lambda t, p: main(t, p) + cfg.boundary_weight * boundary_loss(t, p)
