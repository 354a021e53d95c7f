"""Claim frequency / severity network for motor insurance (Tweedie compound model).

Frequency: Poisson with exposure offset. Severity: gamma deviance. Pure premium: Tweedie.
The columns are those of freMTPL2 (CSV).
"""
import argparse
import csv
import math

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

NUM = ["VehPower", "VehAge", "DrivAge", "BonusMalus", "Density"]
CAT = ["Area", "VehBrand", "VehGas", "Region"]


def read(path):
    with open(path) as f:
        rows = list(csv.DictReader(f))
    num = np.array([[float(r[c]) for c in NUM] for r in rows], np.float32)
    num[:, 4] = np.log(np.maximum(num[:, 4], 1.0))  # SAFE: density floored at 1
    cats = []
    for c in CAT:
        idx = {}
        cats.append([idx.setdefault(r[c], len(idx)) for r in rows])
    expo = np.array([float(r["Exposure"]) for r in rows], np.float32)
    n = np.array([float(r["ClaimNb"]) for r in rows], np.float32)
    amount = np.array([float(r.get("ClaimAmount", 0) or 0) for r in rows], np.float32)
    return num, np.array(cats, np.int32).T, np.clip(expo, 1.0 / 365.0, 1.0), n, amount


def fit_scaler(num):
    m, s = num.mean(0), num.std(0)
    return lambda x: ((x - m) / np.maximum(s, 1e-6)).astype(np.float32)  # SAFE: std floored


class RiskNet(tf.keras.Model):
    def __init__(self, card, units=(64, 32), base_rate=0.07):
        super().__init__()
        self.emb = [layers.Embedding(c, min(8, 1 + c // 2)) for c in card]
        self.hidden = [layers.Dense(u, activation="gelu") for u in units]
        self.freq = layers.Dense(1, bias_initializer=tf.keras.initializers.Constant(math.log(base_rate)))
        self.sev = layers.Dense(1, bias_initializer=tf.keras.initializers.Constant(math.log(1500.0)))

    def call(self, num, cat, expo):
        parts = [num] + [e(cat[:, i]) for i, e in enumerate(self.emb)]
        h = tf.concat(parts, -1)
        for d in self.hidden:
            h = d(h)
        lam = expo * tf.exp(tf.clip_by_value(self.freq(h)[:, 0], -9.0, 3.0))  # SAFE: exponent clipped to [-9, 3]
        mu = tf.exp(tf.clip_by_value(self.sev(h)[:, 0], 0.0, 13.0))  # SAFE: exponent clipped to [0, 13]
        return lam, mu


class Losses:
    def __init__(self, power=1.5):
        if not 1.0 < power < 2.0:
            raise ValueError("Tweedie power must be in (1, 2)")
        self.p = power

    def poisson_deviance(self, n, lam):
        term = tf.where(n > 0, n * tf.math.log(n / lam), tf.zeros_like(n))  # BUG: where-grad, for n = 0 (most policies) the hidden branch is 0 * log(0) and its gradient in lam is 0 * inf
        return 2.0 * tf.reduce_mean(term - (n - lam))

    def poisson_nll(self, n, lam):
        return tf.reduce_mean(lam - n * tf.math.log(lam) + tf.math.lgamma(n + 1.0))  # SAFE: lam >= exp(-9)/365 and lgamma of counts + 1

    def gamma_deviance(self, amount, n, mu):
        avg = amount / tf.maximum(n, 1.0)  # SAFE: claim number floored at 1
        w = tf.cast(amount > 0, tf.float32) * n
        r = tf.maximum(avg, 1.0) / mu  # SAFE: mu = exp(clipped) >= 1
        dev = r - 1.0 - tf.math.log(r)  # SAFE: avg >= 1 and mu <= exp(13), so r > 0
        return 2.0 * tf.reduce_sum(w * dev) / tf.maximum(tf.reduce_sum(w), 1.0)  # SAFE: weight sum floored at 1

    def tweedie(self, amount, lam, mu):
        m = lam * mu
        p = self.p
        a = amount * tf.pow(m, 1.0 - p) / (1.0 - p)  # SAFE: m > 0 by the clipped exponents, 1 < p < 2 is checked
        b = tf.pow(m, 2.0 - p) / (2.0 - p)  # SAFE: p < 2 is checked in the constructor
        return tf.reduce_mean(b - a)


def lift(pred, actual, bins=10):
    order = np.argsort(pred)
    out = []
    for part in np.array_split(order, bins):
        if len(part) == 0:
            continue
        out.append(actual[part].sum() / max(pred[part].sum(), 1e-9))  # SAFE: denominator floored
    return out


def gini(pred, actual):
    o = np.argsort(-pred)
    c = np.cumsum(actual[o])
    if c[-1] == 0:
        return 0.0
    return float(2.0 * np.mean(c / c[-1]) - 1.0)  # SAFE: total of zero returned before


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--csv", default="freMTPL2.csv")
    ap.add_argument("--batch", type=int, default=2048)
    ap.add_argument("--epochs", type=int, default=20)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--tweedie-weight", type=float, default=0.0)
    a = ap.parse_args()
    num, cat, expo, n, amount = read(a.csv)
    num = fit_scaler(num)(num)
    model = RiskNet(cat.max(0) + 1)
    L = Losses()
    opt = tf.keras.optimizers.AdamW(a.lr, weight_decay=1e-4)
    ds = tf.data.Dataset.from_tensor_slices((num, cat, expo, n, amount)).shuffle(100000).batch(a.batch)

    @tf.function
    def step(x, c, e, k, am):
        with tf.GradientTape() as tape:
            lam, mu = model(x, c, e)
            loss = L.poisson_deviance(k, lam) + 0.1 * L.gamma_deviance(am, k, mu)
            if a.tweedie_weight > 0:
                loss += a.tweedie_weight * L.tweedie(am, lam, mu)
        v = model.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, v), v))
        return loss, L.poisson_nll(k, lam)

    for ep in range(a.epochs):
        out = np.mean([[float(t) for t in step(*b)] for b in ds], 0)
        lam, mu = model(num[:50000], cat[:50000], expo[:50000])
        print(ep, out, "gini", gini(lam.numpy(), n[:50000]), "lift", lift((lam * mu).numpy(), amount[:50000]))


if __name__ == "__main__":
    main()
