import tensorflow as tf

_EPS = 1e-7


def _flatten(y_true, y_pred):
    batch = tf.shape(y_true)[0]
    y_true = tf.reshape(tf.cast(y_true, tf.float32), [batch, -1])
    y_pred = tf.reshape(tf.cast(y_pred, tf.float32), [batch, -1])
    return y_true, y_pred


def bce_from_probs(y_true, y_pred):
    y_true, y_pred = _flatten(y_true, y_pred)
    p = tf.clip_by_value(y_pred, _EPS, 1.0 - _EPS)
    ll = y_true * tf.math.log(p) + (1.0 - y_true) * tf.math.log(1.0 - p)  # SAFE: p is clipped into [1e-7, 1-1e-7] in float32
    return -tf.reduce_mean(ll, axis=-1)


class ContourDiceLoss(tf.keras.losses.Loss):
    """Per-sample soft dice inside a band around the annotated contour."""

    def __init__(self, smooth=1.0, width=9, squared=True, name="contour_dice"):
        super().__init__(name=name)
        self.smooth = smooth
        self.width = width
        self.squared = squared

    def band(self, mask):
        dil = tf.nn.max_pool2d(mask, self.width, 1, "SAME")
        ero = -tf.nn.max_pool2d(-mask, self.width, 1, "SAME")
        return dil - ero

    def call(self, y_true, y_pred):
        w = self.band(tf.cast(y_true, tf.float32))
        y_true, y_pred = _flatten(y_true * w, y_pred * w)
        inter = tf.reduce_sum(y_true * y_pred, axis=-1)
        if self.squared:
            denom = tf.reduce_sum(y_true ** 2, -1) + tf.reduce_sum(y_pred ** 2, -1)
        else:
            denom = tf.reduce_sum(y_true, -1) + tf.reduce_sum(y_pred, -1)
        dice = (2.0 * inter + self.smooth) / (denom + self.smooth)  # BUG: div-zero, dice_smooth is 0.0 in the config and the contour band of an empty mask is empty, 0/0
        return 1.0 - dice


class FocalTverskyLoss(tf.keras.losses.Loss):
    def __init__(self, alpha=0.3, gamma=0.75, smooth=1.0, name="focal_tversky"):
        super().__init__(name=name)
        self.alpha = alpha
        self.gamma = gamma
        self.smooth = smooth

    def call(self, y_true, y_pred):
        y_true, y_pred = _flatten(y_true, y_pred)
        tp = tf.reduce_sum(y_true * y_pred, -1)
        fn = tf.reduce_sum(y_true * (1.0 - y_pred), -1)
        fp = tf.reduce_sum((1.0 - y_true) * y_pred, -1)
        tv = (tp + self.smooth) / (tp + self.alpha * fp + (1 - self.alpha) * fn + self.smooth)  # SAFE: smooth keeps its default 1.0, all terms >= 0
        return tf.pow(tf.maximum(1.0 - tv, 1e-6), self.gamma)  # SAFE: base is floored at 1e-6 so the fractional power has a finite slope


def focal_from_logits(y_true, logits, gamma=2.0):
    y_true = tf.cast(y_true, tf.float32)
    ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=logits)
    pt = tf.exp(-ce)  # SAFE: ce >= 0, so the exponent is never positive
    return tf.reduce_mean(tf.pow(1.0 - pt, gamma) * ce)


def build_loss(cfg):
    dice = ContourDiceLoss(smooth=cfg.dice_smooth)
    if cfg.loss == "dice":
        return dice
    if cfg.loss == "tversky":
        return FocalTverskyLoss(alpha=cfg.tversky_alpha)

    def dice_bce(y_true, y_pred):
        per_image = dice.call(y_true, y_pred)
        return cfg.dice_weight * per_image + cfg.bce_weight * bce_from_probs(y_true, y_pred)

    return dice_bce
