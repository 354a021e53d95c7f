"""Normalising flow for calorimeter shower energies (conditional RealNVP).

Input: .npz with deposits [N, L] (GeV, per layer) and e_inc [N] (incident energy).
"""
import argparse
import logging
import math
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

LOG = logging.getLogger("calo")


POWER = 0.4


def signed_power(x, p=POWER):
    """Symmetric power compression, slope p at zero."""
    return tf.where(x >= 0, tf.pow(1.0 + x, p) - 1.0, 1.0 - tf.pow(1.0 - x, p))  # BUG: where-grad, fractional power of a negative base in the branch not taken has a NaN derivative for |x| > 1


def expand(y, p=POWER):
    return tf.sign(y) * (tf.pow(1.0 + tf.minimum(tf.abs(y), 50.0), 1.0 / p) - 1.0)  # SAFE: base between 1 and 51


class Compress(layers.Layer):
    """Learnable affine map followed by the signed power."""

    def __init__(self, dim, **kw):
        super().__init__(**kw)
        self.dim = dim

    def build(self, shape):
        self.loc = self.add_weight(name="loc", shape=(self.dim,), initializer="zeros")
        self.log_s = self.add_weight(name="log_s", shape=(self.dim,), initializer="zeros")

    def call(self, x):
        z = (x - self.loc) * tf.exp(tf.clip_by_value(self.log_s, -3.0, 3.0))  # SAFE: exponent clipped to +-3
        y = signed_power(z)
        ld = tf.reduce_sum(tf.clip_by_value(self.log_s, -3.0, 3.0) + math.log(POWER) - (1.0 - POWER) * tf.math.log1p(tf.abs(z)), -1)  # SAFE: log1p of a magnitude
        return y, ld


class Coupling(layers.Layer):
    def __init__(self, dim, mask, hidden=128, cap=1.9, **kw):
        super().__init__(**kw)
        self.mask = tf.constant(mask, tf.float32)
        self.cap = cap
        self.net = tf.keras.Sequential([
            layers.Dense(hidden, activation="relu"),
            layers.Dense(hidden, activation="relu"),
            layers.Dense(2 * dim, kernel_initializer="zeros"),  # SAFE: zero start is the identity map, only the last layer of the conditioner
        ])

    def _st(self, xm, c):
        s, t = tf.split(self.net(tf.concat([xm, c], -1)), 2, -1)
        s = self.cap * tf.tanh(s / self.cap)  # SAFE: cap is a positive constant
        return s * (1 - self.mask), t * (1 - self.mask)

    def call(self, x, c):
        s, t = self._st(x * self.mask, c)
        return x * tf.exp(s) + t, tf.reduce_sum(s, -1)  # SAFE: log scale bounded by tanh to +-1.9

    def inverse(self, y, c):
        s, t = self._st(y * self.mask, c)
        return (y - t) * tf.exp(-s)  # SAFE: bounded by tanh


class ShowerFlow(tf.keras.Model):
    def __init__(self, dim, n=8):
        super().__init__()
        self.dim = dim
        self.compress = Compress(dim)
        rng = np.random.default_rng(4)
        self.stack = []
        for i in range(n):
            m = np.zeros(dim)
            m[rng.permutation(dim)[:dim // 2]] = 1
            self.stack.append(Coupling(dim, m))
            self.stack.append(Coupling(dim, 1 - m))

    def call(self, x, c):
        z, ld = self.compress(x)
        for f in self.stack:
            z, d = f(z, c)
            ld += d
        return z, ld

    def nll(self, x, c):
        z, ld = self(x, c)
        lp = -0.5 * tf.reduce_sum(z * z, -1) - 0.5 * self.dim * math.log(2 * math.pi)
        return -(lp + ld)

    def sample_latent(self, c):
        z = tf.random.normal([tf.shape(c)[0], self.dim])
        for f in reversed(self.stack):
            z = f.inverse(z, c)
        s = tf.exp(-tf.clip_by_value(self.compress.log_s, -3.0, 3.0))  # SAFE: exponent clipped to +-3
        return expand(z) * s + self.compress.loc


def preprocess(dep, e_inc):
    keep = (e_inc > 0.05) & (dep.sum(1) > 0)
    dep, e_inc = dep[keep], e_inc[keep]
    tot = dep.sum(1, keepdims=True)
    frac = dep / tot  # SAFE: events without a deposit were removed by keep
    ratio = tot / e_inc[:, None]  # SAFE: incident energy above 0.05 GeV
    noise = np.random.default_rng(0).uniform(0, 1e-5, frac.shape)
    f = np.clip(frac + noise, 1e-6, 1 - 1e-6)
    u = np.log(f / (1 - f))  # SAFE: fractions clipped away from 0 and 1
    x = np.concatenate([u, ratio], 1)
    c = np.log(e_inc)[:, None]  # SAFE: incident energy above 0.05 GeV
    return x.astype(np.float32), ((c - c.mean()) / (c.std() + 1e-6)).astype(np.float32)


def separation(a, b, bins=50):
    """Triangular discrimination between two histograms."""
    r = (min(a.min(), b.min()), max(a.max(), b.max()))
    h, _ = np.histogram(a, bins, r)
    g, _ = np.histogram(b, bins, r)
    h, g = h / len(a), g / len(b)
    s = h + g
    ok = s > 0
    return 0.5 * float(np.sum((h - g)[ok] ** 2 / s[ok]))  # SAFE: empty bins are masked out


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("npz")
    ap.add_argument("--epochs", type=int, default=80)
    ap.add_argument("--batch", type=int, default=512)
    ap.add_argument("--lr", type=float, default=5e-4)
    ap.add_argument("--out", default="calo_flow")
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO)
    os.makedirs(a.out, exist_ok=True)
    with np.load(a.npz) as z:
        x, c = preprocess(z["deposits"].astype(np.float64), z["e_inc"].astype(np.float64))
    cut = int(0.9 * len(x))
    flow = ShowerFlow(x.shape[1])
    steps = max(cut // a.batch, 1)
    opt = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.CosineDecay(a.lr, a.epochs * steps), global_clipnorm=5.0)

    @tf.function
    def step(xb, cb):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(flow.nll(xb, cb))
        g = tape.gradient(loss, flow.trainable_variables)
        opt.apply_gradients(zip(g, flow.trainable_variables))
        return loss

    ds = tf.data.Dataset.from_tensor_slices((x[:cut], c[:cut])).shuffle(50_000).batch(a.batch, drop_remainder=True)
    best = math.inf
    for ep in range(a.epochs):
        tr = np.mean([float(step(*b)) for b in ds])
        va = float(tf.reduce_mean(flow.nll(x[cut:], c[cut:])))
        gen = flow.sample_latent(c[cut:]).numpy()
        sep = [separation(gen[:, j], x[cut:, j]) for j in range(x.shape[1])]
        LOG.info("epoch %d train %.3f val %.3f bits/dim %.3f sep %.4f", ep, tr, va, va / (x.shape[1] * math.log(2)), np.mean(sep))
        if va < best:
            best = va
            flow.save_weights(os.path.join(a.out, "flow.weights.h5"))


if __name__ == "__main__":
    main()
