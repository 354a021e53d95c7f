"""VICReg pre-training on tabular records with feature corruption (SCARF-like views), then a linear probe."""
import argparse
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


class Table:
    def __init__(self, path, seed=0):
        with np.load(path) as f:
            x, self.y = f["x"].astype("f4"), f["y"].astype("i4")
        lo, hi = np.quantile(x, 0.01, axis=0), np.quantile(x, 0.99, axis=0)
        x = np.clip(x, lo, hi)
        med = np.median(x, 0)
        iqr = np.quantile(x, 0.75, 0) - np.quantile(x, 0.25, 0)
        self.x = ((x - med) / np.where(iqr > 1e-6, iqr, 1.0)).astype("f4")  # SAFE: a zero quartile range is replaced by 1
        self.x = np.clip(self.x, -10, 10)
        self.rng = np.random.default_rng(seed)

    def corrupt(self, rows, rate):
        x = self.x[rows].copy()
        m = self.rng.random(x.shape) < rate
        donor = self.x[self.rng.integers(0, len(self.x), x.shape), np.arange(x.shape[1])]
        x[m] = donor[m]
        return x

    def views(self, n, rate):
        r = self.rng.integers(0, len(self.x), n)
        return tf.constant(self.corrupt(r, rate)), tf.constant(self.corrupt(r, rate))


def mlp(sizes, last=None):
    net = tf.keras.Sequential()
    for s in sizes[:-1]:
        net.add(layers.Dense(s, activation="relu"))
    net.add(layers.Dense(sizes[-1], activation=last))
    return net


class VICReg:
    def __init__(self, dim=64, proj=128, inv=25.0, var=25.0, cov=1.0, lr=1e-3):
        self.enc = mlp([128, dim], "relu")
        self.proj = mlp([proj, proj], "relu")
        self.w = (inv, var, cov)
        self.opt = tf.keras.optimizers.AdamW(lr, weight_decay=1e-4)

    def variance(self, z):
        return tf.reduce_mean(tf.nn.relu(1.0 - tf.math.reduce_std(z, axis=0)))  # BUG: sqrt-grad, the projector ends in ReLU: a unit that is 0 for the whole batch has std 0 and an infinite slope

    def covariance(self, z):
        n = tf.cast(tf.shape(z)[0], tf.float32)
        z = z - tf.reduce_mean(z, 0)
        c = tf.matmul(z, z, transpose_a=True) / tf.maximum(n - 1.0, 1.0)  # SAFE: floored at 1
        off = c - tf.linalg.diag(tf.linalg.diag_part(c))
        return tf.reduce_sum(tf.square(off)) / tf.cast(tf.shape(z)[1], tf.float32)  # SAFE: projector width is a positive constant

    def loss(self, a, b):
        za, zb = self.proj(self.enc(a)), self.proj(self.enc(b))
        inv = tf.reduce_mean(tf.square(za - zb))
        var = 0.5 * (self.variance(za) + self.variance(zb))
        cov = self.covariance(za) + self.covariance(zb)
        i, v, c = self.w
        return i * inv + v * var + c * cov, (inv, var, cov)

    @tf.function
    def step(self, a, b):
        with tf.GradientTape() as tape:
            loss, parts = self.loss(a, b)
        v = self.enc.trainable_variables + self.proj.trainable_variables
        g, _ = tf.clip_by_global_norm(tape.gradient(loss, v), 10.0)
        self.opt.apply_gradients(zip(g, v))
        return loss, parts

    def embed(self, x, batch=1024):
        return np.concatenate([self.enc(x[i:i + batch]).numpy() for i in range(0, len(x), batch)])


def effective_rank(h):
    """exp of the entropy of the normalised singular values."""
    s = np.linalg.svd(h - h.mean(0), compute_uv=False)
    p = s / max(s.sum(), 1e-12)  # SAFE: sum floored
    p = p[p > 1e-12]
    return float(np.exp(-(p * np.log(p)).sum()))  # SAFE: zeros were removed in the line before


def probe(h, y, steps=300, l2=1e-3):
    """Multinomial logistic regression on frozen features."""
    mu, sd = h.mean(0), h.std(0)
    h = ((h - mu) / np.maximum(sd, 1e-3)).astype("f4")  # SAFE: dead features have their std floored
    W = tf.Variable(tf.zeros([h.shape[1], int(y.max()) + 1]))
    b = tf.Variable(tf.zeros([int(y.max()) + 1]))
    opt = tf.keras.optimizers.Adam(0.05)
    for _ in range(steps):
        with tf.GradientTape() as tape:
            ce = tf.nn.sparse_softmax_cross_entropy_with_logits(y, tf.matmul(h, W) + b)  # SAFE: linear scores go into the op for logits
            loss = tf.reduce_mean(ce) + l2 * tf.reduce_sum(tf.square(W))
        opt.apply_gradients(zip(tape.gradient(loss, [W, b]), [W, b]))
    return float(np.mean(np.argmax(h @ W.numpy() + b.numpy(), 1) == y))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", default="covertype.npz")
    p.add_argument("--steps", type=int, default=20000)
    p.add_argument("--batch", type=int, default=256)
    p.add_argument("--rate", type=float, default=0.4)
    p.add_argument("--out", default="vicreg")
    a = p.parse_args()
    t = Table(a.data)
    model = VICReg()
    os.makedirs(a.out, exist_ok=True)
    for s in range(a.steps):
        loss, parts = model.step(*t.views(a.batch, a.rate))
        if s % 1000 == 0:
            h = model.embed(t.x[:5000])
            print(s, float(loss), [round(float(q), 4) for q in parts], "rank %.1f" % effective_rank(h), "probe %.4f" % probe(h, t.y[:5000]))
    model.enc.save_weights(os.path.join(a.out, "enc.weights.h5"))


if __name__ == "__main__":
    main()
