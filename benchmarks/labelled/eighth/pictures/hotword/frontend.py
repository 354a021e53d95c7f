"""Audio front end: PCM -> log mel patches."""
import tensorflow as tf

RATE = 16000
FRAME, HOP, NFFT = 400, 160, 512
MELS = 40


class LogMel(tf.keras.layers.Layer):
    def __init__(self, floor=0.0, pcen=False, **kw):
        super().__init__(trainable=False, **kw)
        self.floor = floor
        self.pcen = pcen
        self.mel = tf.signal.linear_to_mel_weight_matrix(MELS, NFFT // 2 + 1, RATE, 60.0, 7600.0)

    def call(self, wav):
        spec = tf.signal.stft(wav, FRAME, HOP, NFFT)
        power = tf.square(tf.abs(spec))  # SAFE: complex abs has zero gradient at 0 and nothing trainable is below
        mel = tf.matmul(power, self.mel)
        if self.pcen:
            return self._pcen(mel)
        return tf.math.log(mel + self.floor)  # BUG: log-zero, floor comes as 0 from the settings and clips are zero padded

    @staticmethod
    def _pcen(e, s=0.025, alpha=0.98, delta=2.0, r=0.5, eps=1e-6):
        e_t = tf.transpose(e, [1, 0, 2])
        m = tf.scan(lambda a, x: (1 - s) * a + s * x, e_t)
        m = tf.transpose(m, [1, 0, 2])
        gain = tf.exp(-alpha * tf.math.log(eps + m))  # SAFE: smoother of non-negative energies plus eps
        return tf.pow(e * gain + delta, r) - delta ** r  # SAFE: base at least delta = 2


def pad_or_trim(wav, seconds=1.0):
    n = int(RATE * seconds)
    wav = wav[:n]
    return tf.pad(wav, [[0, n - tf.shape(wav)[0]]])


def peak_normalise(wav):
    peak = tf.reduce_max(tf.abs(wav))
    return tf.math.divide_no_nan(wav, peak) * 0.9  # SAFE: silent clips stay zero with divide_no_nan


def mix_noise(wav, noise, snr_db):
    ps = tf.reduce_mean(tf.square(wav))
    pn = tf.reduce_mean(tf.square(noise))
    k = tf.sqrt(ps / (pn * tf.pow(10.0, snr_db / 10.0) + 1e-9))  # SAFE: non-negative ratio, denominator offset, no gradient in tf.data
    return wav + tf.minimum(k, 10.0) * noise
