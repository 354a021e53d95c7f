import math
import tensorflow as tf

SR = 16000


class LogMel(tf.keras.layers.Layer):
    def __init__(self, n_mels=40, frame=400, hop=160, fft=512, **kw):
        super().__init__(**kw)
        self.frame, self.hop, self.fft = frame, hop, fft
        self.mel = tf.signal.linear_to_mel_weight_matrix(n_mels, fft // 2 + 1, SR, 20.0, 7600.0)

    def call(self, wav):
        spec = tf.abs(tf.signal.stft(wav, self.frame, self.hop, self.fft))
        mel = tf.matmul(tf.square(spec), self.mel)
        return tf.math.log(mel)  # BUG: log-zero, utterances are zero padded to the longest of the batch so whole frames have zero energy


class MFCC(tf.keras.layers.Layer):
    def __init__(self, n_mels=40, n_coef=13, **kw):
        super().__init__(**kw)
        self.n_coef = n_coef
        self.mel = tf.signal.linear_to_mel_weight_matrix(n_mels, 257, SR, 20.0, 7600.0)

    def call(self, wav):
        spec = tf.abs(tf.signal.stft(wav, 400, 160, 512))
        lm = tf.math.log(tf.matmul(spec, self.mel) + 1e-6)  # SAFE: magnitudes are non-negative and get 1e-6 added
        return tf.signal.mfccs_from_log_mel_spectrograms(lm)[..., :self.n_coef]


def cmvn(feat):
    mean, var = tf.nn.moments(feat, axes=[1], keepdims=True)
    return (feat - mean) / tf.sqrt(var + 1e-5)  # SAFE: variance plus 1e-5 under the root


def peak_normalise(wav):
    peak = tf.reduce_max(tf.abs(wav))
    return wav / tf.maximum(peak, 1e-4)  # SAFE: peak floored, silent files stay silent


def add_noise(wav, noise, snr_db):
    ps = tf.reduce_mean(tf.square(wav))
    pn = tf.reduce_mean(tf.square(noise))
    gain = tf.sqrt(ps / (tf.pow(10.0, snr_db / 10.0) * (pn + 1e-9)))  # SAFE: data augmentation without gradient, noise power has 1e-9 added and snr_db comes from 5..30
    return wav + gain * noise


def spec_augment(x, max_f=8):
    f = tf.random.uniform([], 0, max_f, tf.int32)
    f0 = tf.random.uniform([], 0, tf.maximum(x.shape[-1] - f, 1), tf.int32)
    r = tf.range(x.shape[-1])
    keep = tf.cast((r < f0) | (r >= f0 + f), x.dtype)
    return x * keep


def frames(n_samples):
    return tf.maximum(1 + (n_samples - 400) // 160, 0)
