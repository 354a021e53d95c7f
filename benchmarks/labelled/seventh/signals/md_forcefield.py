"""Learned pair potential for small argon/krypton clusters.

Energies and forces come from an extended-xyz like npz file with
  R [frames, atoms, 3], Z [frames, atoms] (0 = padding), E [frames], F [frames, atoms, 3]
The network predicts atom energies from radial symmetry functions; forces are -dE/dR.
"""
import argparse
import dataclasses
import math
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras


@dataclasses.dataclass
class Hyper:
    cutoff: float = 6.0
    n_radial: int = 16
    n_angular: int = 4
    eta: float = 4.0
    width: int = 32
    force_weight: float = 10.0
    lr: float = 1e-3
    batch: int = 16
    epochs: int = 200


def displacement(R):
    return R[:, :, None, :] - R[:, None, :, :]


def pair_mask(Z):
    real = tf.cast(Z > 0, tf.float32)
    both = real[:, :, None] * real[:, None, :]
    return both * (1.0 - tf.eye(tf.shape(Z)[1]))


def pair_distances(R):
    """[frames, atoms, atoms], zero on the diagonal."""
    d = displacement(R)
    return tf.sqrt(tf.reduce_sum(tf.square(d), axis=-1))  # BUG: norm-grad, the diagonal has distance 0, host_density gives it a non-zero upstream slope and forces are the gradient of this


def masked_distances(R, mask, filler=1.0):
    d2 = tf.reduce_sum(tf.square(displacement(R)), axis=-1)
    d2 = tf.where(mask > 0, d2, filler * tf.ones_like(d2))
    return tf.sqrt(d2)  # SAFE: masked pairs (diagonal, padding) are set to 1 before the root, real atoms never coincide


def cosine_cutoff(r, rc):
    f = 0.5 * (tf.cos(math.pi * r / rc) + 1.0)  # SAFE: rc is the positive cutoff
    return f * tf.cast(r < rc, r.dtype)


def smooth_cutoff(r, rc):
    """exp(1 - 1/(1 - (r/rc)^2)), zero outside."""
    x = tf.clip_by_value(r / rc, 0.0, 0.99)
    f = tf.exp(1.0 - 1.0 / (1.0 - tf.square(x)))  # SAFE: x clipped to 0.99, the denominator is at least 0.0199 and the exponent is at most 0
    return tf.where(r < 0.99 * rc, f, tf.zeros_like(f))


def screened_repulsion(r, mask, strength=20.0):
    """Short range core term, strength * exp(-r) / r."""
    core = tf.where(mask > 0, strength * tf.exp(-r) / r, tf.zeros_like(r))  # BUG: where-grad, r is 0 on the diagonal, where() drops inf in the value but the gradient is 0 * inf = NaN
    return 0.5 * tf.reduce_sum(core, axis=[1, 2])


def host_density(r, Z, decay=2.0):
    """Embedded-atom style density at every site, without the atom itself."""
    real = tf.cast(Z > 0, tf.float32)
    rho = tf.reduce_sum(tf.exp(-r / decay) * real[:, None, :], axis=2) - 1.0  # SAFE: r is a distance (>= 0), decay is 2.0
    return rho * real


class RadialBasis(tf.Module):
    def __init__(self, hp):
        super().__init__()
        self.hp = hp
        self.mu = tf.constant(np.linspace(0.8, hp.cutoff, hp.n_radial), tf.float32)

    def __call__(self, r, mask):
        g = tf.exp(-self.hp.eta * tf.square(r[..., None] - self.mu))  # SAFE: exponent is minus eta times a square
        fc = cosine_cutoff(r, self.hp.cutoff) * mask
        return tf.reduce_sum(g * fc[..., None], axis=2)


class AngularBasis(tf.Module):
    def __init__(self, hp):
        super().__init__()
        self.hp = hp
        self.zeta = tf.constant([1.0, 2.0, 4.0, 8.0][:hp.n_angular], tf.float32)

    def __call__(self, R, r, mask):
        unit = -displacement(R) / r[..., None]  # SAFE: called with masked_distances, r is 1 where the pair is masked
        cos = tf.einsum("bijc,bikc->bijk", unit, unit)
        pair = mask[:, :, :, None] * mask[:, :, None, :]
        fc = smooth_cutoff(r, self.hp.cutoff) * mask
        w = fc[:, :, :, None] * fc[:, :, None, :] * pair
        base = tf.clip_by_value(0.5 * (1.0 + cos), 1e-4, 1.0)
        a = tf.pow(base[..., None], self.zeta)  # SAFE: base is at least 1e-4 and zeta >= 1
        return tf.reduce_sum(a * w[..., None], axis=[2, 3])


