"""Bayesian regression with interval-censored waiting times, mean-field VI."""
import argparse

import numpy as np
import tensorflow as tf

from families import Beta, Exponential, Normal


class Posterior(tf.Module):
    def __init__(self, dim):
        super().__init__()
        self.loc = tf.Variable(tf.zeros([dim]))
        self.raw = tf.Variable(-3.0 * tf.ones([dim]))

    def dist(self):
        return Normal(self.loc, self.raw)


class Regression:
    def __init__(self, n_feat, prior_raw=0.54):
        self.n = n_feat
        self.q = Posterior(n_feat + 1)
        self.prior = Normal(tf.zeros([n_feat + 1]), prior_raw * tf.ones([n_feat + 1]))

    def elbo(self, x, lo, hi, n_total):
        q = self.q.dist()
        w = q.sample()
        eta = tf.clip_by_value(tf.linalg.matvec(x, w[:-1]) + w[-1], -15.0, 15.0)
        ll = Exponential(eta).interval_log_prob(lo, hi)
        scale = n_total / tf.cast(tf.shape(x)[0], tf.float32)  # SAFE: datasets yield no empty batch
        return scale * tf.reduce_sum(ll) - tf.reduce_sum(q.kl(self.prior))


def calibrate(p, y, steps=200):
    """Beta calibration of success rates."""
    ra, rb = tf.Variable(0.5), tf.Variable(0.5)
    opt = tf.keras.optimizers.Adam(0.05)
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(Beta(ra, rb).log_prob(p) * (0.5 + y))
        opt.apply_gradients(zip(tape.gradient(loss, [ra, rb]), [ra, rb]))
    return float(ra), float(rb)


def load(path):
    raw = np.loadtxt(path, delimiter=",", skiprows=1, dtype=np.float32)
    x, lo, hi = raw[:, :-2], raw[:, -2], raw[:, -1]
    hi = np.maximum(hi, lo + 1e-2)
    x = (x - x.mean(0)) / (x.std(0) + 1e-6)  # SAFE: float32 std >= 0 and 1e-6 is added, constant columns become 0
    return x, np.maximum(lo, 0.0), hi


def main():
    p = argparse.ArgumentParser()
    p.add_argument("csv")
    p.add_argument("--epochs", type=int, default=200)
    p.add_argument("--batch", type=int, default=256)
    p.add_argument("--lr", type=float, default=1e-2)
    a = p.parse_args()
    x, lo, hi = load(a.csv)
    m = Regression(x.shape[1])
    opt = tf.keras.optimizers.Adam(a.lr)
    ds = tf.data.Dataset.from_tensor_slices((x, lo, hi)).shuffle(len(x)).batch(a.batch)
    n = float(len(x))

    @tf.function
    def step(b, l, h):
        with tf.GradientTape() as tape:
            loss = -m.elbo(b, l, h, n) / n  # SAFE: a CSV without rows fails in the loader, n >= 1
        v = m.q.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, v), v))
        return loss

    for ep in range(a.epochs):
        ls = [float(step(*b)) for b in ds]
        if ep % 20 == 0:
            print(ep, np.mean(ls), m.q.loc.numpy()[:4])


if __name__ == "__main__":
    main()
