import argparse
import glob
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from augment import mix_noise, peak_normalise, shift
from frontend import CMVN, Frontend

WORDS = ["yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"]
SECOND = 16000


def read_wav(path):
    audio, _ = tf.audio.decode_wav(tf.io.read_file(path), desired_channels=1, desired_samples=SECOND)
    return audio.numpy()[:, 0]


def load(root):
    x, y = [], []
    for i, w in enumerate(WORDS):
        for p in sorted(glob.glob(os.path.join(root, w, "*.wav"))):
            x.append(read_wav(p))
            y.append(i)
    noise = [read_wav(p) for p in glob.glob(os.path.join(root, "_background_noise_", "*.wav"))]
    return np.stack(x), np.array(y), noise


def generator(x, y, noise, batch, seed=0):
    rng = np.random.default_rng(seed)
    while True:
        idx = rng.integers(0, len(x), batch)
        out = []
        for i in idx:
            w = shift(peak_normalise(x[i]), rng)
            if noise and rng.random() < 0.7:
                w = mix_noise(w, noise[rng.integers(len(noise))], rng.uniform(0, 20))
            out.append(w)
        yield np.stack(out).astype(np.float32), y[idx]


class StatsPool(layers.Layer):
    def call(self, x):
        mean = tf.reduce_mean(x, axis=1)
        var = tf.reduce_mean(tf.square(x - mean[:, None]), axis=1)
        return tf.concat([mean, tf.sqrt(tf.maximum(var, 1e-8))], -1)  # SAFE: root of a value floored at 1e-8, no gradient passes below the floor


def build(kind, width=48):
    inp = keras.Input((SECOND,))
    x = CMVN()(Frontend(kind=kind)(inp))
    for d in (1, 2, 4):
        x = layers.Conv1D(width, 3, dilation_rate=d, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("swish")(x)
    x = StatsPool()(x)
    return keras.Model(inp, layers.Dense(len(WORDS))(x))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--root", default="speech_commands_v2")
    ap.add_argument("--frontend", default="log", choices=["log", "pcen"])
    ap.add_argument("--steps", type=int, default=4000)
    a = ap.parse_args()
    x, y, noise = load(a.root)
    model = build(a.frontend)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, a.steps)),
                  loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),  # SAFE: last Dense is linear and labels are ids
                  metrics=["accuracy"])
    model.fit(generator(x, y, noise, 64), steps_per_epoch=200, epochs=max(1, a.steps // 200))
    model.save_weights("commands.weights.h5")


if __name__ == "__main__":
    main()
