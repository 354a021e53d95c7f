import tensorflow as tf


def bce(mask, logits):
    ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.cast(mask, tf.float32), logits=tf.cast(logits, tf.float32))  # SAFE: logits, in float32
    return tf.reduce_mean(ce)


def soft_dice(mask, logits, smooth=1.0):
    p = tf.sigmoid(logits)
    mask = tf.cast(mask, p.dtype)
    inter = tf.reduce_sum(p * mask, axis=[1, 2, 3])  # BUG: half, float16 sum over the pixels of an object that covers more than 65504 of them
    total = tf.reduce_sum(p, axis=[1, 2, 3]) + tf.reduce_sum(mask, axis=[1, 2, 3])  # BUG: half, logits are float16 and the sum over 384 x 384 pixels passes 65504
    return tf.cast((2.0 * inter + smooth) / (total + smooth), tf.float32)


def hard_iou(mask, logits):
    p = tf.cast(logits > 0, tf.float32)
    m = tf.cast(mask, tf.float32)
    inter = tf.reduce_sum(p * m, [1, 2, 3])
    union = tf.reduce_sum(p + m - p * m, [1, 2, 3])
    return tf.reduce_mean((inter + 1e-6) / (union + 1e-6))  # SAFE: float32, union >= 0
