import tensorflow as tf

_EPS = 1e-7


def safe_log(x, eps=_EPS):
    return tf.log(x + eps)  # SAFE: default epsilon 1e-7, called with probabilities


def safe_div(a, b):
    ok = tf.greater(b, 0.)
    den = tf.where(ok, b, tf.ones_like(b))
    return tf.where(ok, a / den, tf.zeros_like(a))  # SAFE: denominator replaced before the division


def mean_iou(y, p, n):
    c = tf.confusion_matrix(tf.reshape(tf.argmax(y, 3), [-1]), tf.reshape(tf.argmax(p, 3), [-1]), n)
    c = tf.to_float(c)
    tp = tf.diag_part(c)
    un = tf.reduce_sum(c, 0) + tf.reduce_sum(c, 1) - tp
    return tf.reduce_sum(tp / tf.maximum(un, 1.0)) / tf.maximum(tf.reduce_sum(tf.to_float(un > 0)), 1.0)  # SAFE: maximum with 1
