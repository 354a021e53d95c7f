"""Mixture density network for an inverse kinematics problem."""
import argparse
import math
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

SQRT_2PI = math.sqrt(2.0 * math.pi)


def forward_arm(theta, l1=1.0, l2=0.8):
    x = l1 * np.cos(theta[:, 0]) + l2 * np.cos(theta[:, 0] + theta[:, 1])
    y = l1 * np.sin(theta[:, 0]) + l2 * np.sin(theta[:, 0] + theta[:, 1])
    return np.stack([x, y], axis=1)


def sample_problem(n, seed=0, noise=0.01):
    rng = np.random.default_rng(seed)
    theta = rng.uniform([-1.5, 0.2], [1.5, 2.8], size=(n, 2))
    pos = forward_arm(theta) + rng.normal(0.0, noise, size=(n, 2))
    return pos.astype(np.float32), theta.astype(np.float32)


class Scaler:
    def __init__(self, x):
        self.mean = x.mean(0)
        self.std = x.std(0) + 1e-6

    def __call__(self, x):
        return (x - self.mean) / self.std  # SAFE: 1e-6 added to a non negative std

    def inverse(self, z):
        return z * self.std + self.mean


class MixtureHead(layers.Layer):
    def __init__(self, n_mix, out_dim):
        super().__init__()
        self.n_mix, self.out_dim = n_mix, out_dim
        self.logits = layers.Dense(n_mix)
        self.mu = layers.Dense(n_mix * out_dim)
        self.sigma = layers.Dense(n_mix * out_dim, activation="elu")

    def call(self, h):
        shape = [-1, self.n_mix, self.out_dim]
        pi = tf.nn.softmax(self.logits(h))
        mu = tf.reshape(self.mu(h), shape)
        sigma = tf.reshape(self.sigma(h), shape) + 1.0
        return pi, mu, sigma


class MDN(tf.keras.Model):
    def __init__(self, n_mix=5, out_dim=2, hidden=64, l2=1e-5):
        super().__init__()
        reg = tf.keras.regularizers.L2(l2)
        self.body = tf.keras.Sequential([
            layers.Dense(hidden, activation="tanh", kernel_regularizer=reg),
            layers.Dense(hidden, activation="tanh", kernel_regularizer=reg),
        ])
        self.head = MixtureHead(n_mix, out_dim)
        self.nll_metric = tf.keras.metrics.Mean(name="nll")
        self.usage_metric = tf.keras.metrics.Mean(name="components")

    def call(self, x, training=False):
        return self.head(self.body(x))

    @staticmethod
    def component_pdf(y, mu, sigma):
        z = (y[:, None, :] - mu) / sigma  # BUG: div-zero, elu(x) + 1 is exactly 0 below about -17
        norm = 1.0 / (SQRT_2PI * sigma)  # BUG: div-zero, sigma can be exactly 0
        kernel = tf.exp(-0.5 * tf.square(z))  # SAFE: the exponent is never positive
        return tf.reduce_prod(norm * kernel, axis=-1)

    def nll(self, y, pi, mu, sigma):
        pdf = self.component_pdf(y, mu, sigma)
        return -tf.math.log(tf.reduce_sum(pi * pdf, axis=-1))  # BUG: log-zero, every component underflows for a target about 14 sigma away

    @staticmethod
    def effective_components(pi):
        h = -tf.reduce_sum(pi * tf.math.log(pi + 1e-10), axis=-1)  # SAFE: 1e-10 is added to a probability
        return tf.exp(h)  # SAFE: entropy is at most log(n_mix)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            pi, mu, sigma = self(x, training=True)
            nll = tf.reduce_mean(self.nll(y, pi, mu, sigma))
            loss = nll + tf.add_n(self.losses)
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        self.nll_metric.update_state(nll)
        self.usage_metric.update_state(self.effective_components(pi))
        return {"nll": self.nll_metric.result(), "components": self.usage_metric.result()}

    def sample(self, x, temperature=1.0, rng=None):
        rng = rng or np.random.default_rng()
        pi, mu, sigma = (t.numpy() for t in self(x))
        logits = np.log(np.maximum(pi, 1e-12)) / max(temperature, 1e-3)  # SAFE: both floored
        logits -= logits.max(axis=1, keepdims=True)
        p = np.exp(logits)  # SAFE: row maximum subtracted
        p /= p.sum(axis=1, keepdims=True)  # SAFE: the largest entry is exp(0) = 1
        k = np.array([rng.choice(len(row), p=row) for row in p])
        rows = np.arange(len(k))
        return mu[rows, k] + sigma[rows, k] * rng.normal(size=mu[rows, k].shape)


def arm_error(pos, theta):
    d = forward_arm(theta) - pos
    return float(np.mean(np.sqrt(np.sum(d * d, axis=1))))  # SAFE: numpy evaluation only, sum of squares


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--n", type=int, default=20000)
    p.add_argument("--mix", type=int, default=5)
    p.add_argument("--epochs", type=int, default=100)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--out", default="runs/mdn")
    args = p.parse_args()
    os.makedirs(args.out, exist_ok=True)
    pos, theta = sample_problem(args.n)
    sx, sy = Scaler(pos), Scaler(theta)
    ds = tf.data.Dataset.from_tensor_slices((sx(pos), sy(theta))).shuffle(args.n).batch(256)
    model = MDN(args.mix)
    model.compile(optimizer=tf.keras.optimizers.Adam(args.lr))
    model.fit(ds, epochs=args.epochs, callbacks=[tf.keras.callbacks.CSVLogger(os.path.join(args.out, "log.csv"))])
    pos_t, _ = sample_problem(1000, seed=1)
    theta_t = sy.inverse(model.sample(sx(pos_t), temperature=0.5))
    print("end effector error", arm_error(pos_t, theta_t))


if __name__ == "__main__":
    main()
