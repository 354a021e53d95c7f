"""Denoising diffusion on 2-D toy densities. Small, but complete: cosine schedule, EMA, DDIM, likelihood bound."""
import argparse
import math

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


def rings(n, rng):
    k = rng.integers(1, 4, n)
    th = rng.uniform(0, 2 * np.pi, n)
    r = k + 0.05 * rng.standard_normal(n)
    return (np.stack([r * np.cos(th), r * np.sin(th)], 1) / 2.0).astype("f4")


def moons(n, rng):
    t = rng.uniform(0, np.pi, n)
    side = rng.integers(0, 2, n)
    x = np.where(side, 1 - np.cos(t), np.cos(t))
    y = np.where(side, 0.5 - np.sin(t), np.sin(t))
    return (np.stack([x - 0.5, y - 0.25], 1) + 0.05 * rng.standard_normal((n, 2))).astype("f4")


class CosineSchedule:
    """All tables are built in float64 and stored as float32."""

    def __init__(self, steps=200, s=0.008, max_beta=0.999):
        t = np.linspace(0, steps, steps + 1) / steps
        f = np.cos((t + s) / (1 + s) * np.pi / 2) ** 2
        abar = f / f[0]  # SAFE: f[0] is cos(small)^2, close to 1
        beta = np.clip(1.0 - abar[1:] / abar[:-1], 1e-5, max_beta)  # SAFE: abar[:-1] ends before the zero of the cosine
        alpha = 1.0 - beta
        abar = np.cumprod(alpha)
        prev = np.concatenate([[1.0], abar[:-1]])
        self.steps = steps
        self.beta, self.alpha, self.abar = (self._c(v) for v in (beta, alpha, abar))
        self.sqrt_abar = self._c(np.sqrt(abar))  # SAFE: product of numbers >= 0.001 in (0, 1), float64
        self.sqrt_one_minus = self._c(np.sqrt(1.0 - abar))  # SAFE: abar <= 1 - 1e-5
        self.inv_sqrt_alpha = self._c(1.0 / np.sqrt(alpha))  # SAFE: alpha >= 0.001
        post = beta * (1.0 - prev) / (1.0 - abar)  # SAFE: 1 - abar >= 1e-5
        self.post_log_var = self._c(np.log(np.append(post[1], post[1:])))  # SAFE: the zero of step 0 is replaced by step 1
        self.snr = self._c(abar / (1.0 - abar))  # SAFE: 1 - abar >= 1e-5

    @staticmethod
    def _c(v):
        return tf.constant(v, tf.float32)


