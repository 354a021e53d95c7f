"""Hamiltonian network for the double pendulum, compared with a plain neural ODE.

Trajectories are integrated with RK4, training is on short rollouts with a
Gaussian likelihood whose noise level is learned.
"""
import argparse
import logging
from typing import NamedTuple

import numpy as np
import tensorflow as tf

log = logging.getLogger("hnn")
G, L1, L2, M1, M2 = 9.81, 1.0, 1.0, 1.0, 1.0


class Batch(NamedTuple):
    t: tf.Tensor
    x: tf.Tensor


def accelerations(th1, th2, w1, w2):
    d = th1 - th2
    den = 2 * M1 + M2 - M2 * np.cos(2 * d)
    a1 = (-G * (2 * M1 + M2) * np.sin(th1) - M2 * G * np.sin(th1 - 2 * th2)
          - 2 * np.sin(d) * M2 * (w2 ** 2 * L2 + w1 ** 2 * L1 * np.cos(d))) / (L1 * den)  # SAFE: den >= 2 * M1 = 2, lengths are 1
    a2 = (2 * np.sin(d) * (w1 ** 2 * L1 * (M1 + M2) + G * (M1 + M2) * np.cos(th1)
                           + w2 ** 2 * L2 * M2 * np.cos(d))) / (L2 * den)  # SAFE: den >= 2 * M1 = 2, lengths are 1
    return a1, a2


def simulate(n_traj, n_steps, dt, rng, noise=0.01):
    s = np.concatenate([rng.uniform(-0.6, 0.6, (n_traj, 2)), rng.uniform(-0.2, 0.2, (n_traj, 2))], 1)

    def f(s):
        a1, a2 = accelerations(*s.T)
        return np.stack([s[:, 2], s[:, 3], a1, a2], 1)

    out = [s]
    for _ in range(n_steps - 1):
        k1 = f(s)
        k2 = f(s + 0.5 * dt * k1)
        k3 = f(s + 0.5 * dt * k2)
        k4 = f(s + dt * k3)
        s = s + dt / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4)
        out.append(s)
    x = np.stack(out, 1)
    return (x + noise * rng.normal(size=x.shape)).astype(np.float32)


class Standardizer:
    def __init__(self, x):
        flat = x.reshape(-1, x.shape[-1])
        self.mean = flat.mean(0)
        self.std = np.maximum(flat.std(0), 1e-3)

    def forward(self, x):
        return (x - self.mean) / self.std  # SAFE: std floored at 1e-3 in the constructor


class VectorField(tf.keras.Model):
    """Plain MLP dx/dt = f(x)."""

    def __init__(self, width, dim):
        super().__init__()
        self.a = tf.keras.layers.Dense(width, activation="tanh")
        self.b = tf.keras.layers.Dense(width, activation="tanh")
        self.c = tf.keras.layers.Dense(dim, kernel_initializer=tf.keras.initializers.RandomNormal(stddev=1e-2))  # SAFE: small but non-zero last kernel, the hidden layers get gradient

    def call(self, x):
        return self.c(self.b(self.a(x)))


