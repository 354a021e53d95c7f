"""WGAN-GP for variable-length clinical time series.

Sequences are zero padded up to MAX_LEN, `mask` marks the valid steps. The critic is
recurrent and only reads valid steps; the penalty is computed per time step, because a
penalty on the whole sequence favours long stays.
"""
import argparse
import os
import time

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

MAX_LEN = 48
N_FEAT = 7


def load_stays(path):
    blob = np.load(path, allow_pickle=True)
    return [np.asarray(s, dtype=np.float32) for s in blob["stays"]]


def standardise(stays):
    flat = np.concatenate(stays, 0)
    mean, std = flat.mean(0), flat.std(0)
    std = np.where(std < 1e-3, 1.0, std)
    return [(s - mean) / std for s in stays], mean, std  # SAFE: columns with tiny std get 1.0


def pad(stays):
    x = np.zeros((len(stays), MAX_LEN, N_FEAT), np.float32)
    m = np.zeros((len(stays), MAX_LEN, 1), np.float32)
    for i, s in enumerate(stays):
        n = min(len(s), MAX_LEN)
        x[i, :n] = s[:n]
        m[i, :n] = 1.0
    return x, m


class Generator(tf.keras.Model):
    def __init__(self, units=64):
        super().__init__()
        self.rnn = layers.GRU(units, return_sequences=True)
        self.out = layers.Dense(N_FEAT)

    def call(self, z, mask):
        return self.out(self.rnn(z)) * mask


class Critic(tf.keras.Model):
    def __init__(self, units=64):
        super().__init__()
        self.proj = layers.Dense(units, activation=tf.nn.leaky_relu)
        self.score = layers.Dense(1)

    def call(self, x, mask):
        h = self.proj(x) * mask
        ctx = tf.cumsum(h, axis=1) / tf.maximum(tf.cumsum(mask, axis=1), 1.0)  # SAFE: count is floored at 1
        s = self.score(tf.concat([h, ctx], -1)) * mask
        return tf.reduce_sum(s, [1, 2]) / tf.maximum(tf.reduce_sum(mask, [1, 2]), 1.0)  # SAFE: floored at 1


class Trainer:
    def __init__(self, z_dim=16, gp_weight=10.0, lr=1e-4, n_critic=5):
        self.g = Generator()
        self.c = Critic()
        self.z_dim = z_dim
        self.gp_weight = gp_weight
        self.n_critic = n_critic
        self.g_opt = tf.keras.optimizers.Adam(lr, beta_1=0.0, beta_2=0.9)
        self.c_opt = tf.keras.optimizers.Adam(lr, beta_1=0.0, beta_2=0.9)

    def noise(self, n):
        return tf.random.normal([n, MAX_LEN, self.z_dim])

    def step_norms(self, grad):
        return tf.sqrt(tf.reduce_sum(tf.square(grad), axis=-1, keepdims=True))  # BUG: sqrt-grad, padded steps have an input gradient of exactly zero, and the penalty asks for norm 1 at every step, padded ones too: -inf * 0

    def penalty(self, real, fake, mask):
        a = tf.random.uniform([tf.shape(real)[0], 1, 1])
        mix = a * real + (1.0 - a) * fake
        with tf.GradientTape() as tape:
            tape.watch(mix)
            score = self.c(mix, mask)
        grad = tape.gradient(score, mix)
        lengths = tf.reduce_sum(mask, axis=1, keepdims=True)
        norms = self.step_norms(grad * lengths)
        pen = tf.square(norms - 1.0)
        return tf.reduce_sum(pen) / tf.maximum(tf.reduce_sum(mask), 1.0)  # SAFE: floored at 1

    @tf.function
    def critic_step(self, real, mask):
        fake = self.g(self.noise(tf.shape(real)[0]), mask)
        with tf.GradientTape() as tape:
            wdist = tf.reduce_mean(self.c(real, mask)) - tf.reduce_mean(self.c(fake, mask))
            gp = self.penalty(real, fake, mask)
            loss = -wdist + self.gp_weight * gp
        grads = tape.gradient(loss, self.c.trainable_variables)
        self.c_opt.apply_gradients(zip(grads, self.c.trainable_variables))
        return wdist, gp

    @tf.function
    def gen_step(self, mask):
        with tf.GradientTape() as tape:
            fake = self.g(self.noise(tf.shape(mask)[0]), mask)
            loss = -tf.reduce_mean(self.c(fake, mask))
        grads = tape.gradient(loss, self.g.trainable_variables)
        self.g_opt.apply_gradients(zip(grads, self.g.trainable_variables))
        return loss


def autocorr_error(real, fake):
    """Distance of the lag-1 autocorrelations (report only)."""
    def ac(x):
        x = x - x.mean((0, 1), keepdims=True)
        return (x[:, 1:] * x[:, :-1]).mean((0, 1)) / (x ** 2).mean((0, 1)).clip(1e-6)  # SAFE: variance clipped from below
    return float(np.abs(ac(real) - ac(fake)).mean())


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--stays", default="stays.npz")
    p.add_argument("--steps", type=int, default=20000)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--log-dir", default="logs/timegan")
    args = p.parse_args()

    stays, mean, std = standardise(load_stays(args.stays))
    x, m = pad(stays)
    ds = tf.data.Dataset.from_tensor_slices((x, m)).shuffle(len(x)).repeat().batch(args.batch, drop_remainder=True)
    writer = tf.summary.create_file_writer(os.path.join(args.log_dir, time.strftime("%m%d-%H%M")))
    tr = Trainer()
    it = iter(ds)
    for step in range(args.steps):
        for _ in range(tr.n_critic):
            real, mask = next(it)
            wd, gp = tr.critic_step(real, mask)
        gl = tr.gen_step(mask)
        if step % 100 == 0:
            with writer.as_default():
                tf.summary.scalar("wdist", wd, step)
                tf.summary.scalar("gp", gp, step)
                tf.summary.scalar("gen", gl, step)
            fake = tr.g(tr.noise(args.batch), mask).numpy()
            print(step, float(wd), float(gp), autocorr_error(real.numpy(), fake))


if __name__ == "__main__":
    main()
