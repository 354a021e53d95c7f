import glob
import os
import random

import numpy as np
import tensorflow as tf


class ClipSource:
    """Reads one-second clips. Label 0 is silence: scaled background noise only."""

    def __init__(self, opt, words):
        self.opt = opt
        self.words = ["_silence_"] + list(words)
        self.clips = []
        for k, w in enumerate(words, start=1):
            self.clips += [(f, k) for f in glob.glob(os.path.join(opt.wav_dir, w, "*.wav"))]
        self.noise = [self.read(f) for f in glob.glob(os.path.join(opt.wav_dir, "_background_noise_", "*.wav"))]

    def read(self, path):
        wav, _ = tf.audio.decode_wav(tf.io.read_file(path), desired_channels=1)
        return wav[:, 0].numpy()

    def fit_length(self, wav):
        n = self.opt.sample_rate
        if len(wav) < n:
            wav = np.pad(wav, (0, n - len(wav)))
        return wav[:n]

    def shift(self, wav):
        k = int(self.opt.shift_ms * self.opt.sample_rate / 1000)
        s = random.randint(-k, k)
        out = np.zeros_like(wav)
        if s >= 0:
            out[s:] = wav[:len(wav) - s]
        else:
            out[:s] = wav[-s:]
        return out

    def background(self):
        n = self.opt.sample_rate
        if not self.noise or random.random() > self.opt.background_prob:
            return np.zeros(n, np.float32)
        src = random.choice(self.noise)
        o = random.randint(0, len(src) - n)
        return src[o:o + n] * random.uniform(0, self.opt.background_volume)

    def mix(self, wav):
        out = self.shift(self.fit_length(wav)) + self.background()
        return np.clip(out, -1.0, 1.0).astype(np.float32)

    def examples(self):
        while True:
            if random.uniform(0, 100) < self.opt.silence_pct:
                yield self.background().astype(np.float32), 0
            else:
                path, k = random.choice(self.clips)
                yield self.mix(self.read(path)), k


def level(wav):
    """Bring a clip to full scale."""
    return wav / tf.reduce_max(tf.abs(wav))  # BUG: div-zero, silence clips without background are all zeros, 0/0


def rms_db(wav):
    rms = tf.sqrt(tf.reduce_mean(tf.square(wav), axis=-1))
    return 20.0 * tf.math.log(tf.maximum(rms, 1e-5)) / tf.math.log(10.0)  # SAFE: rms floored at 1e-5, used for logging only
