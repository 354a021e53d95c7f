"""Prototypical networks / matching networks for few-shot classification of spectra."""
import argparse
import json
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


class Spectra:
    """Array of spectra grouped by class; every class used has at least k + q members."""

    def __init__(self, x, y, k, q, seed=0):
        x = np.log1p(np.maximum(x, 0.0))  # SAFE: negative readings set to 0
        norm = np.sqrt((x ** 2).sum(1, keepdims=True))  # SAFE: sum of squares, numpy without gradient
        self.x = (x / np.maximum(norm, 1e-8)).astype("f4")  # SAFE: norm floored
        self.groups = {c: np.flatnonzero(y == c) for c in np.unique(y)}
        self.groups = {c: g for c, g in self.groups.items() if len(g) >= k + q}
        self.k, self.q = k, q
        self.rng = np.random.default_rng(seed)

    def episode(self, way):
        cls = self.rng.choice(list(self.groups), way, replace=False)
        s, t = [], []
        for c in cls:
            i = self.rng.permutation(self.groups[c])[:self.k + self.q]
            s.append(self.x[i[:self.k]])
            t.append(self.x[i[self.k:]])
        return np.stack(s), np.stack(t)


class Embed(tf.keras.Model):
    def __init__(self, dim=64):
        super().__init__()
        self.net = tf.keras.Sequential()
        for f in (32, 64, 64):
            self.net.add(layers.Conv1D(f, 7, strides=2, padding="same"))
            self.net.add(layers.LayerNormalization())
            self.net.add(layers.ReLU())
        self.net.add(layers.GlobalAveragePooling1D())
        self.net.add(layers.Dense(dim))

    def call(self, x):
        return self.net(x[..., None])


def sq_dist(a, b):
    return tf.reduce_sum(tf.square(a[:, None] - b[None]), -1)


def smooth_dist(a, b):
    return tf.sqrt(sq_dist(a, b) + 1e-6)  # SAFE: epsilon inside the sqrt


def cosine(a, b):
    na = a * tf.math.rsqrt(tf.reduce_sum(a * a, -1, keepdims=True) + 1e-8)  # SAFE: epsilon inside the rsqrt, float32
    nb = b * tf.math.rsqrt(tf.reduce_sum(b * b, -1, keepdims=True) + 1e-8)  # SAFE: same
    return tf.matmul(na, nb, transpose_b=True)


class FewShot:
    def __init__(self, kind="proto", dim=64, lr=1e-3):
        self.emb = Embed(dim)
        self.kind = kind
        self.temp = tf.Variable(2.0)
        self.opt = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.ExponentialDecay(lr, 2000, 0.5))

    def variance_weights(self, s):
        """Inverse within-class variances as in Gaussian prototypical networks."""
        v = tf.math.reduce_variance(s, axis=1)
        return 1.0 / (1.0 + v)  # SAFE: variance >= 0, also for one shot

    def scores(self, s, t):
        way, k = s.shape[0], s.shape[1]
        es = tf.reshape(self.emb(tf.reshape(s, [way * k, -1])), [way, k, -1])
        et = self.emb(tf.reshape(t, [way * t.shape[1], -1]))
        scale = tf.exp(tf.clip_by_value(self.temp, -3.0, 4.0))  # SAFE: exponent clipped
        if self.kind == "proto":
            return -sq_dist(et, tf.reduce_mean(es, 1)) * scale / 10.0
        if self.kind == "gauss":
            w = self.variance_weights(es)
            p = tf.reduce_sum(es * w[:, None], 1) / (tf.reduce_sum(w, -1, keepdims=True) * k) * es.shape[-1]  # SAFE: weights are positive
            return -smooth_dist(et, p) * scale
        if self.kind == "matching":
            att = tf.nn.softmax(cosine(et, tf.reshape(es, [way * k, -1])) * scale)
            p = tf.reduce_sum(tf.reshape(att, [-1, way, k]), -1)
            return tf.math.log(tf.maximum(p, 1e-12))  # SAFE: floored at 1e-12, a normal float32
        raise ValueError(self.kind)

    def loss(self, s, t):
        logits = self.scores(s, t)
        y = tf.repeat(tf.range(s.shape[0]), t.shape[1])
        ce = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)  # SAFE: log-probabilities and negative distances are valid logits
        acc = tf.reduce_mean(tf.cast(tf.argmax(logits, 1, tf.int32) == y, tf.float32))
        return tf.reduce_mean(ce), acc

    @tf.function
    def step(self, s, t):
        with tf.GradientTape() as tape:
            loss, acc = self.loss(s, t)
        v = self.emb.trainable_variables + [self.temp]
        g = tape.gradient(loss, v)
        self.opt.apply_gradients((a, b) for a, b in zip(g, v) if a is not None)
        return loss, acc


def interval(acc):
    acc = np.asarray(acc)
    return acc.mean(), 1.96 * acc.std() / np.sqrt(max(len(acc), 1))  # SAFE: floored at 1


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", default="spectra.npz")
    p.add_argument("--kind", default="proto", choices=["proto", "gauss", "matching"])
    p.add_argument("--way", type=int, default=5)
    p.add_argument("--shot", type=int, default=1)
    p.add_argument("--query", type=int, default=10)
    p.add_argument("--episodes", type=int, default=10000)
    p.add_argument("--out", default="fewshot")
    a = p.parse_args()
    with np.load(a.data) as f:
        tr = Spectra(f["x_train"], f["y_train"], a.shot, a.query)
        te = Spectra(f["x_test"], f["y_test"], a.shot, a.query, 1)
    m = FewShot(a.kind)
    for e in range(a.episodes):
        l, acc = m.step(*map(tf.constant, tr.episode(a.way)))
        if e % 500 == 0:
            test = [float(m.loss(*map(tf.constant, te.episode(a.way)))[1]) for _ in range(100)]
            mean, ci = interval(test)
            print(e, f"loss {l:.4f} acc {acc:.3f} test {mean:.3f} +- {ci:.3f}")
    os.makedirs(a.out, exist_ok=True)
    with open(os.path.join(a.out, "result.json"), "w") as f:
        json.dump({"acc": float(mean), "ci": float(ci)}, f)


if __name__ == "__main__":
    main()
