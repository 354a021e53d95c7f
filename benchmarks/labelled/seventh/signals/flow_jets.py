"""Normalising flow for jet kinematics: calibrated density of (pT, eta, phi, mass) given the generator jet.

RealNVP couplings with bounded scales, dequantised inputs and a physics feature block.
"""
import argparse
import json
import math
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

LOG_2PI = math.log(2.0 * math.pi)  # SAFE: constant
PT_MIN, MASS_MIN = 20.0, 1e-2


def rapidity(pt, eta, mass):
    """0.5 * log((E + pz) / (E - pz)) written with asinh."""
    mt = tf.sqrt(tf.square(pt) + tf.square(mass))  # SAFE: jets below PT_MIN are removed by select(), pt >= 20
    return tf.asinh(pt * tf.sinh(tf.clip_by_value(eta, -5.0, 5.0)) / mt)  # SAFE: mt >= 20 and |eta| <= 5


def invariant_mass(a, b):
    """a, b: [N, 4] pt, eta, phi, m; massless approximation."""
    deta = tf.clip_by_value(a[:, 1] - b[:, 1], -10.0, 10.0)
    m2 = 2.0 * a[:, 0] * b[:, 0] * (tf.cosh(deta) - tf.cos(a[:, 2] - b[:, 2]))
    return tf.sqrt(tf.maximum(m2, 1e-4))  # SAFE: floored at 1e-4, also for collinear jets


def delta_r(a, b):
    dphi = tf.math.floormod(a[:, 2] - b[:, 2] + math.pi, 2.0 * math.pi) - math.pi
    return tf.sqrt(tf.square(a[:, 1] - b[:, 1]) + tf.square(dphi) + 1e-12)  # SAFE: 1e-12 inside the root in float32


def select(reco, gen):
    ok = (reco[:, 0] > PT_MIN) & (gen[:, 0] > PT_MIN) & np.isfinite(reco).all(1) & np.isfinite(gen).all(1)
    return reco[ok], gen[ok]


def forward_transform(reco, gen):
    """Targets of the flow: log response, angle differences, log mass ratio."""
    r = np.log(reco[:, 0] / gen[:, 0])  # SAFE: select() keeps jets with both pt above 20
    deta = reco[:, 1] - gen[:, 1]
    dphi = np.mod(reco[:, 2] - gen[:, 2] + np.pi, 2 * np.pi) - np.pi
    m = np.log(np.maximum(reco[:, 3], MASS_MIN)) - np.log(np.maximum(gen[:, 3], MASS_MIN))  # SAFE: both masses floored at MASS_MIN
    return np.stack([r, deta, dphi, m], 1).astype(np.float32)


def context_features(gen):
    return np.stack([np.log(gen[:, 0]), gen[:, 1], np.log1p(np.maximum(gen[:, 3], 0.0))], 1).astype(np.float32)  # SAFE: pt > 20 after select(), mass cut at 0


class Whitener:
    def __init__(self, x):
        self.mean = x.mean(0)
        cov = np.cov(x, rowvar=False)
        val, vec = np.linalg.eigh(cov)
        val = np.maximum(val, 1e-6)
        self.w = (vec / np.sqrt(val)).astype(np.float32)  # SAFE: eigenvalues floored at 1e-6
        self.log_det = float(-0.5 * np.log(val).sum())  # SAFE: eigenvalues floored at 1e-6

    def __call__(self, x):
        return ((x - self.mean) @ self.w).astype(np.float32)


class Coupling(layers.Layer):
    def __init__(self, mask, width, bound=2.0, **kw):
        super().__init__(**kw)
        self.mask = tf.constant(mask, tf.float32)
        self.bound = bound
        self.h = [layers.Dense(width, activation="relu") for _ in range(2)]
        self.s = layers.Dense(len(mask), kernel_initializer="zeros")  # SAFE: zero init of the last layer only, the flow starts as identity and s still gets gradient from h
        self.t = layers.Dense(len(mask), kernel_initializer="zeros")  # SAFE: same, identity start

    def params(self, x, c):
        z = tf.concat([x * self.mask, c], 1)
        for h in self.h:
            z = h(z)
        s = self.bound * tf.tanh(self.s(z) / self.bound)  # SAFE: bound is the constant 2
        return s * (1.0 - self.mask), self.t(z) * (1.0 - self.mask)

    def call(self, x, c):
        s, t = self.params(x, c)
        return x * tf.exp(s) + t, tf.reduce_sum(s, 1)  # SAFE: |s| <= 2 by the tanh

    def inverse(self, y, c):
        s, t = self.params(y, c)
        return (y - t) * tf.exp(-s)  # SAFE: |s| <= 2 by the tanh


