"""Losses for customer lifetime value with many zero labels."""
import math

import tensorflow.compat.v1 as tf

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


def split_logits(logits):
    logits = tf.convert_to_tensor(logits, dtype=tf.float32)
    p_logit = logits[:, 0:1]
    loc = logits[:, 1:2]
    scale = tf.maximum(tf.nn.softplus(logits[:, 2:3]), tf.sqrt(1e-7))  # SAFE: square root of a positive constant
    return p_logit, loc, scale


def zero_inflated_lognormal_loss(labels, logits):
    labels = tf.cast(labels, tf.float32)
    p_logit, loc, scale = split_logits(logits)
    positive = labels > 0.0
    classification = tf.nn.sigmoid_cross_entropy_with_logits(
        labels=tf.cast(positive, tf.float32), logits=p_logit)
    z = tf.where(positive, (tf.log(labels) - loc) / scale, tf.zeros_like(loc))  # BUG: where-grad, log(0) on the hidden side makes the gradient of scale 0 * inf
    regression = tf.where(positive, 0.5 * tf.square(z) + tf.log(scale) + HALF_LOG_2PI,  # SAFE: scale has a floor in split_logits
                          tf.zeros_like(loc))
    return tf.reduce_mean(classification + regression)


def gamma_deviance(labels, mean):
    positive = labels > 0.0
    safe_labels = tf.where(positive, labels, tf.ones_like(labels))
    ratio = safe_labels / tf.maximum(mean, 1e-3)  # SAFE: mean is floored
    dev = 2.0 * (ratio - 1.0 - tf.log(ratio + 1e-7))  # SAFE: ratio is positive and has an epsilon that is added to a small number
    return tf.where(positive, dev, tf.zeros_like(dev))


def predict_mean(logits):
    p_logit, loc, scale = split_logits(logits)
    exponent = tf.minimum(loc + 0.5 * tf.square(scale), 20.0)
    return tf.sigmoid(p_logit) * tf.exp(exponent)  # SAFE: exponent is capped at 20
