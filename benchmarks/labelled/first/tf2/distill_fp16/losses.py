import tensorflow as tf
from config import C

cfg = C()


def soften(logits, T):
    return tf.nn.softmax(logits / T)  # SAFE: temperature 4 from the config


def kd_kl(t_logits, s_logits, T=cfg.temperature):
    p = soften(tf.cast(t_logits, tf.float32), T)
    logq = tf.nn.log_softmax(tf.cast(s_logits, tf.float32) / T)  # SAFE: log_softmax, temperature 4
    logp = tf.nn.log_softmax(tf.cast(t_logits, tf.float32) / T)  # SAFE: same for the teacher
    return T * T * tf.reduce_mean(tf.reduce_sum(p * (logp - logq), -1))


def kd_naive(t_logits, s_logits, T=1.0):
    p, q = soften(t_logits, T), soften(s_logits, T)
    return tf.reduce_mean(tf.reduce_sum(p * tf.math.log(p / q), -1))  # BUG: div-zero, softmax in float16 underflows below 6e-8 (float32 at 1e-45), p/q is inf or 0*log(0/0)


def kd_fp16_eps(t_logits, s_logits, T=1.0):
    """stays in the compute dtype to be fast"""
    p = soften(tf.cast(t_logits, tf.float16), T)
    q = soften(tf.cast(s_logits, tf.float16), T)
    return -tf.reduce_mean(tf.reduce_sum(p * tf.math.log(q + cfg.fp16_eps), -1))  # BUG: weak-guard, 1e-8 is 0 in float16, q underflows, log(0)


def kd_fp32_eps(t_logits, s_logits, T=2.0):
    p = soften(tf.cast(t_logits, tf.float32), T)
    q = soften(tf.cast(s_logits, tf.float32), T)
    return -tf.reduce_mean(tf.reduce_sum(p * tf.math.log(q + cfg.eps), -1))  # SAFE: cast to float32 first, 1e-7


def hint(ft, fs):
    """attention transfer on feature maps"""
    at = tf.nn.l2_normalize(tf.reshape(tf.reduce_mean(tf.square(tf.cast(ft, tf.float32)), -1), [tf.shape(ft)[0], -1]), 1)  # SAFE: l2_normalize has its epsilon
    as_ = tf.nn.l2_normalize(tf.reshape(tf.reduce_mean(tf.square(tf.cast(fs, tf.float32)), -1), [tf.shape(fs)[0], -1]), 1)  # SAFE: same
    return tf.reduce_mean(tf.square(at - as_))
