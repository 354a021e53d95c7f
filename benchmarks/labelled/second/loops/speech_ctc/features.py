import numpy as np
import tensorflow as tf

SAMPLE_RATE = 16000
FRAME, HOP, MELS = 400, 160, 40


def read_wav(path):
    audio, _ = tf.audio.decode_wav(tf.io.read_file(path), desired_channels=1)
    return tf.squeeze(audio, -1)


def peak_normalize(audio):
    peak = tf.reduce_max(tf.abs(audio))
    return audio / tf.maximum(peak, 1e-4)  # SAFE: peak floored at 1e-4


def mel_matrix():
    return tf.signal.linear_to_mel_weight_matrix(MELS, FRAME // 2 + 57, SAMPLE_RATE, 20.0, 7600.0)


def log_mel(audio):
    spec = tf.abs(tf.signal.stft(audio, FRAME, HOP, fft_length=512))
    mel = tf.matmul(tf.square(spec), mel_matrix())
    return tf.math.log(mel)  # BUG: log-zero, digital silence and zero padding give an energy of exactly 0


def decibel(power, floor_db=-80.0):
    """Spectrogram for the summary images."""
    db = 10.0 * tf.math.log(tf.maximum(power, 1e-10)) / np.log(10.0)  # SAFE: power floored at 1e-10
    return tf.maximum(db, tf.reduce_max(db) + floor_db)


def cmvn(feats):
    mean, var = tf.nn.moments(feats, axes=[0], keepdims=True)
    return (feats - mean) * tf.math.rsqrt(var + 1e-6)  # SAFE: 1e-6 added to the variance


def spec_augment(feats, max_t=20, max_f=6):
    n = tf.shape(feats)[0]
    t = tf.random.uniform([], 0, tf.minimum(max_t, n // 4 + 1), tf.int32)
    t0 = tf.random.uniform([], 0, n - t, tf.int32)
    f = tf.random.uniform([], 0, max_f, tf.int32)
    f0 = tf.random.uniform([], 0, MELS - f, tf.int32)
    keep_t = ~((tf.range(n) >= t0) & (tf.range(n) < t0 + t))
    keep_f = ~((tf.range(MELS) >= f0) & (tf.range(MELS) < f0 + f))
    return tf.where(keep_t[:, None] & keep_f[None, :], feats, tf.zeros_like(feats))
