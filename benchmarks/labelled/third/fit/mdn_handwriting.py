"""Mixture density LSTM for pen strokes (dx, dy, pen up), after Graves 2013."""
import argparse
import math
import pickle

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


class StrokeData:
    def __init__(self, path, seq_len, batch_size, limit=500.0, scale=20.0):
        with open(path, "rb") as f:
            raw = pickle.load(f)
        self.seq_len, self.batch_size = seq_len, batch_size
        self.strokes = []
        for s in raw:
            if len(s) < seq_len + 2:
                continue
            s = np.clip(np.asarray(s, "float32"), -limit, limit)
            s[:, :2] /= scale  # SAFE: scale is the constant 20
            self.strokes.append(s)

    def generator(self):
        rng = np.random.default_rng(3)
        while True:
            xs, ys = [], []
            for _ in range(self.batch_size):
                s = self.strokes[rng.integers(len(self.strokes))]
                a = rng.integers(0, len(s) - self.seq_len - 1)
                xs.append(s[a:a + self.seq_len])
                ys.append(s[a + 1:a + self.seq_len + 1])
            yield np.stack(xs), np.stack(ys)


def split_params(out, k):
    eos = out[..., 0]
    pi, mu1, mu2, s1, s2, rho = tf.split(out[..., 1:], 6, axis=-1)
    return {
        "eos": eos,
        "pi": tf.nn.softmax(pi),  # SAFE: softmax is stable by itself
        "mu1": mu1,
        "mu2": mu2,
        "s1": tf.exp(tf.clip_by_value(s1, -5.0, 5.0)),  # SAFE: exponent is clipped to [-5, 5]
        "s2": tf.exp(tf.clip_by_value(s2, -5.0, 5.0)),  # SAFE: exponent is clipped to [-5, 5]
        "rho": 0.95 * tf.tanh(rho),
    }


def bivariate_normal(x1, x2, p):
    n1 = (x1 - p["mu1"]) / p["s1"]  # SAFE: s1 is at least exp(-5)
    n2 = (x2 - p["mu2"]) / p["s2"]  # SAFE: s2 is at least exp(-5)
    one_minus = 1.0 - tf.square(p["rho"])
    z = tf.square(n1) + tf.square(n2) - 2.0 * p["rho"] * n1 * n2
    norm = 2.0 * math.pi * p["s1"] * p["s2"] * tf.sqrt(one_minus)  # SAFE: |rho| is at most 0.95 so the argument is at least 0.09
    return tf.exp(-z / (2.0 * one_minus)) / norm  # SAFE: exponent is not positive and norm is bounded from below


def mdn_loss(k):
    def loss(y_true, y_pred):
        p = split_params(y_pred, k)
        x1, x2 = y_true[..., 0:1], y_true[..., 1:2]
        density = tf.reduce_sum(p["pi"] * bivariate_normal(x1, x2, p), axis=-1)
        stroke = -tf.math.log(density)  # BUG: log-zero, exp(-z) underflows to 0 for points some standard deviations away (long pen jumps up to 25 after scaling)
        pen = tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true[..., 2], logits=p["eos"])  # SAFE: fused op on raw logits
        return tf.reduce_mean(stroke + pen)
    return loss


def pen_accuracy(y_true, y_pred):
    return tf.reduce_mean(tf.cast(tf.equal(y_true[..., 2] > 0.5, y_pred[..., 0] > 0.0), tf.float32))


def build(units, layers_n, k, seq_len=None):
    inp = keras.Input((seq_len, 3))
    x, outs = inp, []
    for i in range(layers_n):
        x = layers.LSTM(units, return_sequences=True, name="lstm%d" % i)(x)
        outs.append(x)
        x = layers.Concatenate()([inp, x])
    x = layers.Concatenate()(outs) if len(outs) > 1 else outs[0]
    return keras.Model(inp, layers.Dense(1 + 6 * k, name="params")(x))


def sample(model, k, steps=400, bias=0.5, seed=0):
    rng = np.random.default_rng(seed)
    seq = np.zeros((1, 1, 3), "float32")
    for _ in range(steps):
        out = model.predict(seq[:, -100:], verbose=0)[0, -1].astype("float64")
        pi = out[1:1 + k] * (1.0 + bias)
        pi = np.exp(pi - pi.max())
        pi /= pi.sum()  # SAFE: the largest entry is exp(0) = 1
        j = rng.choice(k, p=pi)
        mu = [out[1 + k + j], out[1 + 2 * k + j]]
        s = np.exp(np.clip([out[1 + 3 * k + j], out[1 + 4 * k + j]], -5, 5) - bias)  # SAFE: clipped exponent
        pen = rng.random() < 1.0 / (1.0 + np.exp(-np.clip(out[0], -50, 50)))  # SAFE: clipped to 50, float64
        step = np.array([[[rng.normal(mu[0], s[0]), rng.normal(mu[1], s[1]), float(pen)]]], "float32")
        seq = np.concatenate([seq, step], 1)
    return seq[0, 1:]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("data")
    ap.add_argument("--units", type=int, default=256)
    ap.add_argument("--layers", type=int, default=2)
    ap.add_argument("--mixtures", type=int, default=20)
    ap.add_argument("--seq-len", type=int, default=300)
    ap.add_argument("--batch", type=int, default=50)
    ap.add_argument("--lr", type=float, default=1e-3)
    a = ap.parse_args()
    data = StrokeData(a.data, a.seq_len, a.batch)
    model = build(a.units, a.layers, a.mixtures)
    model.compile(keras.optimizers.RMSprop(a.lr, clipvalue=10.0), loss=mdn_loss(a.mixtures), metrics=[pen_accuracy])
    model.fit(data.generator(), steps_per_epoch=500, epochs=30,
              callbacks=[keras.callbacks.ModelCheckpoint("mdn_{epoch:02d}.keras")])
    np.save("sample.npy", sample(model, a.mixtures))


if __name__ == "__main__":
    main()
