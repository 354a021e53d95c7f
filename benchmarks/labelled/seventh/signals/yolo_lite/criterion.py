import tensorflow as tf

import settings as S
from boxes import pairwise_iou, ciou
from net import unpack


def responsible(pred, true, obj):
    iou = pairwise_iou(pred, true[..., None, :])
    best = tf.one_hot(tf.argmax(iou, -1), S.BOXES)
    return best * obj[..., None], iou


def yolo_loss(raw, target):
    """target: [N, G, G, 5 + C], boxes normalised to the image."""
    boxes, conf, cls = unpack(raw)
    obj = target[..., 4]
    true = target[..., :4]
    resp, iou = responsible(boxes, true, obj)
    t = true[..., None, :]

    xy = tf.reduce_sum(tf.square(boxes[..., :2] - t[..., :2]), -1)
    wh = tf.reduce_sum(tf.square(tf.sqrt(boxes[..., 2:4]) - tf.sqrt(t[..., 2:4])), -1)  # BUG: domain, box sizes come straight from the linear head and are negative for about half of the cells at the start
    coord = tf.reduce_sum(resp * (xy + wh))

    conf_obj = tf.reduce_sum(resp * tf.square(conf - tf.stop_gradient(iou)))
    conf_no = tf.reduce_sum((1.0 - resp) * tf.square(conf))

    ce = tf.nn.softmax_cross_entropy_with_logits(labels=target[..., 5:], logits=cls)  # SAFE: head is linear (HEAD_ACTIVATION is None), labels one-hot or all zero
    classes = tf.reduce_sum(obj * ce)

    n = tf.cast(tf.shape(raw)[0], tf.float32)
    total = S.LAMBDA_COORD * coord + conf_obj + S.LAMBDA_NOOBJ * conf_no + classes
    return total / n, coord / n, classes / n  # SAFE: n is the batch size, never empty with drop_remainder


def mean_overlap(raw, target):
    boxes, _, _ = unpack(raw)
    obj = target[..., 4]
    resp, _ = responsible(boxes, target[..., :4], obj)
    q = ciou(boxes, target[..., None, :4] * tf.ones_like(boxes))
    return tf.reduce_sum(resp * q) / tf.maximum(tf.reduce_sum(resp), 1.0)  # SAFE: images without objects give 0/1
