"""Partial likelihoods. Rows must be sorted by descending time (see data.py)."""
import tensorflow as tf


def breslow(risk, event):
    """Negative log partial likelihood, averaged over events."""
    risk = tf.reshape(risk, [-1])
    lse = tf.math.cumulative_logsumexp(risk)  # SAFE: the op is stabilised, no exp of the raw score
    ll = tf.reduce_sum((risk - lse) * event)
    return -ll / tf.reduce_sum(event)  # BUG: div-zero, a mini-batch can contain censored patients only, 0/0


def ranking(risk, time, event, sigma=0.5):
    """Pairwise ranking term of DeepHit, on scores."""
    r = tf.reshape(risk, [-1])
    comparable = tf.cast(time[:, None] < time[None, :], tf.float32) * event[:, None]
    diff = tf.clip_by_value((r[None, :] - r[:, None]) / sigma, -30.0, 30.0)
    loss = tf.exp(diff) * comparable  # SAFE: the exponent is clipped to 30
    return tf.reduce_sum(loss) / tf.maximum(tf.reduce_sum(comparable), 1.0)  # SAFE: number of pairs floored at 1


def breslow_full(risk, event):
    """Full data version, used for the validation score."""
    risk = tf.reshape(risk, [-1])
    n = tf.reduce_sum(event)
    ll = tf.reduce_sum((risk - tf.math.cumulative_logsumexp(risk)) * event)
    return tf.math.divide_no_nan(-ll, n)  # SAFE: divide_no_nan gives 0 without events
