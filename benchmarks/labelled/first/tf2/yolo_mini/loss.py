import tensorflow as tf
from boxes import decode, iou, ciou
from config import L_COORD, L_NOOBJ, S


class YoloLoss(tf.keras.losses.Loss):
    """y_true (b,S,S,B,5+C): x y w h in cells, obj, one-hot class"""

    def __init__(self, mode="v2", bounded=False, **kw):
        super().__init__(**kw)
        self.mode = mode
        self.bounded = bounded

    def call(self, y_true, y_pred):
        xy, wh, obj, cls = decode(y_pred, self.bounded)
        txy, twh, tobj, tcls = y_true[..., 0:2], y_true[..., 2:4], y_true[..., 4], y_true[..., 5:]
        if self.mode == "v1":
            return self.v1(xy, wh, obj, cls, txy, twh, tobj, tcls)
        n = tf.maximum(tf.reduce_sum(tobj), 1.0)
        if self.mode == "ciou":
            box = tf.reduce_sum(tobj * (1.0 - ciou(xy, wh, txy, twh))) / n  # SAFE: maximum(count, 1) above
        else:
            box = tf.reduce_sum(tobj[..., None] * (tf.square(xy - txy) + tf.square(tf.sqrt(wh) - tf.sqrt(twh)))) / n  # SAFE: wh is anchor times exp of a finite number, the targets get no gradient; n >= 1
        o = tf.nn.sigmoid_cross_entropy_with_logits(tobj, obj)  # SAFE: fused
        conf = tf.reduce_sum(o * tobj) / n + L_NOOBJ * tf.reduce_mean(o * (1 - tobj))  # SAFE: n >= 1
        c = tf.nn.softmax_cross_entropy_with_logits(tcls, cls)  # SAFE: fused
        return L_COORD * box + conf + tf.reduce_sum(c * tobj) / n  # SAFE: n >= 1

    def v1(self, xy, wh, obj, cls, txy, twh, tobj, tcls):
        """everything squared, as in the first paper"""
        side = tf.sigmoid(obj)
        wn = tf.nn.relu(wh - 0.1) / S  # SAFE: constant
        root = tf.sqrt(wn)  # BUG: sqrt-grad, a relu that is off gives 0 * inf, NaN (computed by TensorFlow 2.21)
        box = tobj[..., None] * (tf.square(xy - txy) + tf.square(root - tf.sqrt(twh / S)))  # SAFE: targets, constant S
        best = tf.stop_gradient(iou(xy, wh, txy, twh))
        conf = tobj * tf.square(side - best) + L_NOOBJ * (1 - tobj) * tf.square(side)
        p = tf.nn.softmax(cls)
        return L_COORD * tf.reduce_sum(box) + tf.reduce_sum(conf) + tf.reduce_sum(tobj[..., None] * tf.square(p - tcls))  # MAYBE: softmax with squares is what the paper has, slow but it trains


def precision_recall(y_true, scores, thr=0.5):
    hit = tf.cast(scores > thr, tf.float32)
    tp = tf.reduce_sum(hit * y_true)
    return tp / tf.reduce_sum(hit), tp / tf.reduce_sum(y_true)  # SAFE: only logged, never a loss
