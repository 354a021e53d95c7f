import tensorflow as tf

from boxes import ciou, decode


class FocalFromLogits:
    def __init__(self, alpha=0.25, gamma=2.0):
        self.alpha = alpha
        self.gamma = gamma

    def __call__(self, labels, logits):
        ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)  # SAFE: head emits raw logits
        p = tf.sigmoid(logits)
        p_t = labels * p + (1.0 - labels) * (1.0 - p)
        a_t = labels * self.alpha + (1.0 - labels) * (1.0 - self.alpha)
        return a_t * tf.pow(1.0 - p_t, self.gamma) * ce  # SAFE: gamma 2, gradient of the square at 0 is 0


class DetectionLoss:
    def __init__(self, box_weight=2.0):
        self.focal = FocalFromLogits()
        self.box_weight = box_weight

    def __call__(self, cls_targets, box_targets, state, cls_logits, deltas, anchors):
        """state: 1 positive, 0 negative, -1 ignored."""
        positive = tf.cast(tf.equal(state, 1), tf.float32)
        valid = tf.cast(tf.not_equal(state, -1), tf.float32)
        n_pos = tf.maximum(tf.reduce_sum(positive), 1.0)
        cls = self.focal(cls_targets, cls_logits) * valid[..., None]
        cls_loss = tf.reduce_sum(cls) / n_pos  # SAFE: n_pos floored at 1
        boxes = decode(deltas, anchors)
        box_loss = tf.reduce_sum(positive * (1.0 - ciou(boxes, box_targets))) / n_pos  # SAFE: n_pos floored at 1
        return cls_loss + self.box_weight * box_loss, cls_loss, box_loss
