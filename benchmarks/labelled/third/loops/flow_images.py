"""RealNVP on 8x8 digits with a logit preprocessing layer.

Follows Dinh et al. 2017, only the fully connected variant.
"""
import argparse
import math

import numpy as np
import tensorflow as tf


class LogitTransform(tf.Module):
    """x in [0, 1] -> logit(alpha + (1 - 2 alpha) x), with log det."""

    def __init__(self, alpha):
        super().__init__()
        self.alpha = alpha

    def forward(self, x):
        s = self.alpha + (1.0 - 2.0 * self.alpha) * x
        y = tf.math.log(s) - tf.math.log(1.0 - s)  # BUG: log-zero, main passes alpha 0 and background pixels are exactly 0 (no dequantisation noise is added to them)
        ldj = -tf.math.log(s) - tf.math.log(1.0 - s) + math.log(1.0 - 2.0 * self.alpha)  # BUG: log-zero, s is 0 or 1 as in the line above
        return y, tf.reduce_sum(ldj, axis=1)

    def inverse(self, y):
        s = tf.sigmoid(y)
        return (s - self.alpha) / (1.0 - 2.0 * self.alpha)  # SAFE: alpha is 0 or a small constant, divisor near 1


class Coupling(tf.keras.layers.Layer):
    def __init__(self, dim, hidden, flip):
        super().__init__()
        mask = np.arange(dim) % 2
        self.mask = tf.constant(1 - mask if flip else mask, tf.float32)
        self.net = tf.keras.Sequential([
            tf.keras.layers.Dense(hidden, activation="relu"),
            tf.keras.layers.Dense(hidden, activation="relu"),
        ])
        self.s_out = tf.keras.layers.Dense(dim, activation="tanh")
        self.t_out = tf.keras.layers.Dense(dim)
        self.s_scale = self.add_weight(name="s_scale", shape=(dim,), initializer="ones",
                                       constraint=lambda w: tf.clip_by_value(w, -3.0, 3.0))

    def _st(self, x_masked):
        h = self.net(x_masked)
        s = self.s_scale * self.s_out(h) * (1.0 - self.mask)
        t = self.t_out(h) * (1.0 - self.mask)
        return s, t

    def call(self, x):
        xm = x * self.mask
        s, t = self._st(xm)
        y = xm + (1.0 - self.mask) * (x * tf.exp(s) + t)  # SAFE: s is tanh times a scale constrained to [-3, 3]
        return y, tf.reduce_sum(s, axis=1)

    def inverse(self, y):
        ym = y * self.mask
        s, t = self._st(ym)
        return ym + (1.0 - self.mask) * (y - t) * tf.exp(-s)  # SAFE: |s| <= 3


class RealNVP(tf.keras.Model):
    def __init__(self, dim, n_blocks, hidden, alpha):
        super().__init__()
        self.dim = dim
        self.pre = LogitTransform(alpha)
        self.blocks = [Coupling(dim, hidden, flip=i % 2 == 1) for i in range(n_blocks)]

    def log_prob(self, x):
        z, ldj = self.pre.forward(x)
        for b in self.blocks:
            z, d = b(z)
            ldj += d
        log_pz = -0.5 * tf.reduce_sum(tf.square(z), 1) - 0.5 * self.dim * math.log(2 * math.pi)
        return log_pz + ldj

    def sample(self, n):
        z = tf.random.normal((n, self.dim))
        for b in reversed(self.blocks):
            z = b.inverse(z)
        return self.pre.inverse(z)


def load_digits(path, levels=16):
    arr = np.loadtxt(path, delimiter=",", dtype=np.float32)
    x = arr[:, :64]
    return np.clip(x / levels, 0.0, 1.0)  # SAFE: levels is a constant 16


def bits_per_dim(log_prob, dim, levels=16):
    return (-log_prob / dim + math.log(levels)) / math.log(2.0)  # SAFE: constants


def make_dataset(x, batch):
    ds = tf.data.Dataset.from_tensor_slices(x)
    return ds.shuffle(4096).batch(batch, drop_remainder=True).prefetch(2)


@tf.function
def train_step(model, opt, x):
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(model.log_prob(x))
    g = tape.gradient(loss, model.trainable_variables)
    g, norm = tf.clip_by_global_norm(g, 50.0)
    opt.apply_gradients(zip(g, model.trainable_variables))
    return loss, norm


def main(argv=None):
    p = argparse.ArgumentParser()
    p.add_argument("--data", default="optdigits.tra")
    p.add_argument("--epochs", type=int, default=100)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--alpha", type=float, default=0.0, help="boundary of the logit, 0.05 in the paper")
    p.add_argument("--blocks", type=int, default=8)
    args = p.parse_args(argv)
    x = load_digits(args.data)
    model = RealNVP(64, args.blocks, 256, args.alpha)
    opt = tf.keras.optimizers.Adam(1e-4)
    opt_steps = 0
    for epoch in range(args.epochs):
        tot = 0.0
        for batch in make_dataset(x, args.batch):
            loss, norm = train_step(model, opt, batch)
            tot += float(loss)
            opt_steps += 1
        n = max(len(x) // args.batch, 1)
        print(f"epoch {epoch} nll {tot / n:.3f} bpd {bits_per_dim(-tot / n, 64):.3f} |g| {float(norm):.2f}")  # SAFE: n is at least 1
    np.save("samples.npy", model.sample(64).numpy())


if __name__ == "__main__":
    main()