class Hamiltonian(tf.keras.Model):
    """dx/dt = J grad H with H = kinetic (positive definite) + potential."""

    def __init__(self, width, dim):
        super().__init__()
        self.half = dim // 2
        self.mass = tf.keras.Sequential([
            tf.keras.layers.Dense(width, activation="tanh"),
            tf.keras.layers.Dense(self.half * (self.half + 1) // 2)])
        self.pot = tf.keras.Sequential([
            tf.keras.layers.Dense(width, activation="tanh"),
            tf.keras.layers.Dense(width, activation="softplus"),
            tf.keras.layers.Dense(1)])

    def cholesky(self, q):
        raw = self.mass(q)
        low = tf.concat([raw[:, :1], tf.zeros_like(raw[:, :1]), raw[:, 1:]], 1)
        low = tf.reshape(low, [-1, self.half, self.half])
        diag = tf.nn.softplus(tf.linalg.diag_part(low)) + 1e-2
        return tf.linalg.set_diag(low, diag)

    def energy(self, x):
        q, p = x[:, :self.half], x[:, self.half:]
        low = self.cholesky(q)
        y = tf.linalg.triangular_solve(low, p[..., None])  # SAFE: lower triangle with diagonal softplus + 1e-2, always invertible
        kinetic = 0.5 * tf.reduce_sum(tf.square(y), [1, 2])
        return kinetic + self.pot(q)[:, 0]

    def log_volume(self, q):
        return 2.0 * tf.reduce_sum(tf.math.log(tf.linalg.diag_part(self.cholesky(q))), -1)  # SAFE: the diagonal is at least 1e-2

    def call(self, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            h = tf.reduce_sum(self.energy(x))
        g = tape.gradient(h, x)
        return tf.concat([g[:, self.half:], -g[:, :self.half]], 1)


def rk4(f, x, dt):
    k1 = f(x)
    k2 = f(x + 0.5 * dt * k1)
    k3 = f(x + 0.5 * dt * k2)
    k4 = f(x + dt * k3)
    return x + dt / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)  # SAFE: constant divisor


def rollout(f, x0, n, dt):
    xs = [x0]
    for _ in range(n - 1):
        xs.append(tf.clip_by_value(rk4(f, xs[-1], dt), -1e3, 1e3))
    return tf.stack(xs, 1)


class Fitter:
    def __init__(self, model, dt, lr, total):
        self.model, self.dt = model, dt
        self.raw_noise = tf.Variable([-2.0] * 4)
        sched = tf.keras.optimizers.schedules.CosineDecay(lr, total)
        self.opt = tf.keras.optimizers.Adam(sched)

    def noise(self):
        return 1e-3 + tf.nn.softplus(self.raw_noise)

    def nll(self, pred, x):
        s = self.noise()
        z = (x - pred) / s  # SAFE: noise is 1e-3 plus a softplus
        return tf.reduce_mean(0.5 * tf.square(z) + tf.math.log(s))  # SAFE: log of at least 1e-3

    def step(self, batch):
        with tf.GradientTape() as tape:
            pred = rollout(self.model, batch.x[:, 0], batch.x.shape[1], self.dt)
            loss = self.nll(pred[:, 1:], batch.x[:, 1:])
        v = self.model.trainable_variables + [self.raw_noise]
        g, norm = tf.clip_by_global_norm(tape.gradient(loss, v), 1.0)
        self.opt.apply_gradients(zip(g, v))
        return loss, norm


def valid_time(pred, x, threshold=0.4):
    """Number of steps until the normalised error passes the threshold."""
    err = np.linalg.norm(pred - x, axis=-1)
    ref = np.sqrt(np.mean(np.sum(x ** 2, -1), axis=1, keepdims=True))  # SAFE: numpy, mean of squares
    bad = err / np.maximum(ref, 1e-6) > threshold  # SAFE: floored at 1e-6
    return np.where(bad.any(1), bad.argmax(1), x.shape[1]).mean()


def lyapunov(f, x0, n, dt, delta=1e-3):
    a, b, acc = x0, x0 + delta / 2.0, 0.0
    for _ in range(n):
        a, b = rk4(f, a, dt), rk4(f, b, dt)
        d = tf.maximum(tf.norm(b - a, axis=1, keepdims=True), 1e-9)
        acc += tf.math.log(d / delta)  # SAFE: d floored at 1e-9, delta is 1e-3
        b = a + (b - a) * delta / d  # SAFE: d floored at 1e-9
    return tf.reduce_mean(acc) / (n * dt)  # SAFE: n and dt are positive constants of the evaluation


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--model", choices=["hnn", "node"], default="hnn")
    ap.add_argument("--dt", type=float, default=0.02)
    ap.add_argument("--length", type=int, default=12)
    ap.add_argument("--iters", type=int, default=3000)
    ap.add_argument("--lr", type=float, default=2e-3)
    ap.add_argument("--width", type=int, default=64)
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO)
    rng = np.random.default_rng(1)
    x = simulate(64, 400, a.dt, rng)
    x = Standardizer(x).forward(x)
    model = (Hamiltonian if a.model == "hnn" else VectorField)(a.width, 4)
    fit = Fitter(model, a.dt, a.lr, a.iters)
    step = tf.function(fit.step)
    for it in range(a.iters):
        i = rng.integers(0, 56, 32)
        s = rng.integers(0, x.shape[1] - a.length, 32)
        w = np.stack([x[j, k:k + a.length] for j, k in zip(i, s)])
        loss, norm = step(Batch(tf.range(a.length), tf.constant(w)))
        if it % 100 == 0:
            pred = rollout(model, tf.constant(x[56:, 0]), 100, a.dt).numpy()
            log.info("%d nll %.4f grad %.3f valid %.1f noise %s", it, loss, norm, valid_time(pred, x[56:, :100]), fit.noise().numpy())
    log.info("lyapunov %.3f", lyapunov(model, tf.constant(x[56:, 0]), 200, a.dt))
    model.save_weights("%s.weights.h5" % a.model)


if __name__ == "__main__":
    main()
