"""Counts frog calls per 10 s clip from autonomous recorders (16 kHz mono int16 .npy).

meta.csv: file, calls, site, gain_db
"""
import argparse
import json
import os

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

RATE, CLIP = 16000, 10
HOP, WIN, BANDS = 320, 640, 64


def trim_to_loudest(pcm, seconds=CLIP):
    """Returns the window with the highest smoothed level."""
    n = RATE * seconds
    if len(pcm) <= n:
        return np.pad(pcm, (0, n - len(pcm)))
    env = np.abs(pcm[::160].astype(np.float32))  # SAFE: converted to float before abs
    c = np.convolve(env, np.ones(100) / 100.0, "same")
    start = int(np.clip(c.argmax() * 160 - n // 2, 0, len(pcm) - n))
    return pcm[start:start + n]


def rms_level(pcm):
    """Loudness of the clip relative to full scale, in dB."""
    energy = np.mean(pcm * pcm)  # BUG: cast, int16 product wraps around so the energy can come out negative
    return 10.0 * np.log10(max(float(energy), 1.0) / 32768.0 ** 2)  # SAFE: energy floored at one before log10


def spectrogram(pcm):
    x = pcm.astype(np.float32) / 32768.0
    s = tf.abs(tf.signal.stft(x, WIN, HOP, 1024))[:, 1:]
    s = tf.reduce_mean(tf.reshape(s, [tf.shape(s)[0], BANDS, 8]), -1)
    return tf.math.log(s + 1e-4).numpy()  # SAFE: magnitudes are non-negative and offset


class Clips:
    def __init__(self, root):
        self.root = root
        df = pd.read_csv(os.path.join(root, "meta.csv"))
        df = df[df.calls.notna()]
        self.df = df.reset_index(drop=True)
        self.sites = sorted(df.site.unique())

    def split(self, k, fold):
        test = [s for i, s in enumerate(self.sites) if i % k == fold]
        m = self.df.site.isin(test)
        return self.df[~m], self.df[m]

    def arrays(self, df):
        S, A, Y = [], [], []
        for r in df.itertuples():
            pcm = trim_to_loudest(np.load(os.path.join(self.root, r.file)))
            S.append(spectrogram(pcm))
            A.append([rms_level(pcm) / 60.0, r.gain_db / 30.0])
            Y.append(r.calls)
        return np.stack(S).astype(np.float32), np.array(A, np.float32), np.array(Y, np.float32)


class Attend(layers.Layer):
    """Onset attention over frames with learned sharpness."""

    def build(self, shape):
        self.w = self.add_weight(name="w", shape=(shape[-1], 1), initializer="glorot_uniform")
        self.sharp = self.add_weight(name="sharp", shape=(), initializer="zeros")

    def call(self, x):
        k = tf.nn.softplus(self.sharp) + 0.1
        a = tf.nn.softmax(k * tf.matmul(x, self.w), 1)  # SAFE: tf softmax subtracts the maximum
        return tf.reduce_sum(a * x, 1)


class Gate(layers.Layer):
    """Highway gate deciding between the local and the recurrent path."""

    def __init__(self, units, bias=-40.0, **kw):
        super().__init__(**kw)
        self.t = layers.Dense(units, activation="sigmoid", kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
                              bias_initializer=keras.initializers.Constant(bias))
        self.h = layers.Dense(units, activation="relu")

    def call(self, x, y):
        g = self.t(x)  # BUG: init, a bias of -40 saturates the sigmoid so the gated path and the gate itself get no gradient
        return g * self.h(y) + (1.0 - g) * x


def build(frames, width):
    spec, aux = keras.Input((frames, BANDS)), keras.Input((2,))
    x = layers.LayerNormalization(epsilon=1e-3)(spec)  # SAFE: silence has zero variance, epsilon in float32
    x = layers.Conv1D(width, 7, 2, padding="same", activation="relu")(x)
    x = layers.Conv1D(width, 5, 2, padding="same", activation="relu")(x)
    y = layers.Bidirectional(layers.GRU(width // 2, return_sequences=True))(x)
    x = Gate(width)(x, y)
    h = layers.Concatenate()([Attend()(x), layers.GlobalMaxPooling1D()(x), aux])
    h = layers.Dense(64, activation="relu")(h)
    h = layers.Dropout(0.2)(h)
    return keras.Model([spec, aux], layers.Dense(1, name="calls")(h))


def deviance(y, mu):
    """Mean Poisson deviance."""
    mu = np.maximum(mu, 1e-3)
    term = np.where(y > 0, y * np.log(np.maximum(y, 1.0) / mu), 0.0)  # SAFE: rates floored at 1e-3 and counts at one inside the log
    return float(2.0 * np.mean(term - (y - mu)))


def mape(y, p):
    return float(np.mean(np.abs(y - p) / np.maximum(y, 1.0)))  # SAFE: counts floored at one


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("root")
    ap.add_argument("--folds", type=int, default=5)
    ap.add_argument("--fold", type=int, default=0)
    ap.add_argument("--width", type=int, default=64)
    ap.add_argument("--epochs", type=int, default=50)
    ap.add_argument("--batch", type=int, default=32)
    a = ap.parse_args()
    clips = Clips(a.root)
    tr, te = clips.split(a.folds, a.fold)
    S, A, Y = clips.arrays(tr)
    vS, vA, vY = clips.arrays(te)
    mu, sd = S.mean(), S.std()
    S, vS = (S - mu) / max(sd, 1e-3), (vS - mu) / max(sd, 1e-3)  # SAFE: deviation floored
    w = 1.0 / np.sqrt(1.0 + Y)  # SAFE: counts are non-negative
    net = build(S.shape[1], a.width)
    net.compile(keras.optimizers.Adam(1e-3, clipnorm=1.0), loss=keras.losses.Poisson(), metrics=["mae"])  # BUG: loss-pairing, linear output goes negative and the Poisson loss takes its log
    net.fit([S, A], Y, sample_weight=w, validation_data=([vS, vA], vY), epochs=a.epochs, batch_size=a.batch, verbose=2,
            callbacks=[keras.callbacks.EarlyStopping(patience=8, restore_best_weights=True)])
    p = net.predict([vS, vA], verbose=0)[:, 0]
    out = {"fold": a.fold, "deviance": deviance(vY, p), "mape": mape(vY, p), "n": int(len(vY))}
    print(json.dumps(out))
    net.save(f"frogs_{a.fold}.keras")


if __name__ == "__main__":
    main()