def time_features(t, dim=32):
    freq = tf.exp(-math.log(1e4) * tf.range(dim // 2, dtype=tf.float32) / (dim // 2))  # SAFE: exponent <= 0, dim is 32
    a = tf.cast(t, tf.float32)[:, None] * freq
    return tf.concat([tf.sin(a), tf.cos(a)], -1)


class Denoiser(tf.keras.Model):
    def __init__(self, width=128, depth=3):
        super().__init__()
        self.inp = layers.Dense(width)
        self.blocks = [(layers.LayerNormalization(), layers.Dense(width, "silu"), layers.Dense(width)) for _ in range(depth)]
        self.flat = [l for b in self.blocks for l in b]
        self.temb = layers.Dense(width, "silu")
        self.out = layers.Dense(2, kernel_initializer="zeros")

    def call(self, x, t):
        e = self.temb(time_features(t))
        h = self.inp(x)
        for n, a, b in self.blocks:
            h = h + b(a(n(h) + e))
        return self.out(h)


class Diffusion:
    def __init__(self, net, sched, gamma=5.0):
        self.net, self.s, self.gamma = net, sched, gamma

    def q_sample(self, x0, t, eps):
        return tf.gather(self.s.sqrt_abar, t)[:, None] * x0 + tf.gather(self.s.sqrt_one_minus, t)[:, None] * eps

    def predict_x0(self, x, t, eps):
        x0 = (x - tf.gather(self.s.sqrt_one_minus, t)[:, None] * eps) / tf.maximum(tf.gather(self.s.sqrt_abar, t)[:, None], 1e-3)  # SAFE: divisor floored at 1e-3
        return tf.clip_by_value(x0, -3.0, 3.0)

    def loss(self, x0):
        n = tf.shape(x0)[0]
        t = tf.random.uniform([n], 0, self.s.steps, tf.int32)
        eps = tf.random.normal(tf.shape(x0))
        err = tf.reduce_mean(tf.square(self.net(self.q_sample(x0, t, eps), t) - eps), -1)
        snr = tf.gather(self.s.snr, t)
        w = tf.minimum(snr, self.gamma) / tf.maximum(snr, 1e-8)  # SAFE: snr floored, the ratio is at most 1
        return tf.reduce_mean(w * err)

    def ddim(self, n, steps=25):
        ts = np.linspace(self.s.steps - 1, 0, steps).astype(np.int32)
        x = tf.random.normal([n, 2])
        for i, t in enumerate(ts):
            tt = tf.fill([n], t)
            eps = self.net(x, tt)
            x0 = self.predict_x0(x, tt, eps)
            if i + 1 == len(ts):
                return x0
            a = self.s.abar[int(ts[i + 1])]
            x = tf.sqrt(a) * x0 + tf.sqrt(1.0 - a) * eps  # SAFE: abar lies in (0, 1 - 1e-5]
        return x

    def ancestral(self, n):
        x = tf.random.normal([n, 2])
        for t in reversed(range(self.s.steps)):
            eps = self.net(x, tf.fill([n], t))
            mean = self.s.inv_sqrt_alpha[t] * (x - self.s.beta[t] / self.s.sqrt_one_minus[t] * eps)  # SAFE: sqrt(1 - abar) >= 0.003
            if t:
                mean += tf.exp(0.5 * self.s.post_log_var[t]) * tf.random.normal(tf.shape(x))  # SAFE: posterior variance is below 1
            x = tf.clip_by_value(mean, -10.0, 10.0)
        return x


class EMA:
    def __init__(self, model, decay=0.999):
        self.m, self.k = model, decay
        self.shadow = [tf.identity(v) for v in model.trainable_variables]

    def update(self):
        self.shadow = [self.k * s + (1 - self.k) * v for s, v in zip(self.shadow, self.m.trainable_variables)]

    def swap(self):
        cur = [tf.identity(v) for v in self.m.trainable_variables]
        for v, s in zip(self.m.trainable_variables, self.shadow):
            v.assign(s)
        self.shadow = cur


def mmd_rbf(a, b, bandwidths=(0.1, 0.5, 2.0)):
    def k(x, y):
        d = ((x[:, None] - y[None]) ** 2).sum(-1)
        return sum(np.exp(-d / (2 * h * h)).mean() for h in bandwidths)  # SAFE: bandwidths are positive constants, exponent <= 0
    return float(k(a, a) + k(b, b) - 2 * k(a, b))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", choices=["rings", "moons"], default="rings")
    p.add_argument("--steps", type=int, default=20000)
    p.add_argument("--batch", type=int, default=512)
    p.add_argument("--lr", type=float, default=1e-3)
    a = p.parse_args()
    rng = np.random.default_rng(0)
    make = {"rings": rings, "moons": moons}[a.data]
    net = Denoiser()
    diff = Diffusion(net, CosineSchedule())
    diff.loss(tf.constant(make(4, rng)))
    ema = EMA(net)
    opt = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.CosineDecay(a.lr, a.steps))

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            loss = diff.loss(x)
        v = net.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, v), v))
        return loss

    for i in range(a.steps):
        l = step(tf.constant(make(a.batch, rng)))
        ema.update()
        if i % 1000 == 0:
            ema.swap()
            print(i, float(l), "mmd", mmd_rbf(diff.ddim(500).numpy(), make(500, rng)))
            ema.swap()


if __name__ == "__main__":
    main()
