"""Mixture density network for pedestrian trajectories (x, y displacements, 12 steps)."""
import argparse
import glob
import math
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

OBS, PRED, DIM = 8, 12, 2


def load_scenes(folder):
    """ETH/UCY text files: frame, ped, x, y."""
    seqs = []
    for fn in sorted(glob.glob(os.path.join(folder, "*.txt"))):
        raw = np.loadtxt(fn)
        for ped in np.unique(raw[:, 1]):
            tr = raw[raw[:, 1] == ped][:, 2:4]
            for s in range(0, len(tr) - OBS - PRED + 1):
                seqs.append(tr[s:s + OBS + PRED])
    return np.asarray(seqs, np.float32)


def to_relative(seqs):
    origin = seqs[:, OBS - 1:OBS]
    obs = seqs[:, :OBS] - origin
    fut = np.diff(seqs[:, OBS - 1:], axis=1)
    return obs, fut


def rotate_to_heading(obs, fut):
    d = obs[:, -1] - obs[:, -2]
    ang = np.arctan2(d[:, 1], d[:, 0])  # SAFE: arctan2(0, 0) is 0
    c, s = np.cos(-ang), np.sin(-ang)
    R = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], 1)
    return np.einsum("nij,ntj->nti", R, obs), np.einsum("nij,ntj->nti", R, fut)


class MDN(tf.keras.Model):
    def __init__(self, k=5, units=64):
        super().__init__()
        self.k = k
        self.rnn = layers.LSTM(units)
        self.fc = layers.Dense(units, activation="elu")
        self.pi = layers.Dense(k)
        self.mu = layers.Dense(k * PRED * DIM)
        self.sig = layers.Dense(k * PRED * DIM, bias_initializer=tf.keras.initializers.Constant(-1.5))

    def call(self, obs):
        h = self.fc(self.rnn(obs))
        mu = tf.reshape(self.mu(h), [-1, self.k, PRED, DIM])
        sig = tf.reshape(tf.nn.softplus(self.sig(h)) + 5e-2, [-1, self.k, PRED, DIM])
        return self.pi(h), mu, sig

    def component_density(self, y, mu, sig):
        z = (y[:, None] - mu) / sig  # SAFE: sig is softplus + 0.05
        dens = tf.exp(-0.5 * tf.square(z)) / (sig * math.sqrt(2.0 * math.pi))  # SAFE: exponent <= 0 and sig >= 0.05
        return tf.reduce_prod(dens, axis=[2, 3])

    def nll(self, obs, y):
        logits, mu, sig = self(obs)
        p = tf.nn.softmax(logits)
        lik = tf.reduce_sum(p * self.component_density(y, mu, sig), axis=1)
        return -tf.math.log(lik)  # BUG: log-zero, a product of 24 Gaussian densities underflows to 0 when the future is a few sigma away

    def sample(self, obs, n, temperature=1.0):
        logits, mu, sig = self(obs)
        idx = tf.random.categorical(logits / max(temperature, 0.05), n)  # SAFE: temperature floored at 0.05
        m = tf.gather(mu, idx, batch_dims=1)
        s = tf.gather(sig, idx, batch_dims=1)
        return tf.cumsum(m + s * tf.random.normal(tf.shape(m)), axis=2)


def log_prob_eval(model, obs, y):
    """Held-out log-likelihood."""
    logits, mu, sig = model(obs)
    lp = -0.5 * tf.square((y[:, None] - mu) / sig) - tf.math.log(sig) - 0.5 * math.log(2 * math.pi)  # SAFE: sig >= 0.05 by construction
    return tf.reduce_mean(tf.reduce_logsumexp(tf.nn.log_softmax(logits) + tf.reduce_sum(lp, [2, 3]), 1))  # SAFE: log_softmax and logsumexp are stable


def ade_fde(samples, y):
    gt = tf.cumsum(y, axis=1)
    d = tf.norm(samples - gt[:, None], axis=-1)  # SAFE: metric only, no gradient is taken
    return float(tf.reduce_mean(tf.reduce_min(tf.reduce_mean(d, 2), 1))), float(tf.reduce_mean(tf.reduce_min(d[..., -1], 1)))


def speed_weights(fut, power=0.5):
    speed = np.linalg.norm(fut, axis=-1).mean(1)
    w = (speed + 0.1) ** power  # SAFE: speed >= 0, so the base is at least 0.1
    return (w / w.mean()).astype(np.float32)  # SAFE: mean of positive weights


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="datasets/eth/train")
    ap.add_argument("--test", default="datasets/eth/test")
    ap.add_argument("--components", type=int, default=5)
    ap.add_argument("--epochs", type=int, default=100)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--lr", type=float, default=1e-3)
    a = ap.parse_args()

    obs, fut = rotate_to_heading(*to_relative(load_scenes(a.train)))
    tobs, tfut = rotate_to_heading(*to_relative(load_scenes(a.test)))
    w = speed_weights(fut)
    ds = tf.data.Dataset.from_tensor_slices((obs.astype("f4"), fut.astype("f4"), w)).shuffle(8192).batch(a.batch)
    model = MDN(a.components)
    opt = tf.keras.optimizers.Adam(a.lr, global_clipnorm=1.0)

    @tf.function
    def step(o, y, wt):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(wt * model.nll(o, y))
        v = model.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, v), v))
        return loss

    for ep in range(a.epochs):
        l = np.mean([float(step(*b)) for b in ds])
        if ep % 5 == 0:
            ll = float(log_prob_eval(model, tobs.astype("f4"), tfut.astype("f4")))
            ade, fde = ade_fde(model.sample(tobs.astype("f4"), 20), tfut.astype("f4"))
            print(f"{ep} nll {l:.3f} test-ll {ll:.3f} ADE {ade:.3f} FDE {fde:.3f}")


if __name__ == "__main__":
    main()
