"""Normalising-flow variational posterior of a hierarchical logistic model (school admissions).

The flow stacks affine couplings and a tail layer that maps a Gaussian to heavier tails.
"""
import argparse
import csv
import json
import math

import numpy as np
import tensorflow as tf
from tensorflow import keras

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def read_admissions(path):
    """school, score (standardised by the board), admitted"""
    schools, score, y = [], [], []
    with open(path) as fh:
        for r in csv.DictReader(fh):
            schools.append(r["school"])
            score.append(float(r["score"]))
            y.append(int(r["admitted"]))
    names = sorted(set(schools))
    idx = np.array([names.index(s) for s in schools], np.int32)
    score = np.array(score, np.float32)
    score = (score - score.mean()) / max(float(score.std()), 1e-3)  # SAFE: floored
    return names, idx, score, np.array(y, np.float32)


class Coupling(keras.layers.Layer):
    def __init__(self, dim, hidden, flip):
        super().__init__()
        self.keep = dim // 2
        self.flip = flip
        other = dim - self.keep
        self.net = keras.Sequential([keras.layers.Input((self.keep,)), keras.layers.Dense(hidden, activation="tanh"),
                                     keras.layers.Dense(2 * other, kernel_initializer="zeros")])  # SAFE: couplings start as the identity, only the last layer is zero

    def call(self, z):
        z = tf.reverse(z, [1]) if self.flip else z
        a, b = z[:, :self.keep], z[:, self.keep:]
        shift, raw = tf.split(self.net(a), 2, axis=1)
        log_scale = 2.0 * tf.tanh(raw)
        b = b * tf.exp(log_scale) + shift  # SAFE: log_scale lies within two
        return tf.concat([a, b], 1), tf.reduce_sum(log_scale, 1)


class TailLayer(keras.layers.Layer):
    """Yeo-Johnson like power tail with one exponent per dimension in (1, 2)."""

    def build(self, shape):
        self.raw = self.add_weight(name="raw", shape=(shape[-1],), initializer="zeros")

    def call(self, z):
        p = 1.0 + 0.5 * tf.sigmoid(self.raw)
        up = tf.pow(z + 1.0, p)
        down = -tf.pow(1.0 - z, p)
        bent = tf.where(z >= 0.0, up - 1.0, down + 1.0)  # BUG: where-grad, the branch not taken raises a negative base to a fraction
        slope = tf.math.log(p) + (p - 1.0) * tf.math.log1p(tf.abs(z))  # SAFE: p exceeds one and the modulus is not negative
        return bent, tf.reduce_sum(slope, 1)


class Flow(keras.Model):
    def __init__(self, dim, depth, hidden):
        super().__init__()
        self.dim = dim
        self.steps = [Coupling(dim, hidden, bool(i % 2)) for i in range(depth)]
        self.tail = TailLayer()
        self.loc = self.add_weight(name="loc", shape=(dim,), initializer="zeros")
        self.log_std = self.add_weight(name="log_std", shape=(dim,), initializer=keras.initializers.Constant(-1.0))

    def sample(self, n):
        eps = tf.random.normal((n, self.dim))
        logq = -tf.reduce_sum(0.5 * tf.square(eps) + HALF_LOG_2PI, 1)
        z, logdet = self.tail(eps)
        logq -= logdet
        for s in self.steps:
            z, ld = s(z)
            logq -= ld
        log_std = tf.clip_by_value(self.log_std, -6.0, 2.0)
        z = self.loc + tf.exp(log_std) * z  # SAFE: clipped above two
        return z, logq - tf.reduce_sum(log_std)


def log_joint(z, idx, score, y, n_schools):
    """z = [mu_a, log tau, beta, a_1..a_S] with non-centred school effects"""
    mu, log_tau, beta, raw = z[:, 0:1], z[:, 1:2], z[:, 2:3], z[:, 3:]
    prior = -0.5 * (tf.square(mu / 2.0) + tf.square((log_tau + 1.0) / 0.7) + tf.square(beta / 2.0))[:, 0]
    prior -= 0.5 * tf.reduce_sum(tf.square(raw), 1)
    tau = tf.exp(tf.minimum(log_tau, 3.0))  # SAFE: capped at three
    effect = mu + tau * raw
    logit = tf.gather(effect, idx, axis=1) + beta * score[None]
    ll = -tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.broadcast_to(y[None], tf.shape(logit)), logits=logit)  # SAFE: stable form on logits
    return prior + tf.reduce_sum(ll, 1)


def shrinkage_report(z, names, idx, y):
    tau = np.exp(np.clip(z[:, 1:2], -8, 3))  # SAFE: clipped
    effect = z[:, 0:1] + tau * z[:, 3:]
    mean = 1 / (1 + np.exp(-np.clip(effect, -30, 30))).mean(0)  # SAFE: the logistic of a clipped effect, report only
    rows = []
    for s, name in enumerate(names):
        member = idx == s
        raw = y[member].sum() / max(member.sum(), 1)  # SAFE: max with one
        rows.append({"school": name, "n": int(member.sum()), "raw": float(raw), "posterior": float(1.0 / mean[s])})  # SAFE: the mean of 1 + exp is above one
    return sorted(rows, key=lambda r: -r["n"])


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("csv")
    ap.add_argument("--depth", type=int, default=4)
    ap.add_argument("--hidden", type=int, default=32)
    ap.add_argument("--draws", type=int, default=32)
    ap.add_argument("--steps", type=int, default=6000)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--out", default="posterior.json")
    a = ap.parse_args()
    tf.random.set_seed(0)
    names, idx, score, y = read_admissions(a.csv)
    flow = Flow(3 + len(names), a.depth, a.hidden)
    opt = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(a.lr, a.steps), clipnorm=10.0)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            z, logq = flow.sample(a.draws)
            elbo = tf.reduce_mean(log_joint(z, idx, score, y, len(names)) - logq)
            loss = -elbo / len(y)  # SAFE: the file has rows
        tv = flow.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, tv), tv))
        return elbo

    for i in range(a.steps):
        elbo = step()
        if i % 500 == 0:
            print("%5d elbo %.2f" % (i, float(elbo)))
    z, _ = flow.sample(2000)
    with open(a.out, "w") as fh:
        json.dump(shrinkage_report(z.numpy(), names, idx, y), fh, indent=1)


if __name__ == "__main__":
    main()
