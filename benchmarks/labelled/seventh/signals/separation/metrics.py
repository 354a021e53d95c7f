import itertools
import math

import tensorflow as tf

LN10 = math.log(10.0)


def log10(x):
    return tf.math.log(x) / LN10  # SAFE: every caller passes a floored or offset positive value


def power_to_db(power, hp):
    """librosa.power_to_db on tensors, relative to the maximum."""
    ref = tf.maximum(tf.reduce_max(power), hp.amin)
    db = 10.0 * log10(tf.maximum(power, hp.amin)) - 10.0 * log10(ref)  # SAFE: both arguments are floored at amin = 1e-10, float32
    return tf.maximum(db, -hp.top_db)


def si_sdr(est, ref, hp):
    """Scale invariant SDR in dB, [..., T] -> [...]"""
    est = est - tf.reduce_mean(est, -1, keepdims=True)
    ref = ref - tf.reduce_mean(ref, -1, keepdims=True)
    dot = tf.reduce_sum(est * ref, -1, keepdims=True)
    energy = tf.reduce_sum(tf.square(ref), -1, keepdims=True) + hp.eps
    proj = dot / energy * ref  # SAFE: energy has eps 1e-8 added, load() rejects eps <= 0
    noise = est - proj
    num = tf.reduce_sum(tf.square(proj), -1) + hp.eps
    den = tf.reduce_sum(tf.square(noise), -1) + hp.eps
    return 10.0 * log10(num / den)  # SAFE: num and den are sums of squares plus 1e-8, silence gives log10(1)


def pit_loss(est, ref, hp):
    """Permutation invariant negative SI-SDR. est, ref: [B, S, T]"""
    n = est.shape[1]
    scores = []
    for perm in itertools.permutations(range(n)):
        s = si_sdr(tf.gather(est, perm, axis=1), ref, hp)
        scores.append(tf.reduce_mean(tf.minimum(s, hp.sisdr_clip), axis=1))
    best = tf.reduce_max(tf.stack(scores, 1), axis=1)
    return -tf.reduce_mean(best)


def spectral_convergence(est, ref, hp):
    a = tf.abs(tf.signal.stft(est, 256, 64))  # SAFE: tf.abs of a complex zero has slope 0 in TensorFlow
    b = tf.abs(tf.signal.stft(ref, 256, 64))
    num = tf.sqrt(tf.reduce_sum(tf.square(a - b), [-2, -1]) + hp.eps)  # SAFE: eps 1e-8 is inside the root
    den = tf.sqrt(tf.reduce_sum(tf.square(b), [-2, -1]) + hp.eps)  # SAFE: eps 1e-8 is inside the root
    return tf.reduce_mean(num / den)  # SAFE: den >= 1e-4


def log_stft_l1(est, ref, hp):
    a = tf.abs(tf.signal.stft(est, 256, 64))
    b = tf.abs(tf.signal.stft(ref, 256, 64))
    return tf.reduce_mean(tf.abs(tf.math.log(a + 1e-5) - tf.math.log(b + 1e-5)))  # SAFE: magnitudes are >= 0 plus 1e-5
