import itertools
import math

import tensorflow as tf

import hyper

TO_DB = 10.0 / math.log(10.0)  # SAFE: constant


def si_sdr(ref, est):
    """Scale-invariant SDR in dB, float32."""
    ref = ref - tf.reduce_mean(ref, -1, keepdims=True)
    est = est - tf.reduce_mean(est, -1, keepdims=True)
    dot = tf.reduce_sum(ref * est, -1, keepdims=True)
    energy = tf.reduce_sum(ref * ref, -1, keepdims=True)
    proj = dot / (energy + hyper.SI_EPS) * ref  # SAFE: energy >= 0 plus 1e-6 in float32
    noise = est - proj
    num, den = tf.reduce_sum(proj ** 2, -1), tf.reduce_sum(noise ** 2, -1)
    return TO_DB * (tf.math.log(num + hyper.SI_EPS) - tf.math.log(den + hyper.SI_EPS))  # SAFE: sums of squares plus 1e-6


def pit(ref, est):
    """Permutation invariant loss."""
    s = ref.shape[1]
    scores = []
    for p in itertools.permutations(range(s)):
        scores.append(tf.add_n([si_sdr(ref[:, i], est[:, j]) for i, j in enumerate(p)]) / s)  # SAFE: number of sources is positive
    return -tf.reduce_mean(tf.reduce_max(tf.stack(scores, 1), 1))


def snr_mix(a, b, db):
    """Scales b so that the mixture has the wanted SNR."""
    ea, eb = tf.reduce_mean(a ** 2, -1, keepdims=True), tf.reduce_mean(b ** 2, -1, keepdims=True)
    g = tf.sqrt((ea + 1e-8) / (eb + 1e-8)) * tf.pow(10.0, -db / 20.0)  # SAFE: energies are not negative, both have 1e-8 in float32
    return a, tf.clip_by_value(g, 0.0, 30.0) * b
