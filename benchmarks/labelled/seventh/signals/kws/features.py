import tensorflow as tf


class LogMel(tf.Module):
    def __init__(self, opt):
        super().__init__()
        self.opt = opt
        self.frame = int(opt.sample_rate * opt.frame_ms / 1000)
        self.hop = int(opt.sample_rate * opt.hop_ms / 1000)
        self.nfft = 1
        while self.nfft < self.frame:
            self.nfft *= 2
        self.mel = tf.signal.linear_to_mel_weight_matrix(
            opt.n_mels, self.nfft // 2 + 1, opt.sample_rate, opt.fmin, opt.fmax)

    def energies(self, wav):
        spec = tf.signal.stft(wav, self.frame, self.hop, fft_length=self.nfft)
        return tf.matmul(tf.square(tf.abs(spec)), self.mel)

    def log_energies(self, wav):
        return tf.math.log(self.energies(wav) + self.opt.log_offset)  # BUG: log-zero, shifted and padded clips have all-zero frames and the option default for the offset is 0.0

    def compressed(self, wav):
        return tf.pow(self.energies(wav) + 1e-7, self.opt.power)  # SAFE: energies are non-negative plus 1e-7, wav is data

    def cmvn(self, feats):
        mean, var = tf.nn.moments(feats, axes=[-2], keepdims=True)
        return (feats - mean) * tf.math.rsqrt(var + 1e-5)  # SAFE: var >= 0 plus 1e-5

    def __call__(self, wav):
        a = self.cmvn(self.log_energies(wav))
        b = self.cmvn(self.compressed(wav))
        return tf.stack([a, b], axis=-1)
