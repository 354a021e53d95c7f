"""Log-mel front end with per-channel energy normalisation as an option."""
import tensorflow as tf


class Frontend(tf.keras.layers.Layer):
    def __init__(self, rate=16000, frame=400, hop=160, mels=40, kind="log", **kw):
        super().__init__(**kw)
        if kind not in ("log", "pcen"):
            raise ValueError(kind)
        self.frame, self.hop, self.kind = frame, hop, kind
        self.mel = tf.signal.linear_to_mel_weight_matrix(mels, 257, rate, 60.0, 7600.0)

    def build(self, shape):
        if self.kind == "pcen":
            const = tf.keras.initializers.Constant
            self.log_alpha = self.add_weight(shape=(), initializer=const(-0.02), name="log_alpha")
            self.log_delta = self.add_weight(shape=(), initializer=const(0.69), name="log_delta")
            self.log_r = self.add_weight(shape=(), initializer=const(-0.69), name="log_r")

    def power(self, wav):
        spec = tf.signal.stft(wav, self.frame, self.hop, fft_length=512)
        re, im = tf.math.real(spec), tf.math.imag(spec)
        return tf.matmul(re * re + im * im, self.mel)

    def smooth(self, e, s=0.025):
        first = e[:, 0]
        rest = tf.transpose(e, [1, 0, 2])
        m = tf.scan(lambda a, x: (1.0 - s) * a + s * x, rest, initializer=first)
        return tf.transpose(m, [1, 0, 2])

    def pcen(self, e):
        alpha = tf.exp(tf.clip_by_value(self.log_alpha, -5.0, 0.0))  # SAFE: argument clipped
        delta = tf.exp(tf.clip_by_value(self.log_delta, -5.0, 3.0))  # SAFE: argument clipped, delta is at least 0.0067
        r = tf.exp(tf.clip_by_value(self.log_r, -5.0, 0.0))  # SAFE: argument clipped
        gain = tf.exp(-alpha * tf.math.log(self.smooth(e) + 1e-6))  # SAFE: energies are not negative, 1e-6 is added, so the gain is at most 1e6
        return tf.pow(e * gain + delta, r) - tf.pow(delta, r)  # SAFE: base is at least delta, which is positive

    def call(self, wav):
        e = self.power(wav)
        if self.kind == "pcen":
            return self.pcen(e)
        return tf.math.log(e + 1e-6)  # SAFE: power is not negative and digital silence leaves 1e-6


class CMVN(tf.keras.layers.Layer):
    def call(self, x):
        mu, var = tf.nn.moments(x, axes=[1], keepdims=True)
        return (x - mu) * tf.math.rsqrt(var + 1e-3)  # SAFE: variance plus 1e-3
