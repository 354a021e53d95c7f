"""RealNVP / MAF-style coupling flow for tabular density estimation (POWER, GAS, HEPMASS style arrays)."""
import argparse
import json
import math
import os

import numpy as np
import tensorflow as tf


def load(path, holdout=0.1):
    x = np.load(path).astype(np.float64)
    x = x[np.isfinite(x).all(1)]
    n = int(len(x) * holdout)
    tr, va = x[n:], x[:n]
    mu, sd = tr.mean(0), tr.std(0)
    keep = sd > 1e-8
    tr, va = tr[:, keep], va[:, keep]
    mu, sd = mu[keep], sd[keep]
    return ((tr - mu) / sd).astype("f4"), ((va - mu) / sd).astype("f4")  # SAFE: columns with (nearly) no spread were removed by keep


def to_unit(x, lo, hi, alpha=0.01):
    """Maps bounded columns into (alpha, 1-alpha)."""
    u = (x - lo) / np.maximum(hi - lo, 1e-6)  # SAFE: range floored
    return alpha + (1 - 2 * alpha) * np.clip(u, 0.0, 1.0)


class Logit(tf.Module):
    """Bijector for unit-interval columns; returns log |det|."""

    def __init__(self, alpha=0.01):
        super().__init__()
        self.alpha = alpha

    def __call__(self, u):
        u = tf.clip_by_value(u, self.alpha, 1.0 - self.alpha)
        y = tf.math.log(u) - tf.math.log1p(-u)  # SAFE: u in [0.01, 0.99]
        return y, -tf.reduce_sum(tf.math.log(u) + tf.math.log1p(-u), -1)  # SAFE: same range


class Dense(tf.Module):
    def __init__(self, i, o, gain=1.0):
        super().__init__()
        self.w = tf.Variable(tf.random.normal([i, o], stddev=gain / math.sqrt(i)))  # SAFE: i >= 1 columns
        self.b = tf.Variable(tf.zeros([o]))

    def __call__(self, x):
        return x @ self.w + self.b


class Coupling(tf.Module):
    def __init__(self, dim, hidden, flip, max_scale=2.0):
        super().__init__()
        half = np.arange(dim) % 2 == (1 if flip else 0)
        self.mask = tf.constant(half.astype("f4"))
        self.l1, self.l2 = Dense(dim, hidden), Dense(hidden, hidden)
        self.l3 = Dense(hidden, 2 * dim, gain=0.01)
        self.max_scale = max_scale

    def params(self, x):
        h = tf.nn.elu(self.l1(x * self.mask))
        h = tf.nn.elu(self.l2(h))
        s, t = tf.split(self.l3(h), 2, -1)
        inv = 1.0 - self.mask
        return self.max_scale * tf.tanh(s / self.max_scale) * inv, t * inv  # SAFE: max_scale is the constant 2

    def forward(self, x):
        s, t = self.params(x)
        return x * tf.exp(s) + t, tf.reduce_sum(s, -1)  # SAFE: s is bounded by 2 through tanh

    def inverse(self, y):
        s, t = self.params(y)
        return (y - t) * tf.exp(-s)  # SAFE: |s| <= 2


class ActNorm(tf.Module):
    def __init__(self, dim):
        super().__init__()
        self.log_s = tf.Variable(tf.zeros([dim]))
        self.b = tf.Variable(tf.zeros([dim]))

    def initialise(self, x):
        m, v = tf.nn.moments(x, 0)
        self.log_s.assign(-0.5 * tf.math.log(v + 1e-6))  # SAFE: variance >= 0 plus 1e-6
        self.b.assign(-m)

    def scale(self):
        return tf.clip_by_value(self.log_s, -7.0, 7.0)

    def forward(self, x):
        ls = self.scale()
        return (x + self.b) * tf.exp(ls), tf.reduce_sum(ls)  # SAFE: log scale clipped to [-7, 7]

    def inverse(self, y):
        return y / tf.exp(self.scale()) - self.b  # SAFE: divisor at least exp(-7)


class Flow(tf.Module):
    def __init__(self, dim, depth=8, hidden=128, df=None):
        super().__init__()
        self.dim, self.df = dim, df
        self.steps = []
        for i in range(depth):
            self.steps += [ActNorm(dim), Coupling(dim, hidden, i % 2)]

    def base(self, z):
        if self.df is None:
            return -0.5 * tf.reduce_sum(tf.square(z) + math.log(2 * math.pi), -1)
        nu = float(max(self.df, 1.0))
        c = math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - 0.5 * math.log(nu * math.pi)  # SAFE: nu is at least 1
        return tf.reduce_sum(c - 0.5 * (nu + 1) * tf.math.log1p(tf.square(z) / nu), -1)  # SAFE: log1p of a square, nu >= 1

    def log_prob(self, x):
        ld = 0.0
        for s in self.steps:
            x, d = s.forward(x)
            ld += d
        return self.base(x) + ld

    def data_init(self, x):
        for s in self.steps:
            if isinstance(s, ActNorm):
                s.initialise(x)
            x, _ = s.forward(x)

    def sample(self, n):
        x = tf.random.normal([n, self.dim])
        for s in reversed(self.steps):
            x = s.inverse(x)
        return x


def bits_per_dim(lp, dim):
    return -float(lp) / (dim * math.log(2.0))  # SAFE: dim >= 1, log 2 is a constant


def main():
    p = argparse.ArgumentParser()
    p.add_argument("data")
    p.add_argument("--epochs", type=int, default=100)
    p.add_argument("--batch", type=int, default=512)
    p.add_argument("--lr", type=float, default=5e-4)
    p.add_argument("--student", type=float, default=None)
    p.add_argument("--patience", type=int, default=10)
    p.add_argument("--out", default="flow")
    a = p.parse_args()
    tr, va = load(a.data)
    flow = Flow(tr.shape[1], df=a.student)
    flow.data_init(tf.constant(tr[:2000]))
    opt = tf.keras.optimizers.Adam(a.lr, clipnorm=5.0)
    ck = tf.train.Checkpoint(flow=flow)

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(flow.log_prob(x))
        v = flow.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, v), v))
        return loss

    ds = tf.data.Dataset.from_tensor_slices(tr).shuffle(100000).batch(a.batch)
    best, bad = -math.inf, 0
    for ep in range(a.epochs):
        l = np.mean([float(step(b)) for b in ds])
        lp = np.mean([float(tf.reduce_mean(flow.log_prob(va[i:i + 4096]))) for i in range(0, len(va), 4096)])
        print(ep, l, lp, bits_per_dim(lp, flow.dim))
        if lp > best:
            best, bad = lp, 0
            ck.write(os.path.join(a.out, "best"))
        else:
            bad += 1
            if bad > a.patience:
                break
    with open(a.out + ".json", "w") as f:
        json.dump({"best": best}, f)


if __name__ == "__main__":
    main()
