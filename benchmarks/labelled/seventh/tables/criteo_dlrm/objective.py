import tensorflow as tf


def bce(y, logit):
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logit))  # SAFE: the model returns logits


def calibration_penalty(y, logit):
    """Squared log ratio of mean prediction and click rate of the batch."""
    p = tf.reduce_mean(tf.sigmoid(logit))
    rate = tf.reduce_mean(y)
    ratio = (p + 1e-4) / (rate + 1e-4)  # SAFE: both means are >= 0 and get an epsilon
    return tf.square(tf.math.log(ratio))  # SAFE: the ratio lies between 1e-4 and 1e4


def confidence_histogram_loss(y, logit, bins=10):
    """Difference of accuracy and confidence per bin of the predicted probability."""
    p = tf.sigmoid(logit)
    bucket = tf.minimum(tf.cast(p * bins, tf.int32), bins - 1)
    hits = tf.math.unsorted_segment_sum(y, bucket, bins)
    conf = tf.math.unsorted_segment_sum(p, bucket, bins)
    count = tf.math.unsorted_segment_sum(tf.ones_like(p), bucket, bins)
    gap = tf.abs(hits - conf) / count  # BUG: div-zero, empty bins are common and give 0 / 0
    weight = tf.nn.softmax(20.0 * gap)  # emphasis on the worst bins
    return tf.reduce_sum(weight * gap)


def normalized_entropy(y, logit):
    rate = tf.clip_by_value(tf.reduce_mean(y), 1e-4, 1.0 - 1e-4)
    base = -(rate * tf.math.log(rate) + (1.0 - rate) * tf.math.log(1.0 - rate))  # SAFE: the rate is clipped 1e-4 away from both ends
    return bce(y, logit) / base  # SAFE: the entropy of a clipped rate is at least 0.001
