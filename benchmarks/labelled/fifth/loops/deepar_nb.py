"""DeepAR for intermittent demand: autoregressive GRU with negative binomial or Student-t output."""
import argparse
import csv
import math

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


def read(path):
    """long format: item, day, sales, price"""
    items = {}
    with open(path) as f:
        for r in csv.DictReader(f):
            items.setdefault(r["item"], []).append((int(r["day"]), float(r["sales"]), float(r["price"] or 0)))
    out = []
    for k, rows in items.items():
        rows.sort()
        out.append(np.array(rows, "f4"))
    return out


def features(s):
    day, sales, price = s.T
    p = np.where(price > 0, price, np.nan)
    ref = np.nanmedian(p) if np.isfinite(p).any() else 1.0
    rel = np.log(np.where(price > 0, price, ref) / ref)  # SAFE: missing or zero prices were replaced by the positive median
    return np.stack([np.sin(2 * np.pi * day / 7), np.cos(2 * np.pi * day / 7), rel], 1).astype("f4")


def item_scale(sales):
    return 1.0 + sales.mean()


class Windows:
    def __init__(self, series, ctx, hor, seed=0):
        self.s = [s for s in series if len(s) > ctx + hor]
        self.ctx, self.hor = ctx, hor
        self.rng = np.random.default_rng(seed)
        v = np.array([item_scale(s[:-hor, 1]) for s in self.s])
        self.p = v / v.sum() if len(v) else v  # SAFE: every scale is at least 1

    def batch(self, n):
        x, y, nu = [], [], []
        for i in self.rng.choice(len(self.s), n, p=self.p):
            s = self.s[i]
            k = self.rng.integers(0, len(s) - self.ctx - self.hor)
            w = s[k:k + self.ctx + 1]
            nu.append(item_scale(w[:-1, 1]))
            x.append(np.concatenate([w[:-1, 1:2] / nu[-1], features(w)[1:]], 1))  # SAFE: scale is 1 + mean >= 1
            y.append(w[1:, 1])
        return [tf.constant(np.array(v, "f4")) for v in (x, y, nu)]


class NegBin:
    size = 2

    @staticmethod
    def params(h, nu):
        mu = (tf.nn.softplus(h[..., 0]) + 1e-4) * nu[:, None]
        alpha = tf.clip_by_value(tf.nn.softplus(h[..., 1]), 1e-3, 1e2) / tf.sqrt(nu)[:, None]  # SAFE: nu >= 1
        return mu, tf.maximum(alpha, 1e-4)

    @classmethod
    def nll(cls, h, nu, y):
        mu, a = cls.params(h, nu)
        r = 1.0 / a  # SAFE: dispersion floored at 1e-4
        am = a * mu
        ll = tf.math.lgamma(y + r) - tf.math.lgamma(y + 1.0) - tf.math.lgamma(r)  # SAFE: y >= 0 and r in [0.01, 1e4]
        ll += -r * tf.math.log1p(am) + y * (tf.math.log(am) - tf.math.log1p(am))  # SAFE: alpha >= 1e-4 and mu >= 1e-4, the product is a float32
        return -ll

    @classmethod
    def sample(cls, h, nu, rng):
        mu, a = (v.numpy() for v in cls.params(h, nu))
        r = 1.0 / a  # SAFE: dispersion floored
        return rng.poisson(np.minimum(rng.gamma(r, a * mu), 1e6)).astype("f4")


class StudentT:
    size = 3

    @staticmethod
    def params(h, nu):
        loc = h[..., 0] * nu[:, None]
        scale = (tf.nn.softplus(h[..., 1]) + 1e-3) * nu[:, None]
        return loc, scale, 2.0 + tf.minimum(tf.nn.softplus(h[..., 2]), 50.0)

    @classmethod
    def nll(cls, h, nu, y):
        loc, s, df = cls.params(h, nu)
        z = (y - loc) / s  # SAFE: scale >= 1e-3 * nu
        c = tf.math.lgamma((df + 1) / 2) - tf.math.lgamma(df / 2) - 0.5 * tf.math.log(math.pi * df) - tf.math.log(s)  # SAFE: 2 <= df <= 52, scale positive
        return -(c - 0.5 * (df + 1) * tf.math.log1p(z * z / df))  # SAFE: argument of log1p >= 0

    @classmethod
    def sample(cls, h, nu, rng):
        loc, s, df = (v.numpy() for v in cls.params(h, nu))
        return (loc + s * rng.standard_t(df)).astype("f4")


class DeepAR(tf.keras.Model):
    def __init__(self, dist, units=40):
        super().__init__()
        self.dist = dist
        self.rnn = layers.GRU(units, return_sequences=True, return_state=True)
        self.head = layers.Dense(dist.size)

    def call(self, x, state=None):
        h, s = self.rnn(x, initial_state=state)
        return self.head(h), s

    def forecast(self, x, nu, fut, rng, paths=50):
        x, nu = tf.repeat(x, paths, 0), tf.repeat(nu, paths, 0)
        h, s = self(x)
        h, out = h[:, -1:], []
        for t in range(fut.shape[1]):
            y = self.dist.sample(h, nu, rng)
            out.append(y)
            step = tf.concat([(y / nu[:, None])[..., None], tf.repeat(fut[:, t:t + 1], paths, 0)], -1)  # SAFE: nu >= 1
            h, s = self(step, s)
        return np.concatenate(out, 1).reshape(-1, paths, fut.shape[1])


def quantile_loss(y, paths, q):
    p = np.quantile(paths, q, axis=1)
    d = y - p
    return 2 * np.maximum(q * d, (q - 1) * d).sum() / max(np.abs(y).sum(), 1.0)  # SAFE: total floored at 1


def main():
    p = argparse.ArgumentParser()
    p.add_argument("csv")
    p.add_argument("--dist", choices=["nb", "t"], default="nb")
    p.add_argument("--context", type=int, default=56)
    p.add_argument("--horizon", type=int, default=14)
    p.add_argument("--steps", type=int, default=5000)
    p.add_argument("--batch", type=int, default=64)
    a = p.parse_args()
    series = read(a.csv)
    win = Windows(series, a.context, a.horizon)
    model = DeepAR(NegBin if a.dist == "nb" else StudentT)
    opt = tf.keras.optimizers.Adam(1e-3, clipnorm=10.0)

    @tf.function
    def step(x, y, nu):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model.dist.nll(model(x)[0], nu, y))
        v = model.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, v), v))
        return loss

    for t in range(a.steps):
        l = step(*win.batch(a.batch))
        if t % 250 == 0:
            s = win.s[0]
            c = s[-a.horizon - a.context - 1:-a.horizon]
            nu = item_scale(c[:-1, 1])
            x = np.concatenate([c[:-1, 1:2] / nu, features(c)[1:]], 1)[None].astype("f4")  # SAFE: scale >= 1
            paths = model.forecast(tf.constant(x), tf.constant([nu], tf.float32), tf.constant(features(s[-a.horizon:])[None]), win.rng)
            print(t, float(l), [round(quantile_loss(s[None, -a.horizon:, 1], paths, q), 3) for q in (0.5, 0.9)])


if __name__ == "__main__":
    main()
