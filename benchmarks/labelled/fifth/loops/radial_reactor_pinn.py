"""PINN for heat conduction with a source in a cylindrical fuel pellet.

    u_t = a * (u_rr + u_r / r) + q(r),   0 <= r <= R,  u(R, t) = 0,  u_r(0, t) = 0
Everything is dimensionless (R = 1).
"""
import argparse
import json

import numpy as np
import tensorflow as tf

DTYPE = "float32"


class Config:
    layers = [2, 40, 40, 40, 40, 1]
    n_res = 4000
    n_bc = 200
    n_ic = 400
    diffusivity = 0.4
    q0 = 2.0
    lr = 1e-3
    iters = 20000
    lam_bc = 10.0
    lam_ic = 10.0


class MLP(tf.Module):
    def __init__(self, sizes):
        super().__init__()
        self.W, self.b = [], []
        for i, o in zip(sizes[:-1], sizes[1:]):
            std = np.sqrt(2.0 / (i + o))  # SAFE: layer sizes are positive integers
            self.W.append(tf.Variable(tf.random.truncated_normal([i, o], stddev=std, dtype=DTYPE)))
            self.b.append(tf.Variable(tf.zeros([o], dtype=DTYPE)))

    def __call__(self, r, t):
        h = tf.concat([2.0 * r - 1.0, 2.0 * t - 1.0], 1)
        for W, b in zip(self.W[:-1], self.b[:-1]):
            h = tf.tanh(h @ W + b)
        return h @ self.W[-1] + self.b[-1]


class Sampler:
    def __init__(self, cfg, seed=0):
        self.cfg = cfg
        self.rng = np.random.default_rng(seed)

    def residual_points(self):
        n = int(np.sqrt(self.cfg.n_res))
        r, t = np.meshgrid(np.linspace(0.0, 1.0, n), np.linspace(0.0, 1.0, n))
        return self._tensor(r.ravel()), self._tensor(t.ravel())

    def wall_points(self):
        t = self.rng.random(self.cfg.n_bc)
        return self._tensor(np.ones_like(t)), self._tensor(t)

    def axis_points(self):
        t = self.rng.random(self.cfg.n_bc)
        return self._tensor(np.zeros_like(t)), self._tensor(t)

    def initial_points(self):
        r = self.rng.random(self.cfg.n_ic)
        return self._tensor(r), self._tensor(np.zeros_like(r))

    @staticmethod
    def _tensor(x):
        return tf.constant(x[:, None], dtype=DTYPE)


class Solver:
    def __init__(self, cfg):
        self.cfg = cfg
        self.net = MLP(cfg.layers)
        self.sampler = Sampler(cfg)
        self.opt = tf.keras.optimizers.Adam(
            tf.keras.optimizers.schedules.ExponentialDecay(cfg.lr, 2000, 0.9))
        self.r, self.t = self.sampler.residual_points()

    def source(self, r):
        return self.cfg.q0 * tf.exp(-4.0 * tf.square(r))  # SAFE: exponent is never positive

    def initial(self, r):
        x = np.pi * r
        return tf.where(x > 1e-3, tf.sin(x) / tf.maximum(x, 1e-3), 1.0 - x ** 2 / 6.0)  # SAFE: the divisor is floored inside the branch

    def residual(self, r, t):
        with tf.GradientTape() as t2:
            t2.watch(r)
            with tf.GradientTape(persistent=True) as t1:
                t1.watch([r, t])
                u = self.net(r, t)
            u_r = t1.gradient(u, r)
        u_t = t1.gradient(u, t)
        u_rr = t2.gradient(u_r, r)
        lap = u_rr + u_r / r  # BUG: div-zero, the collocation grid starts at r = 0
        return u_t - self.cfg.diffusivity * lap - self.source(r)

    def losses(self, wall, axis, init):
        res = tf.reduce_mean(tf.square(self.residual(self.r, self.t)))
        bc = tf.reduce_mean(tf.square(self.net(*wall)))
        r0, t0 = axis
        with tf.GradientTape() as tape:
            tape.watch(r0)
            u0 = self.net(r0, t0)
        bc += tf.reduce_mean(tf.square(tape.gradient(u0, r0)))
        ri, ti = init
        ic = tf.reduce_mean(tf.square(self.net(ri, ti) - self.initial(ri)))
        return res, bc, ic

    @tf.function
    def step(self, wall, axis, init):
        with tf.GradientTape() as tape:
            res, bc, ic = self.losses(wall, axis, init)
            loss = res + self.cfg.lam_bc * bc + self.cfg.lam_ic * ic
        v = self.net.trainable_variables
        self.opt.apply_gradients(zip(tape.gradient(loss, v), v))
        return loss, res, bc, ic

    def fit(self, iters, every=500):
        hist = []
        for i in range(iters):
            s = self.sampler
            out = self.step(s.wall_points(), s.axis_points(), s.initial_points())
            if i % every == 0:
                hist.append([float(o) for o in out])
                print(i, " ".join("%.3e" % h for h in hist[-1]))
        return hist


def steady_state(r, cfg, terms=60):
    """Series for the steady profile (numpy, reference)."""
    k = np.arange(1, terms + 1)
    fact = np.cumprod(k.astype(np.float64))
    coef = (-4.0) ** (k - 1) / (np.concatenate([[1.0], fact[:-1]]) * (2.0 * k) ** 2)  # SAFE: factorials of 0..59 and k >= 1, float64
    f = lambda x: -(cfg.q0 / cfg.diffusivity) * np.sum(coef * x[:, None] ** (2 * k), 1)  # SAFE: diffusivity is the constant 0.4
    return f(r) - f(np.ones(1))


def relative_l2(pred, ref):
    return float(np.linalg.norm(pred - ref) / max(np.linalg.norm(ref), 1e-12))  # SAFE: norm floored


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--iters", type=int, default=Config.iters)
    ap.add_argument("--out", default="pellet.json")
    a = ap.parse_args()
    solver = Solver(Config())
    hist = solver.fit(a.iters)
    r = np.linspace(0.0, 1.0, 101)
    pred = solver.net(Sampler._tensor(r), Sampler._tensor(np.ones_like(r))).numpy().ravel()
    err = relative_l2(pred, steady_state(r, Config()))
    with open(a.out, "w") as f:
        json.dump({"history": hist, "error": err}, f)
    print("relative error to steady state", err)


if __name__ == "__main__":
    main()
