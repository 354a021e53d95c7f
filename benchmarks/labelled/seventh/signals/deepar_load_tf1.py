# -*- coding: utf-8 -*-
"""Probabilistic load forecasting with an LSTM (DeepAR style), TF 1.x graph code.

Input: npz with `load` [series, hours] in kW (solar sites deliver exact zeros at night)
"""
from __future__ import print_function

import argparse
import collections
import math
import os

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()

HParams = collections.namedtuple("HParams", [
    "context", "horizon", "hidden", "likelihood", "lr", "clip", "batch", "min_scale"])

DEFAULTS = HParams(context=72, horizon=24, hidden=40, likelihood="gaussian",
                   lr=1e-3, clip=10.0, batch=64, min_scale=1e-3)
HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)  # SAFE: constant


def lstm_cell(name, x, state, units):
    c, h = state
    with tf.variable_scope(name, reuse=tf.AUTO_REUSE):
        n_in = int(x.shape[-1]) + units
        w = tf.get_variable("w", [n_in, 4 * units], initializer=tf.glorot_uniform_initializer())
        b = tf.get_variable("b", [4 * units], initializer=tf.zeros_initializer())
        i, f, o, g = tf.split(tf.matmul(tf.concat([x, h], 1), w) + b, 4, axis=1)
        c = tf.sigmoid(f + 1.0) * c + tf.sigmoid(i) * tf.tanh(g)
        return c, tf.sigmoid(o) * tf.tanh(c)


def dense(name, x, units, activation=None):
    with tf.variable_scope(name, reuse=tf.AUTO_REUSE):
        w = tf.get_variable("w", [int(x.shape[-1]), units], initializer=tf.glorot_uniform_initializer())
        b = tf.get_variable("b", [units], initializer=tf.zeros_initializer())
        y = tf.matmul(x, w) + b
        return activation(y) if activation else y


def window_scale(context):
    """Mean load of the context, the DeepAR scale nu = 1 + mean."""
    nu = 1.0 + tf.reduce_mean(tf.abs(context), axis=1, keepdims=True)
    return nu


class GaussianHead(object):
    names = ("mu", "sigma")

    def params(self, h, nu):
        mu = dense("mu", h, 1) * nu
        sigma = dense("sigma", h, 1, tf.nn.relu) * nu
        return mu, sigma

    def nll(self, y, mu, sigma):
        z = (y - mu) / sigma  # BUG: div-zero, sigma is a relu output and is exactly 0 for about half of the hidden states
        return 0.5 * tf.square(z) + tf.log(sigma) + HALF_LOG_2PI  # BUG: log-zero, log of the relu output sigma

    def mean(self, mu, sigma):
        return mu


class StudentHead(object):
    names = ("mu", "sigma", "dof")

    def __init__(self, hp):
        self.hp = hp

    def params(self, h, nu):
        mu = dense("mu", h, 1) * nu
        sigma = (tf.nn.softplus(dense("sigma", h, 1)) + self.hp.min_scale) * nu
        dof = 2.0 + tf.nn.softplus(dense("dof", h, 1))
        return mu, sigma, dof

    def nll(self, y, mu, sigma, dof):
        z = (y - mu) / sigma  # SAFE: sigma >= min_scale 1e-3 times nu >= 1
        return (tf.lgamma(0.5 * dof) - tf.lgamma(0.5 * (dof + 1.0))  # SAFE: dof >= 2, lgamma is taken at 1 and above
                + 0.5 * tf.log(dof * math.pi) + tf.log(sigma)  # SAFE: dof >= 2 and sigma >= 1e-3
                + 0.5 * (dof + 1.0) * tf.log1p(tf.square(z) / dof))  # SAFE: log1p of a non-negative ratio, dof >= 2

    def mean(self, mu, sigma, dof):
        return mu


