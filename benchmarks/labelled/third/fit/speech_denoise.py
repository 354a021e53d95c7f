"""Spectrogram mask network for speech enhancement (VoiceBank style pairs of wav files)."""
import argparse
import glob
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

RATE = 16000
FRAME, HOP = 512, 128
SEGMENT = 16384
COMPRESS = 0.3


def read_wav(path):
    x, _ = tf.audio.decode_wav(tf.io.read_file(path), desired_channels=1)
    return x[:, 0]


def crop_pair(noisy, clean):
    n = tf.minimum(tf.shape(noisy)[0], tf.shape(clean)[0])
    pad = tf.maximum(SEGMENT - n, 0)
    noisy, clean = tf.pad(noisy[:n], [[0, pad]]), tf.pad(clean[:n], [[0, pad]])
    start = tf.random.uniform((), 0, tf.maximum(n - SEGMENT, 0) + 1, dtype=tf.int32)
    noisy, clean = noisy[start:start + SEGMENT], clean[start:start + SEGMENT]
    gain = 1.0 / tf.maximum(tf.reduce_max(tf.abs(noisy)), 1e-3)  # SAFE: peak floored at 1e-3
    return noisy * gain, clean * gain


def dataset(folder, batch, training=True):
    noisy = sorted(glob.glob(os.path.join(folder, "noisy", "*.wav")))
    clean = [p.replace("noisy", "clean") for p in noisy]
    ds = tf.data.Dataset.from_tensor_slices((noisy, clean))
    if training:
        ds = ds.shuffle(len(noisy)).repeat()
    ds = ds.map(lambda a, b: crop_pair(read_wav(a), read_wav(b)), num_parallel_calls=2)
    return ds.batch(batch).prefetch(2)


def stft(x):
    return tf.signal.stft(x, FRAME, HOP, pad_end=True)


def istft(s):
    w = tf.signal.inverse_stft_window_fn(HOP)  # SAFE: periodic hann with 75 percent overlap, window sum is positive
    return tf.signal.inverse_stft(s, FRAME, HOP, window_fn=w)


class LogMagnitude(layers.Layer):
    """Input features: log of the magnitude, floored at -80 dB, scaled to about [-1, 1]."""

    def call(self, spec):
        mag = tf.maximum(tf.abs(spec), 1e-4)
        db = 20.0 * tf.math.log(mag) / tf.math.log(10.0)  # SAFE: magnitude floored at 1e-4, divisor is log(10)
        return (db + 20.0) / 60.0


def build_masker(units=96):
    mag = keras.Input((None, FRAME // 2 + 1))
    x = layers.Dense(units, activation="relu")(mag)
    x = layers.Bidirectional(layers.GRU(units, return_sequences=True))(x)
    x = layers.LayerNormalization(epsilon=1e-5)(x)
    mask = layers.Dense(FRAME // 2 + 1, activation="relu", name="mask")(x)
    return keras.Model(mag, mask)


class Enhancer(keras.Model):
    def __init__(self, units=96, alpha=0.5):
        super().__init__()
        self.features = LogMagnitude()
        self.masker = build_masker(units)
        self.alpha = alpha
        self.tracker = keras.metrics.Mean(name="loss")
        self.sdr = keras.metrics.Mean(name="si_sdr")

    @property
    def metrics(self):
        return [self.tracker, self.sdr]

    def call(self, noisy, training=False):
        spec = stft(noisy)
        mask = self.masker(self.features(spec), training=training)
        return spec, mask

    def compressed_loss(self, spec_noisy, mask, spec_clean):
        est = mask * tf.abs(spec_noisy)
        est_c = tf.pow(est, COMPRESS)  # BUG: sqrt-grad, est is exactly 0 where the relu mask is 0 or the padded frame is silent, slope of x**0.3 is infinite there
        ref_c = tf.pow(tf.abs(spec_clean), COMPRESS)  # SAFE: clean speech is a constant, no gradient runs through it and the value at 0 is 0
        return tf.reduce_mean(tf.square(est_c - ref_c))

    def si_sdr(self, est, ref):
        est = est - tf.reduce_mean(est, axis=-1, keepdims=True)
        ref = ref - tf.reduce_mean(ref, axis=-1, keepdims=True)
        energy = tf.reduce_sum(tf.square(ref), axis=-1, keepdims=True) + 1e-8
        proj = tf.reduce_sum(est * ref, axis=-1, keepdims=True) / energy * ref  # SAFE: energy is not negative and 1e-8 is added
        num = tf.reduce_sum(tf.square(proj), axis=-1) + 1e-8
        den = tf.reduce_sum(tf.square(est - proj), axis=-1) + 1e-8
        return 10.0 * (tf.math.log(num) - tf.math.log(den)) / tf.math.log(10.0)  # SAFE: num and den are at least 1e-8

    def compute(self, noisy, clean, training):
        spec, mask = self(noisy, training=training)
        spec_c = stft(clean)
        est = istft(tf.cast(mask, tf.complex64) * spec)[:, : tf.shape(clean)[1]]
        sdr = tf.reduce_mean(self.si_sdr(est, clean[:, : tf.shape(est)[1]]))
        loss = self.compressed_loss(spec, mask, spec_c) - 1e-3 * self.alpha * sdr
        return loss, sdr

    def train_step(self, data):
        noisy, clean = data
        with tf.GradientTape() as tape:
            loss, sdr = self.compute(noisy, clean, True)
        v = self.trainable_variables
        grads, _ = tf.clip_by_global_norm(tape.gradient(loss, v), 5.0)
        self.optimizer.apply_gradients(zip(grads, v))
        self.tracker.update_state(loss)
        self.sdr.update_state(sdr)
        return {m.name: m.result() for m in self.metrics}

    def test_step(self, data):
        loss, sdr = self.compute(data[0], data[1], False)
        self.tracker.update_state(loss)
        self.sdr.update_state(sdr)
        return {m.name: m.result() for m in self.metrics}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="voicebank/train")
    ap.add_argument("--valid", default="voicebank/valid")
    ap.add_argument("--batch", type=int, default=16)
    ap.add_argument("--lr", type=float, default=5e-4)
    a = ap.parse_args()
    model = Enhancer()
    model.compile(optimizer=keras.optimizers.Adam(a.lr))
    model.fit(dataset(a.train, a.batch), steps_per_epoch=1000, epochs=50,
              validation_data=dataset(a.valid, a.batch, False),
              callbacks=[keras.callbacks.ModelCheckpoint("enh_{epoch}.weights.h5", save_weights_only=True)])


if __name__ == "__main__":
    main()
