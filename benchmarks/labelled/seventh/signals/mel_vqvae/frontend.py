import math

import numpy as np
import tensorflow as tf

import config as C

MEL = tf.signal.linear_to_mel_weight_matrix(C.N_MELS, C.N_FFT // 2 + 1, C.SAMPLE_RATE, 40.0, 7800.0)


def preemphasis(wav, k=0.97):
    return tf.concat([wav[..., :1], wav[..., 1:] - k * wav[..., :-1]], -1)


def loudness_normalise(wav, target_db=-23.0):
    rms = tf.sqrt(tf.reduce_mean(tf.square(wav), -1, keepdims=True))
    gain = 10.0 ** (target_db / 20.0) / tf.maximum(rms, 1e-4)  # SAFE: floored at 1e-4, digital silence stays silence
    return wav * tf.minimum(gain, 100.0)


def log_mel(wav):
    s = tf.abs(tf.signal.stft(preemphasis(wav), C.N_FFT, C.HOP, pad_end=True))
    m = tf.matmul(s, MEL)
    db = 20.0 * tf.math.log(tf.maximum(m, C.LOG_FLOOR)) / math.log(10.0)  # SAFE: floored at LOG_FLOOR = 1e-5
    return (tf.clip_by_value(db, C.MIN_DB, C.MAX_DB) - C.MIN_DB) / (C.MAX_DB - C.MIN_DB)  # SAFE: constants, 140 dB


def to_linear(x):
    db = x * (C.MAX_DB - C.MIN_DB) + C.MIN_DB
    return 10.0 ** (tf.clip_by_value(db, C.MIN_DB, C.MAX_DB) / 20.0)  # SAFE: exponent between -5 and 2


def griffin_lim(mag, iters=16):
    """Phase estimation for listening tests; no gradients."""
    ang = tf.complex(tf.random.uniform(tf.shape(mag)) - 0.5, tf.random.uniform(tf.shape(mag)) - 0.5)
    for _ in range(iters):
        unit = ang / tf.cast(tf.maximum(tf.abs(ang), 1e-8), tf.complex64)  # SAFE: modulus floored at 1e-8
        spec = tf.cast(mag, tf.complex64) * unit
        wav = tf.signal.inverse_stft(spec, C.N_FFT, C.HOP, window_fn=tf.signal.inverse_stft_window_fn(C.HOP))
        ang = tf.signal.stft(wav, C.N_FFT, C.HOP, pad_end=False)
    return wav


def mel_inverse():
    pinv = np.linalg.pinv(MEL.numpy())
    return np.maximum(pinv, 0.0).astype(np.float32)