class NegBinHead(object):
    names = ("mu", "alpha")

    def params(self, h, nu):
        mu = tf.nn.softplus(dense("mu", h, 1)) * nu + 1e-4
        alpha = tf.nn.softplus(dense("alpha", h, 1)) / tf.sqrt(nu) + 1e-4  # SAFE: nu >= 1 by window_scale
        return mu, alpha

    def nll(self, y, mu, alpha):
        r = 1.0 / alpha  # SAFE: alpha >= 1e-4
        ll = tf.lgamma(y + r) - tf.lgamma(y + 1.0) - tf.lgamma(r)  # SAFE: r > 0 and y >= 0 (loads are clipped at 0 in load_series)
        ll += r * (-tf.log1p(alpha * mu)) + y * (tf.log(alpha * mu) - tf.log1p(alpha * mu))  # SAFE: mu and alpha are both at least 1e-4
        return -ll

    def mean(self, mu, alpha):
        return mu


def make_head(hp):
    return {"gaussian": GaussianHead, "student": lambda: StudentHead(hp), "negbin": NegBinHead}[hp.likelihood]()


class Forecaster(object):
    def __init__(self, hp, n_cov):
        self.hp = hp
        total = hp.context + hp.horizon
        self.y = tf.placeholder(tf.float32, [None, total], "y")
        self.cov = tf.placeholder(tf.float32, [None, total, n_cov], "cov")
        self.head = make_head(hp)
        n = tf.shape(self.y)[0]
        nu = window_scale(self.y[:, :hp.context])
        scaled = self.y / nu  # SAFE: nu is one plus a mean of absolute values
        state = (tf.zeros([n, hp.hidden]), tf.zeros([n, hp.hidden]))
        losses, means = [], []
        for t in range(1, total):
            x = tf.concat([scaled[:, t - 1:t], self.cov[:, t]], 1)
            state = lstm_cell("lstm", x, state, hp.hidden)
            p = self.head.params(state[1], nu)
            losses.append(self.head.nll(self.y[:, t:t + 1], *p))
            means.append(self.head.mean(*p))
        self.loss = tf.reduce_mean(tf.concat(losses, 1))
        self.forecast = tf.concat(means[hp.context - 1:], 1)
        target = self.y[:, hp.context:]
        self.nd = tf.reduce_sum(tf.abs(target - self.forecast)) / tf.maximum(tf.reduce_sum(tf.abs(target)), 1.0)  # SAFE: floored at 1, a dark night gives a sum of 0
        v = tf.trainable_variables()
        grads, self.norm = tf.clip_by_global_norm(tf.gradients(self.loss, v), hp.clip)
        self.train_op = tf.train.AdamOptimizer(hp.lr).apply_gradients(zip(grads, v))


def load_series(path):
    with np.load(path) as z:
        load = np.nan_to_num(z["load"]).astype(np.float32)
    return np.clip(load, 0.0, None)


def covariates(n_hours):
    t = np.arange(n_hours)
    out = [np.sin(2 * np.pi * t / 24.0), np.cos(2 * np.pi * t / 24.0),
           np.sin(2 * np.pi * t / 168.0), np.cos(2 * np.pi * t / 168.0)]
    return np.stack(out, 1).astype(np.float32)


def sample_batch(load, cov, hp, rng):
    total = hp.context + hp.horizon
    i = rng.randint(0, load.shape[0], hp.batch)
    s = rng.randint(0, load.shape[1] - total + 1, hp.batch)
    y = np.stack([load[a, b:b + total] for a, b in zip(i, s)])
    c = np.stack([cov[b:b + total] for b in s])
    return y, c


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("npz")
    ap.add_argument("--likelihood", default=DEFAULTS.likelihood)
    ap.add_argument("--steps", type=int, default=20000)
    ap.add_argument("--logdir", default="deepar_ckpt")
    a = ap.parse_args()
    hp = DEFAULTS._replace(likelihood=a.likelihood)
    load = load_series(a.npz)
    cov = covariates(load.shape[1])
    rng = np.random.RandomState(7)
    model = Forecaster(hp, cov.shape[1])
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for step in range(a.steps):
            y, c = sample_batch(load, cov, hp, rng)
            _, loss, nd, norm = sess.run([model.train_op, model.loss, model.nd, model.norm],
                                         {model.y: y, model.cov: c})
            if step % 200 == 0:
                print("step", step, "nll", loss, "ND", nd, "grad", norm)
                saver.save(sess, os.path.join(a.logdir, "m"), global_step=step)


if __name__ == "__main__":
    main()