class ActNorm(layers.Layer):
    def build(self, shape):
        self.log_s = self.add_weight(shape=(shape[-1],), initializer="zeros", name="log_s")
        self.b = self.add_weight(shape=(shape[-1],), initializer="zeros", name="b")

    def scale(self):
        return tf.clip_by_value(self.log_s, -5.0, 5.0)

    def data_init(self, x):
        std = tf.math.reduce_std(x, 0)
        self.log_s.assign(-tf.math.log(tf.maximum(std, 1e-3)))  # SAFE: floored at 1e-3, assignment without gradient
        self.b.assign(-tf.reduce_mean(x, 0))

    def call(self, x):
        return (x + self.b) * tf.exp(self.scale()), tf.reduce_sum(self.scale())  # SAFE: log scale clipped to [-5, 5]

    def inverse(self, y):
        return y * tf.exp(-self.scale()) - self.b  # SAFE: log scale clipped to [-5, 5]


class JetFlow(keras.Model):
    def __init__(self, dim=4, blocks=6, width=64):
        super().__init__()
        self.norms, self.couplings = [], []
        for k in range(blocks):
            self.norms.append(ActNorm())
            self.couplings.append(Coupling([(i + k) % 2 for i in range(dim)], width))
        self.dim = dim

    def encode(self, x, c):
        total = 0.0
        for n, f in zip(self.norms, self.couplings):
            x, a = n(x)
            x, b = f(x, c)
            total += a + b
        return x, total

    def log_prob(self, x, c):
        z, ld = self.encode(x, c)
        base = -0.5 * tf.reduce_sum(tf.square(tf.clip_by_value(z, -50.0, 50.0)), 1) - 0.5 * self.dim * LOG_2PI
        return base + ld

    def call(self, x, c):
        return self.log_prob(x, c)

    def sample(self, c):
        x = tf.random.normal((tf.shape(c)[0], self.dim))
        for n, f in zip(reversed(self.norms), reversed(self.couplings)):
            x = n.inverse(f.inverse(x, c))
        return x


def importance_weights(logp, logq):
    """Self-normalised weights and effective sample size."""
    lw = logp - logq
    w = tf.exp(lw - tf.reduce_logsumexp(lw))  # SAFE: shifted by the logsumexp, the argument is never positive
    return w, 1.0 / tf.reduce_sum(tf.square(w))  # SAFE: weights sum to 1, the sum of squares is at least 1/N


def energy_distance(a, b):
    def mean_dist(u, v):
        d2 = tf.reduce_sum(tf.square(u[:, None] - v[None]), -1)
        return tf.reduce_mean(tf.sqrt(d2 + 1e-9))  # SAFE: 1e-9 inside the root covers the zero diagonal
    return 2.0 * mean_dist(a, b) - mean_dist(a, a) - mean_dist(b, b)


def train_step(flow, opt, x, c, ed_weight):
    with tf.GradientTape() as tape:
        nll = -tf.reduce_mean(flow.log_prob(x, c))
        ed = energy_distance(flow.sample(c)[:64], x[:64])
        loss = nll + ed_weight * ed
    v = flow.trainable_variables
    g, norm = tf.clip_by_global_norm(tape.gradient(loss, v), 5.0)
    opt.apply_gradients(zip(g, v))
    return nll, ed, norm


def resolution(response):
    lo, mid, hi = np.quantile(response, [0.16, 0.5, 0.84])
    return (hi - lo) / (2.0 * max(mid, 1e-6))  # SAFE: floored at 1e-6


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("npz")
    ap.add_argument("--epochs", type=int, default=50)
    ap.add_argument("--batch", type=int, default=512)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--ed_weight", type=float, default=0.1)
    ap.add_argument("--out", default="jetflow")
    a = ap.parse_args()
    with np.load(a.npz) as z:
        reco, gen = select(z["reco"], z["gen"])
    y, c = forward_transform(reco, gen), context_features(gen)
    wy, wc = Whitener(y), Whitener(c)
    ds = tf.data.Dataset.from_tensor_slices((wy(y), wc(c))).shuffle(50000).batch(a.batch, drop_remainder=True)
    flow, opt = JetFlow(), keras.optimizers.Adam(a.lr)
    step = tf.function(train_step)
    os.makedirs(a.out, exist_ok=True)
    hist = []
    for epoch in range(a.epochs):
        for xb, cb in ds:
            if not hist and opt.iterations == 0:
                flow(xb, cb)
                flow.norms[0].data_init(xb)
            nll, ed, norm = step(flow, opt, xb, cb, a.ed_weight)
        hist.append([float(nll) - wy.log_det, float(ed), float(norm)])
        print(epoch, hist[-1], "resolution", resolution(np.exp(np.clip(y[:, 0], -5.0, 5.0))))  # SAFE: clipped to [-5, 5]
        flow.save_weights(os.path.join(a.out, "flow.weights.h5"))
    with open(os.path.join(a.out, "history.json"), "w") as fh:
        json.dump(hist, fh)


if __name__ == "__main__":
    main()
