"""Continuous-filter network for molecular energies and forces (MD17-style npz: R, z, E, F)."""
import argparse
import math
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


class Molecules:
    def __init__(self, path, n_train=1000, seed=0):
        with np.load(path) as f:
            R, z, E, F = f["R"], f["z"], f["E"].ravel(), f["F"]
        perm = np.random.default_rng(seed).permutation(len(R))
        self.tr, self.te = perm[:n_train], perm[n_train:n_train + 1000]
        self.R, self.F = R.astype("f4"), F.astype("f4")
        self.z = z.astype("i4")
        self.shift = E[self.tr].mean()
        self.scale = max(float(np.std(E[self.tr])), 1e-3)
        self.E = ((E - self.shift) / self.scale).astype("f4")  # SAFE: scale floored at 1e-3
        self.F /= self.scale  # SAFE: same

    def dataset(self, idx, batch, shuffle):
        ds = tf.data.Dataset.from_tensor_slices((self.R[idx], self.E[idx], self.F[idx]))
        return (ds.shuffle(len(idx)) if shuffle else ds).batch(batch)


def shifted_softplus(x):
    return tf.nn.softplus(x) - math.log(2.0)  # SAFE: constant, softplus is stable


class Radial(layers.Layer):
    """Gaussian basis with cosine cutoff."""

    def __init__(self, n=32, cutoff=5.0, **kw):
        super().__init__(**kw)
        self.n, self.cutoff = n, cutoff
        self.mu = tf.constant(np.linspace(0.0, cutoff, n), tf.float32)
        self.gamma = (n - 1) / cutoff  # SAFE: cutoff is the constant 5

    def call(self, d):
        g = tf.exp(-tf.square((d[..., None] - self.mu) * self.gamma))  # SAFE: exponent <= 0
        c = 0.5 * (tf.cos(math.pi * tf.minimum(d / self.cutoff, 1.0)) + 1.0)  # SAFE: constant divisor
        return g * c[..., None]


class Interaction(layers.Layer):
    def __init__(self, width, **kw):
        super().__init__(**kw)
        self.filt = [layers.Dense(width, activation=shifted_softplus), layers.Dense(width)]
        self.inp = layers.Dense(width, use_bias=False)
        self.out = [layers.Dense(width, activation=shifted_softplus), layers.Dense(width)]

    def call(self, h, rbf, mask):
        w = self.filt[1](self.filt[0](rbf)) * mask[..., None]
        n = tf.maximum(tf.reduce_sum(mask, -1, keepdims=True), 1.0)
        m = tf.reduce_sum(w * self.inp(h)[:, None], 2) / tf.sqrt(n)  # SAFE: number of neighbours floored at 1
        return h + self.out[1](self.out[0](m))


class EnergyNet(tf.keras.Model):
    def __init__(self, max_z=20, width=64, depth=3):
        super().__init__()
        self.emb = layers.Embedding(max_z, width)
        self.rbf = Radial()
        self.inter = [Interaction(width) for _ in range(depth)]
        self.read = [layers.Dense(width // 2, activation=shifted_softplus), layers.Dense(1)]

    def pair_distances(self, R):
        diff = R[:, :, None] - R[:, None]
        return tf.norm(diff, axis=-1)  # BUG: norm-grad, the diagonal is 0; the mask hides it for the forces, but the second derivative that the force loss needs is 0/0

    def call(self, R, z):
        d = self.pair_distances(R)
        n = tf.shape(R)[1]
        mask = tf.cast(d < self.rbf.cutoff, tf.float32) * (1.0 - tf.eye(n))[None]
        rbf = self.rbf(d)
        h = tf.tile(self.emb(z)[None], [tf.shape(R)[0], 1, 1])
        for it in self.inter:
            h = it(h, rbf, mask)
        return tf.reduce_sum(self.read[1](self.read[0](h)), [1, 2])

    def energy_forces(self, R, z):
        with tf.GradientTape() as tape:
            tape.watch(R)
            e = self(R, z)
        return e, -tape.gradient(e, R)


def repulsion(R, a=1.0, b=12.0):
    """Inverse-power prior on short distances, used for the sanity report."""
    d2 = tf.reduce_sum(tf.square(R[:, :, None] - R[:, None]), -1)
    d2 = d2 + 1e3 * tf.eye(tf.shape(R)[1])[None]
    return tf.reduce_sum(tf.pow(a / tf.sqrt(tf.maximum(d2, 0.25)), b), [1, 2])  # SAFE: squared distance floored at 0.25, the power is at most 4096


class Fit:
    def __init__(self, net, z, lr=1e-3, rho=0.05):
        self.net, self.z, self.rho = net, tf.constant(z), rho
        self.opt = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.ExponentialDecay(lr, 5000, 0.7))

    @tf.function
    def step(self, R, E, F):
        with tf.GradientTape() as tape:
            e, f = self.net.energy_forces(R, self.z)
            le = tf.reduce_mean(tf.square(e - E))
            lf = tf.reduce_mean(tf.reduce_sum(tf.square(f - F), [1, 2]))
            loss = self.rho * le + lf
        v = self.net.trainable_variables
        g = tape.gradient(loss, v)
        self.opt.apply_gradients([(a, b) for a, b in zip(g, v) if a is not None])
        return le, lf

    def mae(self, ds, scale):
        e, f, n = 0.0, 0.0, 0
        for R, E, F in ds:
            pe, pf = self.net.energy_forces(R, self.z)
            e += float(tf.reduce_sum(tf.abs(pe - E)))
            f += float(tf.reduce_sum(tf.reduce_mean(tf.abs(pf - F), [1, 2])))
            n += int(R.shape[0])
        return scale * e / max(n, 1), scale * f / max(n, 1)  # SAFE: count floored at 1


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", default="md17_ethanol.npz")
    p.add_argument("--n-train", type=int, default=1000)
    p.add_argument("--epochs", type=int, default=500)
    p.add_argument("--batch", type=int, default=10)
    p.add_argument("--out", default="schnet")
    a = p.parse_args()
    mol = Molecules(a.data, a.n_train)
    fit = Fit(EnergyNet(int(mol.z.max()) + 1), mol.z)
    os.makedirs(a.out, exist_ok=True)
    for ep in range(a.epochs):
        out = np.mean([[float(v) for v in fit.step(*b)] for b in mol.dataset(mol.tr, a.batch, True)], 0)
        if ep % 10 == 0:
            print(ep, out, "mae", fit.mae(mol.dataset(mol.te, 50, False), mol.scale),
                  "repulsion", float(tf.reduce_max(repulsion(tf.constant(mol.R[:100])))))
            fit.net.save_weights(os.path.join(a.out, "net.weights.h5"))


if __name__ == "__main__":
    main()
