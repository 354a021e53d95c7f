"""MeshGraphNet for 2-D channel flow around turbine blades (one-step predictor with noise).

traj/*.npz: pos [N,2], cells int32 [C,3], kind uint8 [N], vel [T,N,2]
"""
import argparse
import glob
import os
import random

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

KINDS = 5
NORMAL, OUTFLOW = 0, 3


class Normaliser(tf.Module):
    """Running mean / std, frozen after max_steps updates."""

    def __init__(self, dim, max_steps=2000, eps=1e-5):
        super().__init__()
        self.n = tf.Variable(0.0, trainable=False)
        self.k = tf.Variable(0, trainable=False)
        self.s, self.s2 = tf.Variable(tf.zeros([dim]), trainable=False), tf.Variable(tf.zeros([dim]), trainable=False)
        self.max_steps, self.eps = max_steps, eps

    def update(self, x):
        if self.k < self.max_steps:
            self.n.assign_add(tf.cast(tf.shape(x)[0], tf.float32))
            self.s.assign_add(tf.reduce_sum(x, 0))
            self.s2.assign_add(tf.reduce_sum(x * x, 0))
            self.k.assign_add(1)

    @property
    def mean(self):
        return self.s / tf.maximum(self.n, 1.0)  # SAFE: count floored at one

    @property
    def std(self):
        var = self.s2 / tf.maximum(self.n, 1.0) - tf.square(self.mean)  # SAFE: count floored at one
        return tf.maximum(tf.sqrt(tf.maximum(var, 0.0)), self.eps)  # SAFE: cancellation cut at zero before the root and buffers are not trainable

    def __call__(self, x):
        return (x - self.mean) / self.std  # SAFE: std is at least eps

    def inverse(self, x):
        return x * self.std + self.mean


def edges(cells):
    e = np.concatenate([cells[:, [0, 1]], cells[:, [1, 2]], cells[:, [2, 0]]])
    e = np.unique(np.sort(e, 1), axis=0)
    e = e[e[:, 0] != e[:, 1]]
    return np.concatenate([e, e[:, ::-1]]).astype(np.int32)


def area(pos, cells):
    a, b, c = pos[cells[:, 0]], pos[cells[:, 1]], pos[cells[:, 2]]
    u, v = b - a, c - a
    return 0.5 * np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])


class Trajectory:
    def __init__(self, path):
        with np.load(path) as z:
            self.pos, self.cells = z["pos"].astype(np.float32), z["cells"]
            self.kind, self.vel = z["kind"].astype(np.int32), z["vel"].astype(np.float32)  # SAFE: uint8 codes widened to int32
        self.edge = edges(self.cells)
        d = self.pos[self.edge[:, 0]] - self.pos[self.edge[:, 1]]
        r = np.linalg.norm(d, axis=1, keepdims=True)  # SAFE: numpy, constants without gradient
        self.edge_x = np.concatenate([d, r, np.log(np.maximum(r, 1e-6))], 1).astype(np.float32)  # SAFE: length floored before the log
        w = np.zeros(len(self.pos))
        np.add.at(w, self.cells.ravel(), np.repeat(area(self.pos, self.cells), 3) / 3.0)
        self.w = (w / max(w.mean(), 1e-12)).astype(np.float32)  # SAFE: mean nodal area floored

    def sample(self, noise, rng):
        t = rng.integers(len(self.vel) - 1)
        v = self.vel[t].copy()
        free = (self.kind == NORMAL)[:, None]
        v += np.where(free, rng.normal(0, noise, v.shape), 0.0)
        return v.astype(np.float32), (self.vel[t + 1] - v).astype(np.float32)


def mlp(width, out, norm=True):
    seq = [layers.Dense(width, activation="relu"), layers.Dense(width, activation="relu"), layers.Dense(out)]
    if norm:
        seq.append(layers.LayerNormalization(epsilon=1e-5))  # SAFE: float32 layer norm with epsilon
    return tf.keras.Sequential(seq)