class AtomNet(keras.Model):
    def __init__(self, hp):
        super().__init__()
        self.hp = hp
        self.radial = RadialBasis(hp)
        self.angular = AngularBasis(hp)
        self.species = keras.layers.Embedding(60, 8)
        self.mlp = keras.Sequential([
            keras.layers.Dense(hp.width, activation="softplus"),
            keras.layers.Dense(hp.width, activation="softplus"),
            keras.layers.Dense(1),
        ])

    def call(self, R, Z):
        mask = pair_mask(Z)
        r = masked_distances(R, mask)
        full = pair_distances(R)
        rho = host_density(full, Z)[..., None]
        feats = tf.concat([self.radial(r, mask), self.angular(R, r, mask), self.species(Z), rho], -1)
        atom = self.mlp(feats)[..., 0] * tf.cast(Z > 0, tf.float32)
        return tf.reduce_sum(atom, 1) + screened_repulsion(full, mask)


@tf.function
def energy_and_forces(net, R, Z):
    with tf.GradientTape() as tape:
        tape.watch(R)
        e = net(R, Z)
    return e, -tape.gradient(e, R)


def objective(net, batch, force_weight):
    R, Z, E, F = batch
    e, f = energy_and_forces(net, R, Z)
    real = tf.cast(Z > 0, tf.float32)
    n = tf.reduce_sum(real, axis=1)
    l_e = tf.reduce_mean(tf.square((e - E) / n))  # SAFE: load_npz drops frames without atoms
    df = tf.reduce_sum(tf.square(f - F), -1) * real
    l_f = tf.reduce_sum(df) / (3.0 * tf.reduce_sum(real))  # SAFE: every frame has at least two atoms after load_npz
    return l_e + force_weight * l_f, l_e, l_f


def train_step(net, opt, batch, force_weight):
    with tf.GradientTape() as tape:
        loss, l_e, l_f = objective(net, batch, force_weight)
    g = tape.gradient(loss, net.trainable_variables)
    g, _ = tf.clip_by_global_norm(g, 5.0)
    opt.apply_gradients(zip(g, net.trainable_variables))
    return loss, l_e, l_f


def load_npz(path):
    z = np.load(path)
    keep = (z["Z"] > 0).sum(1) >= 2
    E = z["E"][keep].astype(np.float32)
    n = (z["Z"][keep] > 0).sum(1)
    shift = float((E / n).mean())  # SAFE: n is at least 2 after the filter
    return (z["R"][keep].astype(np.float32), z["Z"][keep].astype(np.int32),
            (E - shift * n).astype(np.float32), z["F"][keep].astype(np.float32))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("npz")
    ap.add_argument("--out", default="pair_potential")
    for f in dataclasses.fields(Hyper):
        ap.add_argument("--" + f.name, type=type(f.default), default=f.default)
    a = vars(ap.parse_args())
    path, out = a.pop("npz"), a.pop("out")
    hp = Hyper(**a)
    data = load_npz(path)
    ds = tf.data.Dataset.from_tensor_slices(data).shuffle(5000).batch(hp.batch, drop_remainder=True)
    net, opt = AtomNet(hp), keras.optimizers.Adam(hp.lr)
    for epoch in range(hp.epochs):
        acc = np.zeros(3)
        k = 0
        for batch in ds:
            acc += [float(x) for x in train_step(net, opt, batch, hp.force_weight)]
            k += 1
        acc /= max(k, 1)  # SAFE: max with 1
        print("epoch %d loss %.5f rmse E %.5f F %.5f" % (epoch, acc[0], math.sqrt(acc[1]), math.sqrt(acc[2])))  # SAFE: means of squares, plain python floats
        os.makedirs(out, exist_ok=True)
        net.save_weights(os.path.join(out, "net.weights.h5"))


if __name__ == "__main__":
    main()
