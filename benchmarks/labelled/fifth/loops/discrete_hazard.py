"""Discrete-time survival with competing risks (DeepHit-like) and a logistic hazard model."""
import argparse
import csv

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

TINY = 1e-7


class Cuts:
    """Time grid from the quantiles of observed event times."""

    def __init__(self, t, e, n):
        q = np.quantile(t[e > 0] if (e > 0).any() else t, np.linspace(0, 1, n + 1)[1:])
        self.edges = np.unique(q)

    def __len__(self):
        return len(self.edges)

    def index(self, t):
        return np.minimum(np.searchsorted(self.edges, t), len(self.edges) - 1).astype("i4")

    def widths(self):
        return np.maximum(np.diff(np.concatenate([[0.0], self.edges])), 1e-6)


def read(path):
    with open(path) as f:
        r = csv.reader(f)
        next(r)
        raw = np.array([[float(v) for v in row] for row in r], "f4")
    return raw[:, 2:], raw[:, 0], raw[:, 1].astype("i4")


def standardise(x, m=None, s=None):
    m = x.mean(0) if m is None else m
    s = x.std(0) if s is None else s
    return (x - m) / (s + 1e-5), m, s  # SAFE: float32, std >= 0 plus 1e-5


class Body(tf.keras.Model):
    def __init__(self, out, units=(64, 64), drop=0.1):
        super().__init__()
        self.ls = [layers.Dense(u, "relu") for u in units]
        self.dr = layers.Dropout(drop)
        self.out = layers.Dense(out)

    def call(self, x, training=False):
        for l in self.ls:
            x = self.dr(l(x), training=training)
        return self.out(x)


class LogisticHazard:
    def __init__(self, bins):
        self.bins = bins
        self.net = Body(bins)

    def loss(self, x, idx, event, training=True):
        z = self.net(x, training=training)
        steps = tf.range(self.bins)[None]
        at_risk = tf.cast(steps <= idx[:, None], tf.float32)
        died = tf.cast(steps == idx[:, None], tf.float32) * tf.cast(event > 0, tf.float32)[:, None]
        ce = tf.nn.sigmoid_cross_entropy_with_logits(died, z)  # SAFE: net returns raw scores, the op is stable
        return tf.reduce_mean(tf.reduce_sum(ce * at_risk, 1))

    def survival(self, x):
        z = self.net(x)
        return tf.exp(tf.cumsum(-tf.nn.softplus(z), 1))  # SAFE: cumulative sum of non-positive terms


class CompetingRisks:
    def __init__(self, bins, causes, alpha=0.2, sigma=0.1):
        self.bins, self.causes = bins, causes
        self.alpha, self.sigma = alpha, sigma
        self.net = Body(bins * causes + 1)

    def pmf(self, x, training=False):
        p = tf.nn.softmax(self.net(x, training=training))
        return tf.reshape(p[:, :-1], [-1, self.causes, self.bins])

    def likelihood(self, p, idx, event):
        cif = tf.cumsum(p, 2)
        at = tf.one_hot(idx, self.bins)
        pe = tf.reduce_sum(p * at[:, None], 2)
        cause = tf.one_hot(tf.maximum(event - 1, 0), self.causes)
        seen = tf.math.log(tf.reduce_sum(pe * cause, 1) + TINY)  # SAFE: probability plus 1e-7
        surv = 1.0 - tf.reduce_sum(cif * at[:, None], [1, 2])
        cens = tf.math.log(tf.maximum(surv, TINY))  # SAFE: rounding below 0 is removed by the maximum
        return -tf.reduce_mean(tf.where(event > 0, seen, cens))  # SAFE: both branches are finite with finite slopes

    def ranking(self, p, idx, event):
        cif = tf.cumsum(p, 2)
        total = 0.0
        for c in range(self.causes):
            r = tf.gather(cif[:, c], idx, axis=1)
            own = tf.linalg.diag_part(r)
            d = own[None, :] - r
            ok = tf.cast(idx[None, :] < idx[:, None], tf.float32) * tf.cast(event == c + 1, tf.float32)[None]
            total += tf.reduce_sum(ok * tf.exp(-d / self.sigma)) / tf.maximum(tf.reduce_sum(ok), 1.0)  # SAFE: |d| <= 1 and sigma = 0.1, exponent at most 10; pair count floored
        return total

    def loss(self, x, idx, event, training=True):
        p = self.pmf(x, training)
        return self.likelihood(p, idx, event) + self.alpha * self.ranking(p, idx, event)


def kaplan_meier(t, e, grid):
    s, out = 1.0, []
    for g in grid:
        n = np.sum(t >= g)
        d = np.sum((t == g) & (e > 0))
        if n > 0:
            s *= 1.0 - d / n  # SAFE: tested in the line above
        out.append(s)
    return np.array(out)


def ipcw_brier(surv, idx, event, g):
    """Brier score with inverse probability of censoring weights."""
    g = np.maximum(g, 0.05)
    out = []
    for k in range(surv.shape[1]):
        dead = (idx <= k) & (event > 0)
        alive = idx > k
        w = dead / g[idx] + alive / g[k]  # SAFE: g floored at 0.05
        out.append(np.mean(w * (alive - surv[:, k]) ** 2))
    return float(np.mean(out))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("csv", help="time, cause (0 = censored), features...")
    ap.add_argument("--model", choices=["hazard", "deephit"], default="hazard")
    ap.add_argument("--bins", type=int, default=20)
    ap.add_argument("--epochs", type=int, default=100)
    ap.add_argument("--batch", type=int, default=128)
    a = ap.parse_args()
    x, t, e = read(a.csv)
    n = int(0.8 * len(x))
    xs, m, s = standardise(x[:n])
    xv, _, _ = standardise(x[n:], m, s)
    cuts = Cuts(t[:n], e[:n], a.bins)
    idx = cuts.index(t)
    model = LogisticHazard(len(cuts)) if a.model == "hazard" else CompetingRisks(len(cuts), max(int(e.max()), 1))
    opt = tf.keras.optimizers.Adam(1e-3)

    @tf.function
    def step(bx, bi, be):
        with tf.GradientTape() as tape:
            loss = model.loss(bx, bi, be)
        v = model.net.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, v), v))
        return loss

    ds = tf.data.Dataset.from_tensor_slices((xs, idx[:n], e[:n])).shuffle(n).batch(a.batch)
    for ep in range(a.epochs):
        tr = np.mean([float(step(*b)) for b in ds])
        line = f"{ep} train {tr:.4f} valid {float(model.loss(xv, idx[n:], e[n:], False)):.4f}"
        if a.model == "hazard":
            g = kaplan_meier(idx[n:], 1 - (e[n:] > 0), np.arange(len(cuts)))
            line += f" brier {ipcw_brier(model.survival(xv).numpy(), idx[n:], e[n:], g):.4f}"
        print(line)


if __name__ == "__main__":
    main()