class MeshNet(tf.keras.Model):
    def __init__(self, width=64, rounds=8):
        super().__init__()
        self.en, self.ee = mlp(width, width), mlp(width, width)
        self.fe = [mlp(width, width) for _ in range(rounds)]
        self.fn = [mlp(width, width) for _ in range(rounds)]
        self.dec = mlp(width, 2, norm=False)

    def call(self, inputs):
        x, ex, edge = inputs
        n = tf.shape(x)[0]
        h, e = self.en(x), self.ee(ex)
        s, r = edge[:, 0], edge[:, 1]
        deg = tf.math.unsorted_segment_sum(tf.ones_like(e[:, :1]), r, n)
        scale = tf.math.rsqrt(tf.maximum(deg, 1.0))  # SAFE: degree floored at one, hanging nodes allowed
        for fe, fn in zip(self.fe, self.fn):
            e = e + fe(tf.concat([tf.gather(h, s), tf.gather(h, r), e], 1))
            m = tf.math.unsorted_segment_sum(e, r, n) * scale
            h = h + fn(tf.concat([h, m], 1))
        return self.dec(h)


def masked_mse(pred, true, mask, w):
    k = mask * w
    return tf.reduce_sum(tf.reduce_sum(tf.square(pred - true), 1) * k) / tf.maximum(tf.reduce_sum(k), 1e-3)  # SAFE: weighted node count floored


def rollout(net, tr, norms, steps):
    nx, ne, ny = norms
    v = tf.constant(tr.vel[0])
    hot = tf.one_hot(tr.kind, KINDS)
    free = tf.constant(np.isin(tr.kind, (NORMAL, OUTFLOW))[:, None])
    err = []
    for t in range(1, min(steps, len(tr.vel))):
        x = tf.concat([nx(v), hot], 1)
        v = tf.where(free, v + ny.inverse(net((x, ne(tr.edge_x), tr.edge))), tr.vel[t])
        err.append(float(tf.sqrt(tf.reduce_mean(tf.square(v - tr.vel[t])))))  # SAFE: roll-out evaluation without a tape
    ref = float(np.sqrt(np.mean(tr.vel ** 2)))  # SAFE: mean of squares in numpy
    return np.mean(err) / max(ref, 1e-9) if err else 0.0  # SAFE: reference speed floored


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("train")
    ap.add_argument("val")
    ap.add_argument("--steps", type=int, default=100_000)
    ap.add_argument("--noise", type=float, default=0.02)
    ap.add_argument("--lr", type=float, default=1e-4)
    ap.add_argument("--every", type=int, default=2000)
    ap.add_argument("--out", default="meshnet")
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    tr = [Trajectory(f) for f in sorted(glob.glob(os.path.join(a.train, "*.npz")))]
    va = [Trajectory(f) for f in sorted(glob.glob(os.path.join(a.val, "*.npz")))]
    nx, ne, ny = Normaliser(2), Normaliser(4), Normaliser(2)
    net = MeshNet()
    opt = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.ExponentialDecay(a.lr, 30_000, 0.3), clipnorm=1.0)  # SAFE: decays from 1e-4 and stays positive
    rng = np.random.default_rng(0)

    @tf.function(reduce_retracing=True)
    def step(x, ex, edge, y, mask, w):
        with tf.GradientTape() as tape:
            loss = masked_mse(net((x, ex, edge)), y, mask, w)
        g = tape.gradient(loss, net.trainable_variables)
        opt.apply_gradients(zip(g, net.trainable_variables))
        return loss

    run = []
    for i in range(1, a.steps + 1):
        t = random.choice(tr)
        v, dv = t.sample(a.noise, rng)
        nx.update(tf.constant(v))
        ne.update(tf.constant(t.edge_x))
        ny.update(tf.constant(dv))
        x = tf.concat([nx(v), tf.one_hot(t.kind, KINDS)], 1)
        mask = tf.constant(np.isin(t.kind, (NORMAL, OUTFLOW)).astype(np.float32))
        if i < 200:
            continue
        run.append(float(step(x, ne(t.edge_x), tf.constant(t.edge), ny(dv), mask, tf.constant(t.w))))
        if i % a.every == 0:
            r = np.mean([rollout(net, v_, (nx, ne, ny), 50) for v_ in va])
            print(f"{i:7d} loss {np.mean(run):.4e} log10 {np.log10(np.mean(run) + 1e-12):.2f} roll-out {r:.4f}", flush=True)  # SAFE: offset in log10
            run.clear()
            net.save_weights(os.path.join(a.out, "net.weights.h5"))


if __name__ == "__main__":
    main()
