import tensorflow as tf


def logcumsumexp(v):
    m = tf.stop_gradient(tf.reduce_max(v))
    return tf.math.log(tf.cumsum(tf.exp(v - m)) + 1e-12) + m  # SAFE: exponents are never positive after the shift and the epsilon keeps the log finite in float32


def cox_nll(risk, events):
    """negative Breslow partial log likelihood, rows sorted by descending time"""
    log_risk = logcumsumexp(risk)
    ll = (risk - log_risk) * events
    return -tf.reduce_sum(ll) / tf.reduce_sum(events)  # BUG: div-zero, a small batch can hold only censored rows (train uses batch 16)


def ranking_loss(risk, t, events, sigma=0.5):
    later = tf.cast(t[:, None] < t[None, :], tf.float32) * events[:, None]
    diff = tf.clip_by_value((risk[None, :] - risk[:, None]) / sigma, -30.0, 30.0)  # SAFE: sigma is the constant 0.5
    per_pair = tf.exp(diff)  # SAFE: clipped to 30
    return tf.math.divide_no_nan(tf.reduce_sum(later * per_pair), tf.reduce_sum(later))  # SAFE: divide_no_nan, the number of pairs has no gradient


def weibull_nll(log_scale, raw_shape, t, events):
    """parametric alternative; t in months, first visit is month 0"""
    k = 0.1 + tf.nn.softplus(raw_shape)
    lam = tf.exp(tf.clip_by_value(log_scale, -8.0, 8.0))  # SAFE: clipped
    u = tf.maximum(t, 0.0) / lam  # SAFE: lam >= exp(-8)
    log_u = tf.math.log(tf.maximum(u, 1e-6))  # SAFE: floor before the log
    cum = tf.exp(tf.minimum(k * log_u, 20.0))  # SAFE: exponent at most 20
    log_h = tf.math.log(k) - tf.math.log(lam) + (k - 1.0) * log_u  # SAFE: k >= 0.1, lam in [exp(-8), exp(8)]
    return tf.reduce_mean(cum - events * log_h)
