"""Sparse variational GP (Titsias/Hensman) for air-quality sensors, plain TensorFlow."""
import argparse
import math

import numpy as np
import tensorflow as tf

JITTER = 1e-9


def read(path):
    """time [h], lat, lon, pm10"""
    raw = np.genfromtxt(path, delimiter=",", skip_header=1, dtype=np.float64)
    raw = raw[np.isfinite(raw).all(1)]
    x, y = raw[:, :3], np.log1p(np.maximum(raw[:, 3], 0.0))  # SAFE: readings below zero are set to 0
    return x, y


class Standard:
    def __init__(self, x):
        self.m, self.s = x.mean(0), x.std(0)
        self.s = np.where(self.s > 1e-9, self.s, 1.0)

    def __call__(self, x):
        return ((x - self.m) / self.s).astype("f4")  # SAFE: zero spread replaced by 1


def choose_inducing(x, m, rng):
    return x[rng.choice(len(x), m, replace=len(x) < m)].copy()


class Kernel(tf.Module):
    def __init__(self, dim, ell=1.0, var=1.0):
        super().__init__()
        self.raw_ell = tf.Variable(math.log(math.expm1(ell)) * tf.ones([dim]))  # SAFE: lengthscale 1 by default, expm1(1) > 0
        self.raw_var = tf.Variable(math.log(math.expm1(var)))  # SAFE: constant 1

    @property
    def ell(self):
        return tf.nn.softplus(self.raw_ell) + 1e-2

    @property
    def var(self):
        return tf.nn.softplus(self.raw_var) + 1e-3

    def scaled_sq(self, a, b):
        a, b = a / self.ell, b / self.ell  # SAFE: lengthscale >= 0.01
        d = tf.reduce_sum(a * a, -1)[:, None] + tf.reduce_sum(b * b, -1)[None] - 2.0 * tf.matmul(a, b, transpose_b=True)
        return tf.maximum(d, 0.0)

    def __call__(self, a, b):
        return self.var * tf.exp(-0.5 * self.scaled_sq(a, b))  # SAFE: exponent <= 0

    def diag(self, a):
        return tf.fill([tf.shape(a)[0]], self.var)


class Matern32(Kernel):
    def __call__(self, a, b):
        r = tf.sqrt(3.0 * self.scaled_sq(a, b) + 1e-10)  # SAFE: epsilon inside the sqrt, float32 holds 1e-10
        return self.var * (1.0 + r) * tf.exp(-r)  # SAFE: r >= 0


class SVGP(tf.Module):
    def __init__(self, kernel, z, noise=0.1):
        super().__init__()
        m = z.shape[0]
        self.k = kernel
        self.z = tf.Variable(z)
        self.mu = tf.Variable(tf.zeros([m, 1]))
        self.raw_l = tf.Variable(tf.eye(m))
        self.raw_noise = tf.Variable(math.log(math.expm1(noise)))  # SAFE: noise 0.1

    @property
    def noise(self):
        return tf.nn.softplus(self.raw_noise) + 1e-4

    def chol_q(self):
        low = tf.linalg.band_part(self.raw_l, -1, 0)
        d = tf.linalg.diag_part(low)
        return tf.linalg.set_diag(low, tf.nn.softplus(d) + 1e-4)

    def chol_k(self):
        kzz = self.k(self.z, self.z)
        return tf.linalg.cholesky(kzz + JITTER * tf.eye(tf.shape(kzz)[0]))  # BUG: weak-guard, 1e-9 is lost next to 1 in float32, and inducing points from repeated sensor positions make the matrix singular

    def predict(self, x):
        lk, lq = self.chol_k(), self.chol_q()
        a = tf.linalg.triangular_solve(lk, self.k(self.z, x))
        mean = tf.matmul(a, self.mu, transpose_a=True)[:, 0]
        s = tf.matmul(lq, a, transpose_a=True)
        var = self.k.diag(x) - tf.reduce_sum(a * a, 0) + tf.reduce_sum(s * s, 0)
        return mean, tf.maximum(var, 1e-6)

    def kl(self):
        lq = self.chol_q()
        m = tf.cast(tf.shape(self.mu)[0], tf.float32)
        logdet = 2.0 * tf.reduce_sum(tf.math.log(tf.linalg.diag_part(lq)))  # SAFE: diagonal is softplus + 1e-4
        return 0.5 * (tf.reduce_sum(lq * lq) + tf.reduce_sum(self.mu ** 2) - m - logdet)

    def elbo(self, x, y, n):
        mean, var = self.predict(x)
        s2 = self.noise
        ll = -0.5 * (tf.math.log(2.0 * math.pi * s2) + (tf.square(y - mean) + var) / s2)  # SAFE: noise >= 1e-4
        return n * tf.reduce_mean(ll) - self.kl()


def nlpd(y, mean, var):
    return float(np.mean(0.5 * np.log(2 * np.pi * var) + 0.5 * (y - mean) ** 2 / var))  # SAFE: predictive variance contains the noise and a floor of 1e-6


def coverage(y, mean, var, z=1.645):
    return float(np.mean(np.abs(y - mean) < z * np.sqrt(var)))  # SAFE: variance floored at 1e-6 plus noise


def main():
    p = argparse.ArgumentParser()
    p.add_argument("csv")
    p.add_argument("--inducing", type=int, default=200)
    p.add_argument("--batch", type=int, default=512)
    p.add_argument("--iters", type=int, default=10000)
    p.add_argument("--kernel", choices=["rbf", "matern"], default="rbf")
    p.add_argument("--lr", type=float, default=5e-3)
    a = p.parse_args()
    rng = np.random.default_rng(0)
    x, y = read(a.csv)
    perm = rng.permutation(len(x))
    cut = int(0.9 * len(x))
    tr, te = perm[:cut], perm[cut:]
    sx, my, sy = Standard(x[tr]), y[tr].mean(), max(y[tr].std(), 1e-6)
    X, Y = sx(x[tr]), ((y[tr] - my) / sy).astype("f4")  # SAFE: sy floored
    kern = (Kernel if a.kernel == "rbf" else Matern32)(3)
    gp = SVGP(kern, choose_inducing(X, a.inducing, rng))
    opt = tf.keras.optimizers.Adam(a.lr)
    n = float(len(X))

    @tf.function
    def step(bx, by):
        with tf.GradientTape() as tape:
            loss = -gp.elbo(bx, by, n) / n  # SAFE: number of training rows, an empty file fails in read
        v = gp.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, v), v))
        return loss

    it = iter(tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(50000).repeat().batch(a.batch))
    for i in range(a.iters):
        l = step(*next(it))
        if i % 500 == 0:
            m, v = gp.predict(sx(x[te]))
            v = v.numpy() + gp.noise.numpy()
            t = (y[te] - my) / sy  # SAFE: sy floored
            print(i, "loss %.4f" % float(l), "nlpd %.4f" % nlpd(t, m.numpy(), v), "cover %.3f" % coverage(t, m.numpy(), v))


if __name__ == "__main__":
    main()
