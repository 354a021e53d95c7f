"""Euler-Bernoulli beam on elastic foundation with a PINN, loss balancing and hard boundary conditions.

    w'''' + k w = q(x)   on [0, 1],   w(0) = w(1) = 0,  w''(0) = w''(1) = 0
"""
import argparse

import numpy as np
import tensorflow as tf

tf.keras.backend.set_floatx("float64")
DT = tf.float64


def make_params(sizes):
    params = []
    for n_in, n_out in zip(sizes[:-1], sizes[1:]):
        params.append(tf.Variable(tf.zeros([n_in, n_out], DT)))  # BUG: init, every weight matrix is zero: tanh layers give 0 and no hidden weight ever gets a gradient
        params.append(tf.Variable(tf.zeros([n_out], DT)))
    return params


class Net:
    def __init__(self, sizes, scale=1.0):
        if scale <= 0:
            raise ValueError("scale > 0")
        self.params = make_params(sizes)
        self.scale = scale

    def raw(self, x):
        h = (x - 0.5) / self.scale  # SAFE: checked in the constructor
        for W, b in zip(self.params[:-2:2], self.params[1:-2:2]):
            h = tf.tanh(tf.matmul(h, W) + b)
        return tf.matmul(h, self.params[-2]) + self.params[-1]

    def __call__(self, x):
        return x * (1.0 - x) * self.raw(x)


def derivatives(f, x):
    """w, w', w'', w''', w'''' by nested tapes."""
    with tf.GradientTape() as t4:
        t4.watch(x)
        with tf.GradientTape() as t3:
            t3.watch(x)
            with tf.GradientTape() as t2:
                t2.watch(x)
                with tf.GradientTape() as t1:
                    t1.watch(x)
                    w = f(x)
                d1 = t1.gradient(w, x)
            d2 = t2.gradient(d1, x)
        d3 = t3.gradient(d2, x)
    return w, d1, d2, d3, t4.gradient(d3, x)


class Load:
    def __init__(self, kind, q0=1.0, width=0.05):
        self.kind, self.q0, self.width = kind, q0, max(width, 1e-3)

    def __call__(self, x):
        if self.kind == "uniform":
            return self.q0 * tf.ones_like(x)
        if self.kind == "sine":
            return self.q0 * tf.sin(np.pi * x)
        z = (x - 0.5) / self.width  # SAFE: width floored at 1e-3
        return self.q0 * tf.exp(-0.5 * z ** 2) / (self.width * np.sqrt(2 * np.pi))  # SAFE: exponent <= 0 and width >= 1e-3


class Balancer:
    """Weights of the terms from running gradient norms (Wang et al. 2021)."""

    def __init__(self, n, alpha=0.9):
        self.lam = np.ones(n)
        self.alpha = alpha

    def update(self, norms):
        ref = max(norms)
        new = np.array([ref / max(v, 1e-8) for v in norms])  # SAFE: norms floored
        self.lam = self.alpha * self.lam + (1 - self.alpha) * np.clip(new, 0.1, 100.0)


class BeamSolver:
    def __init__(self, foundation, load, width=32, depth=3, lr=1e-3):
        self.k, self.load = foundation, load
        self.net = Net([1] + [width] * depth + [1])
        self.opt = tf.keras.optimizers.Adam(lr)
        self.bal = Balancer(2)
        self.x = tf.constant(np.linspace(0, 1, 64)[:, None], DT)
        self.ends = tf.constant([[0.0], [1.0]], DT)

    def terms(self):
        w, _, _, _, d4 = derivatives(self.net, self.x)
        res = tf.reduce_mean(tf.square(d4 + self.k * w - self.load(self.x)))
        _, _, m, _, _ = derivatives(self.net, self.ends)
        return [res, tf.reduce_mean(tf.square(m))]

    def grads(self):
        with tf.GradientTape(persistent=True) as tape:
            ts = self.terms()
        return ts, [tape.gradient(t, self.net.params, unconnected_gradients="zero") for t in ts]

    def step(self, i):
        ts, gs = self.grads()
        if i % 10 == 0:
            self.bal.update([float(tf.linalg.global_norm(g)) for g in gs])
        total = [sum(l * g for l, g in zip(self.bal.lam, col)) for col in zip(*gs)]
        self.opt.apply_gradients(zip(total, self.net.params))
        return [float(t) for t in ts]


def sine_exact(x, q0, k):
    return q0 * np.sin(np.pi * x) / (np.pi ** 4 + k)  # SAFE: k >= 0 is required on the command line, pi^4 > 0


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--k", type=float, default=10.0)
    p.add_argument("--load", choices=["uniform", "sine", "patch"], default="sine")
    p.add_argument("--iters", type=int, default=5000)
    a = p.parse_args()
    if a.k < 0:
        p.error("--k must not be negative")
    s = BeamSolver(a.k, Load(a.load))
    for i in range(a.iters):
        t = s.step(i)
        if i % 250 == 0:
            print(i, *("%.4e" % v for v in t), s.bal.lam)
    if a.load == "sine":
        x = s.x.numpy()
        ref = sine_exact(x, 1.0, a.k)
        print("rel. error", np.linalg.norm(s.net(s.x).numpy() - ref) / np.linalg.norm(ref))  # SAFE: the exact solution is a sine, its norm is not zero


if __name__ == "__main__":
    main()
