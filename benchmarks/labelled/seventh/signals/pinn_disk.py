"""
Physics informed network for heat conduction in a disk (axisymmetric, polar form)

    u_t = kappa * (u_rr + u_r / r) + q(r, t)      0 <= r <= R
    u(R, t) = 0,   u(r, 0) = J0(lambda_1 r / R)

Loss weights follow the learning rate annealing of Wang et al. (2021).
"""
import argparse
import json

import numpy as np
import tensorflow as tf

tf.keras.backend.set_floatx("float32")
LAMBDA_1 = 2.404825557695773


class Domain:
    def __init__(self, radius, t_end, n_r, n_t):
        self.radius = radius
        self.t_end = t_end
        self.r = np.linspace(0.0, radius, n_r, dtype=np.float32)
        self.t = np.linspace(0.0, t_end, n_t, dtype=np.float32)

    def interior(self):
        rr, tt = np.meshgrid(self.r, self.t, indexing="ij")
        return tf.constant(rr.reshape(-1, 1)), tf.constant(tt.reshape(-1, 1))

    def rim(self):
        t = self.t.reshape(-1, 1)
        return tf.constant(np.full_like(t, self.radius)), tf.constant(t)

    def start(self):
        r = self.r.reshape(-1, 1)
        return tf.constant(r), tf.constant(np.zeros_like(r))


class Net(tf.keras.Model):
    def __init__(self, domain, width=32, depth=4):
        super().__init__()
        self.lo = tf.constant([[0.0, 0.0]])
        self.span = tf.constant([[domain.radius, domain.t_end]], tf.float32)
        self.hidden = [tf.keras.layers.Dense(width, activation="tanh", kernel_initializer="glorot_normal")
                       for _ in range(depth)]
        self.last = tf.keras.layers.Dense(1)

    def call(self, r, t):
        x = tf.concat([r, t], axis=1)
        x = 2.0 * (x - self.lo) / self.span - 1.0  # SAFE: radius and t_end are positive (checked in main)
        for layer in self.hidden:
            x = layer(x)
        return self.last(x)


def bessel_j0(x):
    return tf.math.special.bessel_j0(x)


def source(r, t, strength, spot):
    return strength * tf.exp(-tf.square(r / spot)) * tf.exp(-t)  # SAFE: both exponents are <= 0 because t >= 0, spot is a positive default checked in main


