"""Aqueous solubility with a hand-written GATv2 on padded-free batched graphs.

Graphs come preprocessed (prep_graphs.py) as a pickle: list of dicts with
atoms [n,F] float32, bonds [e,2] int32, bond_feat [e,B] float32, logS float.
"""
import argparse
import logging
import pickle
import random

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

logging.basicConfig(level=logging.INFO, format="%(levelname).1s %(message)s")
log = logging.getLogger(__name__)


def collate(graphs):
    off, A, S, R, E, gid, y = 0, [], [], [], [], [], []
    for i, g in enumerate(graphs):
        n = len(g["atoms"])
        A.append(g["atoms"])
        b = np.asarray(g["bonds"], np.int32).reshape(-1, 2)
        S += [b[:, 0] + off, b[:, 1] + off]
        R += [b[:, 1] + off, b[:, 0] + off]
        E += [g["bond_feat"], g["bond_feat"]]
        gid.append(np.full(n, i, np.int32))
        y.append(g["logS"])
        off += n
    return {"atoms": tf.constant(np.concatenate(A), tf.float32), "src": tf.constant(np.concatenate(S), tf.int32),
            "dst": tf.constant(np.concatenate(R), tf.int32), "edge": tf.constant(np.concatenate(E), tf.float32),
            "gid": tf.constant(np.concatenate(gid)), "n": tf.constant(off), "b": tf.constant(len(graphs))}, tf.constant(y, tf.float32)


def segment_softmax(score, seg, n):
    top = tf.math.unsorted_segment_max(score, seg, n)
    e = tf.exp(score - tf.gather(top, seg))  # SAFE: segment maximum subtracted, gather only touches segments that have edges
    tot = tf.math.unsorted_segment_sum(e, seg, n)
    return e / tf.gather(tot, seg)  # SAFE: each referenced segment contains exp(0) = 1


class GATv2(layers.Layer):
    def __init__(self, heads, dim, **kw):
        super().__init__(**kw)
        self.h, self.d = heads, dim
        self.l, self.r = layers.Dense(heads * dim), layers.Dense(heads * dim)
        self.e = layers.Dense(heads * dim, use_bias=False)
        self.o = layers.Dense(heads * dim)

    def build(self, shape):
        self.att = self.add_weight(name="att", shape=(self.h, self.d), initializer="glorot_uniform")

    def call(self, x, g):
        split = lambda t: tf.reshape(t, [-1, self.h, self.d])
        xs = split(self.l(x))
        z = tf.gather(xs, g["src"]) + tf.gather(split(self.r(x)), g["dst"]) + split(self.e(g["edge"]))
        a = segment_softmax(tf.reduce_sum(tf.nn.leaky_relu(z, 0.2) * self.att, -1), g["dst"], g["n"])
        m = tf.math.unsorted_segment_sum(a[..., None] * tf.gather(xs, g["src"]), g["dst"], g["n"])
        return self.o(tf.reshape(m, [-1, self.h * self.d]))


class RMSNorm(layers.Layer):
    def build(self, shape):
        self.g = self.add_weight(name="g", shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return self.g * x * tf.math.rsqrt(tf.reduce_mean(x * x, -1, keepdims=True) + 1e-6)  # SAFE: offset under rsqrt, float32


class SolubilityNet(tf.keras.Model):
    def __init__(self, dim=24, heads=4, depth=4):
        super().__init__()
        w = dim * heads
        self.embed = layers.Dense(w)
        self.conv = [GATv2(heads, dim) for _ in range(depth)]
        self.norm = [RMSNorm() for _ in range(depth)]
        self.gate = layers.Dense(1)
        self.h1, self.h2 = layers.Dense(64, activation="silu"), layers.Dense(2)

    def call(self, g):
        x = self.embed(g["atoms"])
        for c, n in zip(self.conv, self.norm):
            x = x + tf.nn.silu(c(n(x), g))
        w = segment_softmax(self.gate(x), g["gid"], g["b"])
        att = tf.math.unsorted_segment_sum(w * x, g["gid"], g["b"])
        cnt = tf.math.unsorted_segment_sum(tf.ones([g["n"], 1]), g["gid"], g["b"])
        mean = tf.math.unsorted_segment_sum(x, g["gid"], g["b"]) / cnt  # SAFE: a molecule has at least one atom
        var = tf.math.unsorted_segment_sum(tf.square(x - tf.gather(mean, g["gid"])), g["gid"], g["b"]) / cnt  # SAFE: same atom counts
        std = tf.sqrt(var + 1e-5)  # SAFE: variance of single atoms is 0, offset inside the root
        out = self.h2(self.h1(tf.concat([att, mean, std], -1)))
        return out[:, 0], tf.clip_by_value(out[:, 1], -5.0, 3.0)


def laplace_nll(y, mu, logb):
    return tf.abs(y - mu) * tf.exp(-logb) + logb  # SAFE: log scale clipped to [-5, 3] in the model


def batches(items, size, shuffle):
    idx = list(range(len(items)))
    if shuffle:
        random.shuffle(idx)
    for i in range(0, len(idx), size):
        yield collate([items[j] for j in idx[i:i + size]])


def evaluate(net, items, mu, sd):
    p, y = [], []
    for g, t in batches(items, 256, False):
        p.append(net(g)[0].numpy() * sd + mu)
        y.append(t.numpy() * sd + mu)
    p, y = np.concatenate(p), np.concatenate(y)
    r2 = 1.0 - np.sum((y - p) ** 2) / max(np.sum((y - y.mean()) ** 2), 1e-12)  # SAFE: floored
    return np.sqrt(np.mean((y - p) ** 2)), r2  # SAFE: numpy rmse, no gradient


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("pickle")
    ap.add_argument("--epochs", type=int, default=120)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--lr", type=float, default=8e-4)
    a = ap.parse_args()
    with open(a.pickle, "rb") as fh:
        data = [g for g in pickle.load(fh) if len(g["atoms"]) and len(g["bonds"]) and np.isfinite(g["logS"])]
    random.Random(0).shuffle(data)
    cut = int(0.9 * len(data))
    ys = np.array([g["logS"] for g in data[:cut]])
    mu, sd = ys.mean(), max(ys.std(), 1e-6)
    for g in data:
        g["logS"] = (g["logS"] - mu) / sd  # SAFE: deviation floored
    train, test = data[:cut], data[cut:]
    net = SolubilityNet()
    opt = tf.keras.optimizers.AdamW(a.lr, weight_decay=1e-2, clipnorm=1.0)
    best = np.inf
    for ep in range(a.epochs):
        tot = []
        for g, y in batches(train, a.batch, True):
            with tf.GradientTape() as tape:
                m, lb = net(g)
                loss = tf.reduce_mean(laplace_nll(y, m, lb))
            gr = tape.gradient(loss, net.trainable_variables)
            opt.apply_gradients(zip(gr, net.trainable_variables))
            tot.append(float(loss))
        rmse, r2 = evaluate(net, test, mu, sd)
        log.info("epoch %d nll %.4f rmse %.3f r2 %.3f", ep, np.mean(tot), rmse, r2)
        if rmse < best:
            best = rmse
            net.save_weights("solubility.weights.h5")


if __name__ == "__main__":
    main()
