"""Glow-style flow on 32x32 steel micrographs (LU-parametrised 1x1 convolutions)."""
import argparse
import logging
import math
import pathlib

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

log = logging.getLogger("glow")
BITS = 6


def load_patches(folder, limit):
    out = []
    for p in sorted(pathlib.Path(folder).glob("*.npy")):
        img = np.load(p)
        h, w = (s // 32 * 32 for s in img.shape[:2])
        t = img[:h, :w].reshape(h // 32, 32, w // 32, 32).transpose(0, 2, 1, 3).reshape(-1, 32, 32)
        out.append(t)
    x = np.concatenate(out)[:limit]
    return x.astype(np.uint8)[..., None]


def dequantise(x, alpha=0.05):
    """Uniform dequantisation followed by a logit; returns the log determinant as well."""
    n = 2.0 ** BITS
    x = tf.floor(tf.cast(x, tf.float32) / 2.0 ** (8 - BITS))  # SAFE: cast to float happens before the division
    u = (x + tf.random.uniform(tf.shape(x))) / n
    p = alpha + (1.0 - 2.0 * alpha) * u
    y = tf.math.log(p) - tf.math.log(1.0 - p)  # SAFE: p lies in [0.05, 0.95]
    ld = tf.reduce_sum(-tf.math.log(p) - tf.math.log(1.0 - p) + math.log(1.0 - 2.0 * alpha), [1, 2, 3])  # SAFE: same bounds on p
    return y, ld - x.shape[1] * x.shape[2] * x.shape[3] * math.log(n)


def squeeze(x):
    return tf.nn.space_to_depth(x, 2)


class ActNorm(layers.Layer):
    def build(self, shape):
        c = shape[-1]
        self.b = self.add_weight(name="b", shape=(c,), initializer="zeros")
        self.logs = self.add_weight(name="logs", shape=(c,), initializer="zeros")

    def data_init(self, x):
        m, v = tf.nn.moments(x, [0, 1, 2])
        self.b.assign(-m)
        self.logs.assign(-0.5 * tf.math.log(v + 1e-4))  # SAFE: variance is non-negative plus offset, outside of the tape

    def call(self, x):
        logs = 3.0 * tf.tanh(self.logs / 3.0)  # SAFE: constant three
        y = (x + self.b) * tf.exp(logs)  # SAFE: log scale bounded by tanh to +-3
        return y, tf.cast(x.shape[1] * x.shape[2], tf.float32) * tf.reduce_sum(logs)


class InvConv(layers.Layer):
    def build(self, shape):
        c = shape[-1]
        rng = np.random.default_rng(c)
        q = np.linalg.qr(rng.normal(size=(c, c)))[0]
        perm, low, up = self.lu(q)
        s = np.diag(up)
        self.P = perm.astype(np.float32)
        self.sign = np.sign(s).astype(np.float32)
        add = lambda n, v: self.add_weight(name=n, shape=v.shape, initializer=tf.keras.initializers.Constant(v.astype(np.float32)))
        self.L, self.U = add("L", np.tril(low, -1)), add("U", np.triu(up, 1))
        self.log_s = add("log_s", np.log(np.maximum(np.abs(s), 1e-6)))  # SAFE: floored before the log
        self.mask = np.tril(np.ones((c, c), np.float32), -1)
        self.eye = np.eye(c, dtype=np.float32)

    @staticmethod
    def lu(a):
        n = len(a)
        u, low, perm = a.copy(), np.eye(n), np.eye(n)
        for k in range(n - 1):
            j = k + np.abs(u[k:, k]).argmax()
            u[[k, j]], perm[[k, j]] = u[[j, k]], perm[[j, k]]
            low[[k, j], :k] = low[[j, k], :k]
            f = u[k + 1:, k] / u[k, k]  # SAFE: partial pivoting of an orthogonal matrix, pivot is not zero
            low[k + 1:, k] = f
            u[k + 1:] -= f[:, None] * u[k]
        return perm.T, low, u

    def call(self, x):
        ls = tf.clip_by_value(self.log_s, -7.0, 7.0)
        w = self.P @ (self.L * self.mask + self.eye) @ (self.U * self.mask.T + tf.linalg.diag(self.sign * tf.exp(ls)))  # SAFE: clipped exponent
        y = tf.einsum("bhwc,dc->bhwd", x, w)
        return y, tf.cast(x.shape[1] * x.shape[2], tf.float32) * tf.reduce_sum(ls)


class Affine(layers.Layer):
    def __init__(self, width, **kw):
        super().__init__(**kw)
        self.width = width

    def build(self, shape):
        self.net = tf.keras.Sequential([
            tf.keras.Input((shape[1], shape[2], shape[3] // 2)),
            layers.Conv2D(self.width, 3, padding="same", activation="relu"),
            layers.Conv2D(self.width, 1, activation="relu"),
            layers.Conv2D(shape[3], 3, padding="same", kernel_initializer="zeros"),  # SAFE: coupling starts as a constant map, its own kernel gets gradients
        ])

    def call(self, x):
        a, b = tf.split(x, 2, -1)
        s, t = tf.split(self.net(a), 2, -1)
        logs = tf.math.log_sigmoid(s + 2.0)  # SAFE: stable log_sigmoid instead of the log of a sigmoid
        b = (b + t) * tf.sigmoid(s + 2.0)
        return tf.concat([a, b], -1), tf.reduce_sum(logs, [1, 2, 3])


class Glow(tf.keras.Model):
    def __init__(self, levels=3, steps=6, width=96):
        super().__init__()
        self.levels = levels
        self.steps_ = [[(ActNorm(), InvConv(), Affine(width)) for _ in range(steps)] for _ in range(levels)]
        self.flat = [l for lev in self.steps_ for trio in lev for l in trio]

    def call(self, x, init=False):
        ld, lp = 0.0, 0.0
        for i, lev in enumerate(self.steps_):
            x = squeeze(x)
            for a, c, f in lev:
                if init:
                    a(x)
                    a.data_init(x)
                for layer in (a, c, f):
                    x, d = layer(x)
                    ld += d
            if i < self.levels - 1:
                x, z = tf.split(x, 2, -1)
                lp += self.logp(z)
        return lp + self.logp(x) + ld

    @staticmethod
    def logp(z):
        return tf.reduce_sum(-0.5 * (z * z + math.log(2 * math.pi)), [1, 2, 3])  # SAFE: constant in the log


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--limit", type=int, default=100_000)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--epochs", type=int, default=60)
    ap.add_argument("--lr", type=float, default=5e-4)
    ap.add_argument("--warm", type=int, default=1000)
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO)
    x = load_patches(a.folder, a.limit)
    np.random.default_rng(1).shuffle(x)
    cut = int(0.95 * len(x))
    glow = Glow()
    glow(dequantise(x[:256])[0], init=True)
    opt = tf.keras.optimizers.Adam(a.lr, global_clipnorm=50.0)
    dims = 32 * 32 * math.log(2.0)

    @tf.function
    def step(b):
        y, ld0 = dequantise(b)
        with tf.GradientTape() as t:
            bpd = -tf.reduce_mean(glow(y) + ld0) / dims  # SAFE: constant number of dimensions
        g = t.gradient(bpd, glow.trainable_variables)
        opt.apply_gradients(zip(g, glow.trainable_variables))
        return bpd

    ds = tf.data.Dataset.from_tensor_slices(x[:cut]).shuffle(20000).batch(a.batch, drop_remainder=True).prefetch(2)
    n = 0
    for ep in range(a.epochs):
        tr = []
        for b in ds:
            n += 1
            opt.learning_rate.assign(a.lr * min(1.0, n / max(a.warm, 1)))  # SAFE: warm-up floored at one step, rate rises from a small positive value
            tr.append(float(step(b)))
        va = []
        for b in np.array_split(x[cut:], max(len(x[cut:]) // 256, 1)):
            y, ld0 = dequantise(b)
            va.append(float(-tf.reduce_mean(glow(y) + ld0)) / dims)
        log.info("epoch %d train %.3f val %.3f bits/dim", ep, np.mean(tr), np.mean(va))
        glow.save_weights("glow.weights.h5")


if __name__ == "__main__":
    main()
