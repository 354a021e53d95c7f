import tensorflow as tf


class SegmentationLoss:
    def __init__(self, cfg):
        self.cfg = cfg

    def split_void(self, mask):
        valid = tf.cast(tf.not_equal(mask, self.cfg.void_label), tf.float32)
        target = tf.cast(tf.equal(mask, 1), tf.float32)
        return target, valid

    def focal(self, target, logits):
        ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=logits)  # SAFE: raw logits from the 1x1 conv without activation
        p = tf.sigmoid(logits)
        pt = target * p + (1.0 - target) * (1.0 - p)
        return tf.pow(1.0 - pt, self.cfg.focal_gamma) * ce  # BUG: sqrt-grad, exponent 0.5 comes from the config and pt is exactly 1.0 for logits above 17, slope of x**0.5 at 0 is inf

    def tversky(self, target, logits, valid):
        p = tf.sigmoid(logits) * valid
        t = target * valid
        axes = [1, 2, 3]
        tp = tf.reduce_sum(p * t, axes)
        fp = tf.reduce_sum(p * (1.0 - t), axes)
        fn = tf.reduce_sum((1.0 - p) * t, axes)
        s = self.cfg.smooth
        index = (tp + s) / (tp + self.cfg.tversky_alpha * fp + self.cfg.tversky_beta * fn + s)  # SAFE: all sums are non-negative and smooth is 1.0
        return 1.0 - index

    def __call__(self, mask, logits, weight):
        target, valid = self.split_void(mask)
        pixel = self.focal(target, logits) * weight * valid
        focal = tf.reduce_sum(pixel, [1, 2, 3]) / tf.reduce_sum(valid, [1, 2, 3])  # BUG: div-zero, a random crop that lies in an unannotated area has no valid pixel, 0/0
        tv = self.tversky(target, logits, valid)
        return tf.reduce_mean(self.cfg.focal_weight * focal + (1.0 - self.cfg.focal_weight) * tv)


def iou_score(mask, logits, void_label, eps=1e-7):
    valid = tf.cast(tf.not_equal(mask, void_label), tf.float32)
    t = tf.cast(tf.equal(mask, 1), tf.float32) * valid
    p = tf.cast(logits > 0, tf.float32) * valid
    inter = tf.reduce_sum(t * p)
    union = tf.reduce_sum(t) + tf.reduce_sum(p) - inter
    return (inter + eps) / (union + eps)  # SAFE: float32, union >= 0 and eps 1e-7 is representable
