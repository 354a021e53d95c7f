import tensorflow as tf

_EPS = 1e-6


def safe_log(x, eps=_EPS):
    return tf.math.log(tf.maximum(x, eps))  # SAFE: maximum with 1e-6


def safe_div(a, b):
    ok = tf.not_equal(b, 0.0)
    return tf.where(ok, a / tf.where(ok, b, tf.ones_like(b)), tf.zeros_like(a))  # SAFE: double where


def cosine(a, b):
    na = tf.sqrt(tf.reduce_sum(a * a, -1, keepdims=True))  # SAFE: at the zero vector the gradient arriving here is exactly 0, and SqrtGrad gives 0 for that (checked with TensorFlow)
    nb = tf.sqrt(tf.reduce_sum(b * b, -1, keepdims=True) + _EPS)  # SAFE: epsilon inside
    return tf.matmul(a / (na + _EPS), b / nb, transpose_b=True)  # SAFE: value guarded by _EPS, nb at least 1e-3


def gumbel(shape):
    u = tf.random.uniform(shape, minval=0, maxval=1)
    return -tf.math.log(-tf.math.log(u + 1e-20) + 1e-20)  # SAFE: 1e-20 is a normal float32; u below 1 gives -log(u) >= 6e-8


def gumbel_softmax(logits, tau=0.5):
    return tf.nn.softmax((logits + gumbel(tf.shape(logits))) / tau)  # SAFE: constant temperature


def shannon(p):
    return -tf.reduce_sum(p * safe_log(p), -1)
