"""Denoising autoencoder for single-cell counts with a zero-inflated NB likelihood.

Follows the ideas of DCA (Eraslan et al. 2019), rewritten for a TF 2 training loop.
"""
import argparse
import logging
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

log = logging.getLogger("zinb")
EPS = 1e-8


def load_counts(path):
    with np.load(path) as f:
        m = f["counts"]
    m = m[:, m.sum(0) > 0]
    m = m[m.sum(1) > 0]
    log.info("%d cells, %d genes", *m.shape)
    return m.astype(np.float32)


def normalise(counts):
    """Returns network input and size factors."""
    total = counts.sum(1, keepdims=True)
    total = np.maximum(total, 1.0)
    sf = total / np.median(total)  # SAFE: total is at least 1, so the median is too
    z = np.log1p(counts / sf)  # SAFE: counts >= 0 and sf > 0
    mean, std = z.mean(0), z.std(0)
    z = (z - mean) / np.where(std > 1e-3, std, 1.0)  # SAFE: small std replaced by 1
    return np.clip(z, -10, 10).astype(np.float32), sf.astype(np.float32)


def mean_act(x):
    return tf.exp(tf.clip_by_value(x, -11.0, 13.0))  # SAFE: exponent is clipped to [-11, 13]


def disp_act(x):
    return tf.clip_by_value(tf.nn.softplus(x), 1e-4, 1e4)


class ZINBAutoencoder(tf.keras.Model):
    def __init__(self, n_genes, hidden=(64, 32, 64), dropout=0.1):
        super().__init__()
        self.blocks = []
        for h in hidden:
            self.blocks.append((layers.Dense(h), layers.BatchNormalization(), layers.Dropout(dropout)))
        self.layers_flat = [l for b in self.blocks for l in b]
        self.mu = layers.Dense(n_genes)
        self.theta = layers.Dense(n_genes)
        self.pi = layers.Dense(n_genes)

    def call(self, x, sf, training=False):
        for d, bn, do in self.blocks:
            x = do(tf.nn.relu(bn(d(x), training=training)), training=training)
        return mean_act(self.mu(x)) * sf, disp_act(self.theta(x)), self.pi(x)


def nb_log_prob(y, mu, theta):
    log_theta_mu = tf.math.log(theta + mu + EPS)  # SAFE: theta >= 1e-4
    return (theta * (tf.math.log(theta + EPS) - log_theta_mu)  # SAFE: theta >= 1e-4 by disp_act
            + y * (tf.math.log(mu + EPS) - log_theta_mu)  # SAFE: mu >= exp(-11) * sf, and 1e-8 on top is a float32 number
            + tf.math.lgamma(y + theta) - tf.math.lgamma(theta) - tf.math.lgamma(y + 1.0))  # SAFE: all arguments are > 0, theta in [1e-4, 1e4] and counts are >= 0


def zinb_log_prob(y, mu, theta, pi_logits):
    """pi is kept as a logit: log pi = -softplus(-l), log(1-pi) = -softplus(l)."""
    nb_zero = theta * (tf.math.log(theta + EPS) - tf.math.log(theta + mu + EPS))  # SAFE: theta bounded below
    case_zero = tf.nn.softplus(-pi_logits + nb_zero) - tf.nn.softplus(-pi_logits)
    case_pos = -tf.nn.softplus(pi_logits) + nb_log_prob(y, mu, theta)
    return tf.where(y < 0.5, case_zero, case_pos)  # SAFE: both branches are finite for all counts, so the where does not hide anything


class RidgePi:
    def __init__(self, weight):
        self.weight = weight

    def __call__(self, logits):
        return self.weight * tf.reduce_mean(tf.square(tf.sigmoid(logits)))


def train(model, x, sf, y, args):
    opt = tf.keras.optimizers.RMSprop(args.lr, clipvalue=5.0)
    ridge = RidgePi(args.ridge)

    @tf.function
    def step(xb, sb, yb):
        with tf.GradientTape() as tape:
            mu, theta, pi = model(xb, sb, training=True)
            nll = -tf.reduce_mean(zinb_log_prob(yb, mu, theta, pi))
            loss = nll + ridge(pi)
        v = model.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, v), v))
        return nll

    ds = tf.data.Dataset.from_tensor_slices((x, sf, y)).shuffle(len(x)).batch(args.batch)
    best, wait = np.inf, 0
    for ep in range(args.epochs):
        nll = float(np.mean([float(step(*b)) for b in ds]))
        log.info("epoch %d nll %.4f", ep, nll)
        if nll < best - 1e-4:
            best, wait = nll, 0
        else:
            wait += 1
            if wait >= 15:
                break
            if wait % 10 == 0:
                opt.learning_rate.assign(opt.learning_rate * 0.1)
    return best


def dropout_rate(y):
    z = (y == 0).mean(0)
    m = y.mean(0)
    return np.log10(m + 1e-3), z  # SAFE: means of counts are >= 0


def correlation(a, b):
    a, b = a - a.mean(0), b - b.mean(0)
    return (a * b).sum(0) / (np.sqrt((a ** 2).sum(0) * (b ** 2).sum(0)) + 1e-9)  # SAFE: numpy float, denominator is at least 1e-9


def main():
    p = argparse.ArgumentParser()
    p.add_argument("counts")
    p.add_argument("--epochs", type=int, default=300)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--ridge", type=float, default=0.01)
    p.add_argument("--out", default="denoised.npy")
    args = p.parse_args()
    logging.basicConfig(level=logging.INFO)
    y = load_counts(args.counts)
    x, sf = normalise(y)
    model = ZINBAutoencoder(y.shape[1])
    train(model, x, sf, y, args)
    mu, _, _ = model(x, np.ones_like(sf))
    log.info("median gene correlation %.3f", np.median(correlation(np.log1p(mu.numpy()), np.log1p(y))))  # SAFE: log1p of non-negative values
    np.save(args.out, mu.numpy())


if __name__ == "__main__":
    main()
