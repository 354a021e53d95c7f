import tensorflow as tf


def sort_by_time(risk, time, event):
    order = tf.argsort(time, direction="DESCENDING")
    return tf.gather(risk, order), tf.gather(time, order), tf.gather(event, order)


def breslow(risk, time, event):
    """Negative partial log likelihood of a mini batch."""
    risk, _, event = sort_by_time(risk, time, event)
    at_risk = tf.cumsum(tf.exp(risk))  # BUG: exp-overflow, the network's risk is a linear output and has no bound
    partial = risk - tf.math.log(at_risk)  # BUG: log-zero, exp underflows to 0 for the longest survivors when their risk is very negative
    return -tf.reduce_sum(partial * event) / tf.reduce_sum(event)  # BUG: div-zero, a small batch of a cohort with few deaths can hold censored patients only


def breslow_stable(risk, time, event):
    risk, _, event = sort_by_time(risk, time, event)
    log_at_risk = tf.math.cumulative_logsumexp(risk)  # SAFE: cumulative_logsumexp subtracts the running maximum
    n_events = tf.maximum(tf.reduce_sum(event), 1.0)
    return -tf.reduce_sum((risk - log_at_risk) * event) / n_events  # SAFE: floor of one event


def ranking_loss(risk, time, event, sigma=1.0):
    """Pairs where the earlier time is an event; soft concordance."""
    dt = time[None, :] - time[:, None]
    comparable = tf.cast(dt > 0, tf.float32) * event[:, None]
    diff = (risk[:, None] - risk[None, :]) / sigma  # SAFE: sigma is the constant one
    pair = tf.nn.softplus(-diff)  # SAFE: softplus is linear for large inputs
    return tf.reduce_sum(pair * comparable) / (tf.reduce_sum(comparable) + 1e-6)  # SAFE: epsilon


def weibull_nll(params, time, event):
    """params: log scale and log shape."""
    log_lam = tf.clip_by_value(params[:, 0], -10.0, 15.0)
    k = tf.exp(tf.clip_by_value(params[:, 1], -3.0, 2.0))  # SAFE: clipped exponent
    log_t = tf.math.log(tf.maximum(time, 0.5))  # SAFE: deaths on the day of admission count as half a day
    z = k * (log_t - log_lam)
    hazard = tf.math.log(k) - log_lam + (k - 1.0) * (log_t - log_lam)  # SAFE: k is at least exp(-3)
    return -tf.reduce_mean(event * hazard - tf.exp(tf.minimum(z, 30.0)))  # SAFE: capped exponent