class HeatPINN:
    def __init__(self, domain, kappa, strength, spot, lr):
        self.domain = domain
        self.kappa = kappa
        self.strength = strength
        self.spot = spot
        self.net = Net(domain)
        self.opt = tf.keras.optimizers.Adam(
            tf.keras.optimizers.schedules.ExponentialDecay(lr, 1000, 0.9))
        self.w_bc = tf.Variable(1.0, trainable=False)
        self.w_ic = tf.Variable(1.0, trainable=False)
        self.interior = domain.interior()
        self.rim = domain.rim()
        self.start = domain.start()

    def residual(self, r, t):
        with tf.GradientTape(persistent=True) as t2:
            t2.watch(r)
            with tf.GradientTape(persistent=True) as t1:
                t1.watch([r, t])
                u = self.net(r, t)
            u_r = t1.gradient(u, r)
            u_t = t1.gradient(u, t)
        u_rr = t2.gradient(u_r, r)
        lap = u_rr + u_r / r  # BUG: div-zero, collocation grid from Domain.interior starts at r = 0 where u_r / r is +-inf (or 0/0)
        return u_t - self.kappa * lap - source(r, t, self.strength, self.spot)

    def causal_weights(self, res, chunks=8, eps=1.0):
        """Later times only count when the earlier ones are solved."""
        n_t = self.domain.t.shape[0]
        per_t = tf.reduce_mean(tf.square(tf.reshape(res, [-1, n_t])), axis=0)
        acc = tf.cumsum(per_t, exclusive=True)
        return tf.stop_gradient(tf.exp(-eps * acc)), per_t  # SAFE: acc is a sum of squares, exponent is never positive

    def losses(self):
        res = self.residual(*self.interior)
        w, per_t = self.causal_weights(res)
        l_pde = tf.reduce_mean(w * per_t)
        l_bc = tf.reduce_mean(tf.square(self.net(*self.rim)))
        r0, t0 = self.start
        u0 = bessel_j0(LAMBDA_1 * r0 / self.domain.radius)
        l_ic = tf.reduce_mean(tf.square(self.net(r0, t0) - u0))
        return l_pde, l_bc, l_ic

    @tf.function
    def step(self):
        with tf.GradientTape() as tape:
            l_pde, l_bc, l_ic = self.losses()
            loss = l_pde + self.w_bc * l_bc + self.w_ic * l_ic
        grads = tape.gradient(loss, self.net.trainable_variables)
        self.opt.apply_gradients(zip(grads, self.net.trainable_variables))
        return loss, l_pde, l_bc, l_ic

    @tf.function
    def anneal(self, alpha=0.9):
        with tf.GradientTape(persistent=True) as tape:
            l_pde, l_bc, l_ic = self.losses()
        v = self.net.trainable_variables
        top = tf.reduce_max([tf.reduce_max(tf.abs(g)) for g in tape.gradient(l_pde, v) if g is not None])
        for loss, w in ((l_bc, self.w_bc), (l_ic, self.w_ic)):
            g = [tf.reduce_mean(tf.abs(x)) for x in tape.gradient(loss, v) if x is not None]
            ratio = top / (tf.reduce_mean(g) + 1e-8)  # SAFE: mean of absolute values plus 1e-8 in float32
            w.assign(alpha * w + (1.0 - alpha) * tf.minimum(ratio, 1e4))

    def relative_error(self, r, t, exact):
        u = self.net(r, t)
        return tf.norm(u - exact) / tf.norm(exact)  # SAFE: evaluation only, exact is J0(.)exp(-.) over the grid and is 1 at r=t=0

    def log_residual(self):
        res = self.residual(self.interior[0] + 1e-3, self.interior[1])
        return tf.math.log(tf.reduce_mean(tf.abs(res)) + 1e-12) / np.log(10.0)  # SAFE: monitoring value, mean of abs plus 1e-12


def exact_free_decay(r, t, radius, kappa):
    mode = bessel_j0(LAMBDA_1 * r / radius)
    return mode * tf.exp(-kappa * (LAMBDA_1 / radius) ** 2 * t)  # SAFE: kappa, radius > 0 and t >= 0, decaying exponential


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--radius", type=float, default=1.0)
    p.add_argument("--t_end", type=float, default=0.5)
    p.add_argument("--kappa", type=float, default=0.4)
    p.add_argument("--strength", type=float, default=0.0)
    p.add_argument("--spot", type=float, default=0.2)
    p.add_argument("--n_r", type=int, default=51)
    p.add_argument("--n_t", type=int, default=26)
    p.add_argument("--iters", type=int, default=20000)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--log", default="pinn_disk.json")
    a = p.parse_args()
    if a.radius <= 0 or a.t_end <= 0 or a.spot <= 0:
        p.error("radius, t_end and spot must be positive")
    domain = Domain(a.radius, a.t_end, a.n_r, a.n_t)
    pinn = HeatPINN(domain, a.kappa, a.strength, a.spot, a.lr)
    history = []
    for it in range(a.iters):
        loss, l_pde, l_bc, l_ic = pinn.step()
        if it % 100 == 0:
            pinn.anneal()
        if it % 500 == 0:
            r, t = domain.interior()
            err = pinn.relative_error(r, t, exact_free_decay(r, t, a.radius, a.kappa))
            history.append([it, float(loss), float(l_pde), float(l_bc), float(l_ic), float(err)])
            print(history[-1], "log10 residual", float(pinn.log_residual()))
    with open(a.log, "w") as fh:
        json.dump(history, fh)


if __name__ == "__main__":
    main()
