"""Mixture density network for inverse kinematics style data (TF 1)."""
import argparse
import math
import os

import numpy as np
import tensorflow as tf


def make_data(n, noise, rng):
    y = rng.uniform(-10.5, 10.5, (n, 1))
    x = np.sin(0.75 * y) * 7.0 + y * 0.5 + rng.normal(size=(n, 1)) * noise
    return x.astype(np.float32), y.astype(np.float32)


def load_or_make(path, n, rng):
    if path and os.path.exists(path):
        d = np.loadtxt(path, delimiter=",", dtype=np.float32)
        return d[:, :1], d[:, 1:2]
    return make_data(n, 1.0, rng)


class InputScaler(object):

    def fit(self, x):
        self.mean = x.mean(0)
        self.scale = max(float(x.std()), 1e-3)
        return self

    def __call__(self, x):
        return (x - self.mean) / self.scale  # SAFE: the scale is floored at 1e-3 in fit


class MDN(object):
    inv_sqrt_two_pi = 1.0 / math.sqrt(2.0 * math.pi)  # SAFE: constants

    def __init__(self, args):
        self.k = args.components
        self.x = tf.placeholder(tf.float32, [None, 1], name="x")
        self.y = tf.placeholder(tf.float32, [None, 1], name="y")
        with tf.variable_scope("mdn"):
            h = tf.layers.dense(self.x, args.hidden, tf.nn.tanh, name="h1")
            h = tf.layers.dense(h, args.hidden, tf.nn.tanh, name="h2")
            out = tf.layers.dense(h, 3 * self.k, name="params")
        self.pi, self.sigma, self.mu = self.get_mixture(out)
        self.loss = self.nll(self.y)
        self.build_train(args)

    def get_mixture(self, output):
        out_pi, out_sigma, mu = tf.split(output, 3, axis=1)
        out_pi = out_pi - tf.reduce_max(out_pi, 1, keepdims=True)
        out_pi = tf.exp(out_pi)  # SAFE: the maximum was subtracted on the line before
        pi = out_pi * tf.reciprocal(tf.reduce_sum(out_pi, 1, keepdims=True))  # SAFE: one term of the sum is exp(0) = 1
        sigma = tf.exp(tf.clip_by_value(out_sigma, -4.0, 4.0))  # SAFE: exponent is clipped to [-4, 4]
        return pi, sigma, mu

    def normal(self, y):
        z = (y - self.mu) / self.sigma  # SAFE: sigma is at least exp(-4)
        return tf.exp(-0.5 * tf.square(z)) * self.inv_sqrt_two_pi / self.sigma  # SAFE: exponent is never positive and sigma is at least exp(-4)

    def nll(self, y):
        density = tf.reduce_sum(self.normal(y) * self.pi, 1, keepdims=True)
        return tf.reduce_mean(-tf.log(density))  # BUG: log-zero, the density underflows to 0 for a target more than about 14 sigma away from every component

    def build_train(self, args):
        ent = -tf.reduce_mean(tf.reduce_sum(self.pi * tf.log(tf.maximum(self.pi, 1e-8)), 1))  # SAFE: argument is floored at 1e-8
        tf.summary.scalar("nll", self.loss)
        tf.summary.scalar("pi_entropy", ent)
        self.step = tf.train.get_or_create_global_step()
        lr = tf.train.exponential_decay(args.lr, self.step, 2000, 0.9)
        opt = tf.train.AdamOptimizer(lr)
        self.gv = opt.compute_gradients(self.loss - args.entropy * ent)
        self.train_op = opt.apply_gradients(self.gv, self.step)


def sample(pi, mu, sigma, rng):
    cum = np.cumsum(pi / pi.sum(1, keepdims=True), 1)  # SAFE: the mixture weights of a row sum to about one
    pick = np.minimum((rng.uniform(size=(len(pi), 1)) > cum).sum(1), pi.shape[1] - 1)
    rows = np.arange(len(pi))
    return mu[rows, pick] + rng.normal(size=len(pi)) * sigma[rows, pick]


def get_args(argv=None):
    p = argparse.ArgumentParser()
    p.add_argument("--csv", default="")
    p.add_argument("--n", type=int, default=2500)
    p.add_argument("--components", type=int, default=8)
    p.add_argument("--hidden", type=int, default=24)
    p.add_argument("--entropy", type=float, default=0.0)
    p.add_argument("--lr", type=float, default=5e-3)
    p.add_argument("--batch_size", type=int, default=250)
    p.add_argument("--steps", type=int, default=10000)
    p.add_argument("--out", default="mdn_out")
    return p.parse_args(argv)


def main():
    args = get_args()
    rng = np.random.RandomState(7)
    x, y = load_or_make(args.csv, args.n, rng)
    x = InputScaler().fit(x)(x)
    model, saver = MDN(args), tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for i in range(args.steps):
            idx = rng.randint(0, len(x), args.batch_size)
            _, nll = sess.run([model.train_op, model.loss], {model.x: x[idx], model.y: y[idx]})
            if i % 500 == 0:
                print("step %5d nll %.4f" % (i, nll))
        pi, mu, sigma = sess.run([model.pi, model.mu, model.sigma], {model.x: x})
        np.save(os.path.join(args.out, "samples.npy"), sample(pi, mu, sigma, rng))
        saver.save(sess, os.path.join(args.out, "mdn"))


if __name__ == "__main__":
    main()
