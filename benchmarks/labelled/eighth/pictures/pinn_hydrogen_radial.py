"""Radial Schroedinger equation with a network and a trainable energy (screened potential fits).

The potential table (potential.csv: r, V in hartree) comes from the plasma code.
"""
import argparse
import csv
import math

import numpy as np
import tensorflow as tf
import keras
from keras import ops


class Potential(keras.layers.Layer):
    """Screened Coulomb potential with centrifugal term, in atomic units."""

    def __init__(self, Z, ell, screening, **kw):
        super().__init__(**kw)
        self.Z, self.ell = float(Z), float(ell)
        self.kappa = self.add_weight(name="kappa", shape=(), initializer=keras.initializers.Constant(math.log(screening)), trainable=False)  # SAFE: screening length default is 0.1 and checked positive

    def call(self, r):
        k = ops.exp(ops.clip(self.kappa, -10.0, 3.0))  # SAFE: exponent clipped
        coulomb = -self.Z * ops.exp(-k * r) / r  # BUG: div-zero, the collocation grid starts at r = 0
        return coulomb + 0.5 * self.ell * (self.ell + 1.0) / ops.square(ops.maximum(r, 1e-3))  # SAFE: radius floored at 1e-3


class Wave(keras.Model):
    """u(r) = r^(l+1) exp(-a r) N(r); the prefactor carries the boundary conditions."""

    def __init__(self, ell, width, depth, r_max):
        super().__init__()
        self.ell, self.r_max = ell, r_max
        self.hid = [keras.layers.Dense(width, activation="tanh") for _ in range(depth)]
        self.out = keras.layers.Dense(1)
        self.log_a = self.add_weight(name="log_a", shape=(), initializer="zeros")
        self.energy = self.add_weight(name="energy", shape=(), initializer=keras.initializers.Constant(-0.4))

    def call(self, r):
        h = 2.0 * r / self.r_max - 1.0  # SAFE: box size is a positive command line value
        for l in self.hid:
            h = l(h)
        a = ops.exp(ops.clip(self.log_a, -3.0, 3.0))  # SAFE: clipped exponent
        pre = r
        for _ in range(self.ell):
            pre = pre * r
        return pre * ops.exp(-a * r) * (1.0 + self.out(h))  # SAFE: decay rate and radius are non-negative, exponent never positive


def second_derivative(f, r):
    with tf.GradientTape() as t2:
        t2.watch(r)
        with tf.GradientTape() as t1:
            t1.watch(r)
            u = f(r)
        du = t1.gradient(u, r)
    return u, t2.gradient(du, r)


def grid(r_max, n):
    """Quadratic spacing, dense near the nucleus."""
    s = np.linspace(0.0, 1.0, n)
    return (r_max * s ** 2).astype(np.float32)[:, None]


def trapezoid(y, r):
    return ops.sum(0.5 * (y[1:] + y[:-1]) * (r[1:] - r[:-1]))


def load_reference(path):
    r, v = [], []
    with open(path) as fh:
        for row in csv.DictReader(fh):
            if float(row["r"]) > 0:
                r.append(float(row["r"]))
                v.append(float(row["V"]))
    r, v = np.array(r), np.array(v)
    slope = np.polyfit(r, np.log(np.maximum(-v * r, 1e-8)), 1)[0]  # SAFE: argument floored, preprocessing in float64
    return max(-slope, 1e-2)


class Solver:
    def __init__(self, wave, pot, r, lr, w_norm, w_orth):
        self.wave, self.pot = wave, pot
        self.r = tf.constant(r)
        self.opt = keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(lr, 2000, 0.85))
        self.w_norm, self.w_orth = w_norm, w_orth
        self.lower = []

    def rayleigh(self, u, upp):
        num = trapezoid(u * (-0.5 * upp + self.pot(self.r) * u), self.r)
        return num / ops.maximum(trapezoid(u * u, self.r), 1e-6)  # SAFE: norm integral floored

    def snap(self, e):
        """Energy on the tabulated grid of the plasma code."""
        return tf.round(e * 200.0) / 200.0

    @tf.function
    def step(self):
        with tf.GradientTape() as tape:
            u, upp = second_derivative(self.wave, self.r)
            e = self.snap(self.wave.energy)
            res = -0.5 * upp + (self.pot(self.r) - e) * u  # BUG: dead-grad, the energy is rounded so its variable never gets a gradient from the residual
            pde = ops.mean(ops.square(res))
            norm = trapezoid(u * u, self.r)
            loss = pde + self.w_norm * ops.square(ops.log(norm + 1e-6))  # SAFE: norm is an integral of squares plus offset
            for v in self.lower:
                loss += self.w_orth * ops.square(trapezoid(u * v, self.r))
        tv = self.wave.trainable_variables
        g = tape.gradient(loss, tv)
        g, gn = tf.clip_by_global_norm([tf.zeros_like(v) if q is None else q for q, v in zip(g, tv)], 10.0)  # SAFE: zero gradients are accepted by clip_by_global_norm
        self.opt.apply_gradients(zip(g, tv))
        return pde, norm, gn

    def state(self):
        u, upp = second_derivative(self.wave, self.r)
        return u, float(self.rayleigh(u, upp))


def exact(Z, n):
    return -0.5 * Z ** 2 / n ** 2  # SAFE: principal quantum number is at least one


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--Z", type=float, default=1.0)
    ap.add_argument("--ell", type=int, default=0)
    ap.add_argument("--screening", type=float, default=0.1)
    ap.add_argument("--table", help="fit the screening from this file")
    ap.add_argument("--states", type=int, default=2)
    ap.add_argument("--r-max", type=float, default=30.0)
    ap.add_argument("--points", type=int, default=400)
    ap.add_argument("--iters", type=int, default=15000)
    ap.add_argument("--lr", type=float, default=2e-3)
    a = ap.parse_args()
    if a.screening <= 0 or a.r_max <= 0:
        ap.error("screening and r-max must be positive")
    kappa = load_reference(a.table) if a.table else a.screening
    r = grid(a.r_max, a.points)
    pot, found = Potential(a.Z, a.ell, kappa), []
    for k in range(a.states):
        s = Solver(Wave(a.ell, 48, 3, a.r_max), pot, r, a.lr, 1.0, 10.0)
        s.lower = found[:]
        for i in range(a.iters):
            pde, norm, gn = s.step()
            if i % 1000 == 0:
                print(f"state {k} it {i} pde {float(pde):.3e} norm {float(norm):.4f} |g| {float(gn):.2e} E {float(s.wave.energy):.5f}")
        u, e = s.state()
        found.append(tf.constant(u / np.sqrt(max(float(trapezoid(u * u, s.r)), 1e-9))))  # SAFE: floored norm in numpy
        ref = exact(a.Z, k + 1 + a.ell)
        print(f"E_{k} = {e:.6f}, unscreened {ref:.6f}, shift {100 * (e - ref) / abs(ref):.2f}%")  # SAFE: hydrogenic energies are not zero
        np.savetxt(f"radial_{k}.txt", np.hstack([r, found[-1].numpy()]))


if __name__ == "__main__":
    main()
