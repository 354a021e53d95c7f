"""RealNVP density estimation on tabular data (POWER / GAS style npy files)."""
import argparse
import math

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


def load(path):
    x = np.load(path).astype(np.float32)
    mu, sd = x.mean(0), x.std(0)
    keep = sd > 1e-5
    x = (x[:, keep] - mu[keep]) / sd[keep]  # SAFE: constant columns are dropped first
    return np.clip(x, -20.0, 20.0)


class Coupling(tf.keras.layers.Layer):
    def __init__(self, dim, hidden, parity):
        super().__init__()
        m = (np.arange(dim) % 2 == parity).astype(np.float32)
        self.mask = tf.constant(m)
        self.net = tf.keras.Sequential([
            layers.Dense(hidden, activation="tanh"),
            layers.Dense(hidden, activation="tanh"),
            layers.Dense(2 * dim, kernel_initializer="zeros"),
        ])
        self.scale = self.add_weight(shape=(dim,), initializer="ones", name="scale")

    def params(self, x):
        s, t = tf.split(self.net(x * self.mask), 2, axis=-1)
        s = tf.clip_by_value(self.scale, -3.0, 3.0) * tf.tanh(s)
        free = 1.0 - self.mask
        return s * free, t * free

    def call(self, x):
        s, t = self.params(x)
        return x * tf.exp(s) + t, tf.reduce_sum(s, -1)  # SAFE: |s| is at most 3

    def inverse(self, y):
        s, t = self.params(y)
        return (y - t) * tf.exp(-s)  # SAFE: |s| is at most 3


class ActNorm(tf.keras.layers.Layer):
    def __init__(self, dim):
        super().__init__()
        self.log_s = self.add_weight(shape=(dim,), initializer="zeros", name="log_s")
        self.b = self.add_weight(shape=(dim,), initializer="zeros", name="b")

    def initialise(self, x):
        m = tf.reduce_mean(x, 0)
        sd = tf.math.reduce_std(x, 0)
        self.log_s.assign(-tf.math.log(tf.maximum(sd, 1e-3)))  # SAFE: deviation floored at 1e-3
        self.b.assign(-m)

    def logs(self):
        return tf.clip_by_value(self.log_s, -4.0, 4.0)

    def call(self, x):
        return (x + self.b) * tf.exp(self.logs()), tf.reduce_sum(self.logs())  # SAFE: clipped in logs()

    def inverse(self, y):
        return y * tf.exp(-self.logs()) - self.b  # SAFE: clipped in logs()


class SoftClamp(tf.keras.layers.Layer):
    """y = asinh(x), a bijection with a heavy-tail friendly log-determinant."""

    def call(self, x):
        return tf.asinh(x), -0.5 * tf.reduce_sum(tf.math.log(1.0 + tf.square(x)), -1)  # SAFE: argument is at least 1

    def inverse(self, y):
        return tf.sinh(tf.clip_by_value(y, -12.0, 12.0))  # SAFE: clipped, sampling only


class Flow(tf.keras.Model):
    def __init__(self, dim, depth=6, hidden=64):
        super().__init__()
        self.dim = dim
        self.steps = [SoftClamp()]
        for i in range(depth):
            self.steps += [ActNorm(dim), Coupling(dim, hidden, i % 2)]

    def log_prob(self, x):
        total = 0.0
        for s in self.steps:
            x, ld = s(x)
            total += ld
        return total - 0.5 * tf.reduce_sum(tf.square(x), -1) - 0.5 * self.dim * math.log(2 * math.pi)  # SAFE: constant

    def data_init(self, x):
        for s in self.steps:
            if isinstance(s, ActNorm):
                s.initialise(x)
            x, _ = s(x)

    def sample(self, n):
        x = tf.random.normal([n, self.dim])
        for s in reversed(self.steps):
            x = s.inverse(x)
        return x


@tf.function
def train_step(flow, opt, x):
    with tf.GradientTape() as tape:
        nll = -tf.reduce_mean(flow.log_prob(x))
    g = tape.gradient(nll, flow.trainable_variables)
    g, norm = tf.clip_by_global_norm(g, 5.0)  # SAFE: clip_by_global_norm is defined for a zero norm
    ok = tf.math.is_finite(norm)
    opt.apply_gradients([(tf.where(ok, a, tf.zeros_like(a)), v) for a, v in zip(g, flow.trainable_variables)])
    return nll


def evaluate(flow, x, batch=2000):
    return float(np.mean(np.concatenate([flow.log_prob(x[i:i + batch]).numpy() for i in range(0, len(x), batch)])))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="power/train.npy")
    ap.add_argument("--depth", type=int, default=6)
    ap.add_argument("--batch", type=int, default=256)
    ap.add_argument("--epochs", type=int, default=50)
    ap.add_argument("--lr", type=float, default=5e-4)
    a = ap.parse_args()
    x = load(a.train)
    np.random.shuffle(x)
    cut = int(0.9 * len(x))
    flow = Flow(x.shape[1], a.depth)
    flow.data_init(tf.constant(x[:2000]))
    opt = tf.keras.optimizers.Adam(a.lr)
    ds = tf.data.Dataset.from_tensor_slices(x[:cut]).shuffle(100000).batch(a.batch, drop_remainder=True)
    best = -np.inf
    for epoch in range(a.epochs):
        for xb in ds:
            nll = train_step(flow, opt, xb)
        ll = evaluate(flow, x[cut:])
        if ll > best:
            best = ll
            flow.save_weights("flow.weights.h5")
        print("epoch %d train %.3f valid %.3f" % (epoch, -float(nll), ll))


if __name__ == "__main__":
    main()
