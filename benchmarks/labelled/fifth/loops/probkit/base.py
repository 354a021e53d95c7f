import tensorflow as tf

_FLOOR = {tf.float16: 1e-4, tf.float32: 1e-7, tf.float64: 1e-12}


def floor_for(dtype):
    """Smallest value added to probabilities or variances in this dtype."""
    return tf.constant(_FLOOR[tf.as_dtype(dtype)], dtype)


def safe_log(x):
    return tf.math.log(tf.maximum(x, floor_for(x.dtype)))  # SAFE: argument floored by a value the dtype can hold


def xlogy(x, y):
    """x * log(y), 0 where x is 0, also in the gradient."""
    ok = x > 0
    y_ = tf.where(ok, y, tf.ones_like(y))
    return tf.where(ok, x * safe_log(y_), tf.zeros_like(x))  # SAFE: y is replaced by 1 before the log where x is 0


def log1mexp(x):
    """log(1 - exp(-x)) for x > 0 (Maechler 2012)."""
    x = tf.maximum(x, floor_for(x.dtype))
    small = x < 0.6931472
    a = tf.math.log(-tf.math.expm1(-tf.where(small, x, tf.ones_like(x))))  # SAFE: x floored above 0, and 1 is used in the other branch
    b = tf.math.log1p(-tf.exp(-tf.where(small, tf.ones_like(x), x)))  # SAFE: x >= log 2 in this branch, argument >= -0.5
    return tf.where(small, a, b)


def softplus_inverse(y):
    y = tf.maximum(y, floor_for(y.dtype))
    return y + tf.math.log(-tf.math.expm1(-y))  # SAFE: y floored above 0, so -expm1(-y) > 0


def safe_norm(x, axis=-1):
    s = tf.reduce_sum(tf.square(x), axis)
    zero = s <= 0.0
    r = tf.sqrt(tf.where(zero, tf.ones_like(s), s))  # SAFE: zero is replaced before the sqrt, double where
    return tf.where(zero, tf.zeros_like(s), r)


def positive(raw, low=1e-3):
    return tf.nn.softplus(raw) + tf.cast(low, raw.dtype)
