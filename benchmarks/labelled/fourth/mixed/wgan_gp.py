"""WGAN-GP on 32x32 images, following Gulrajani et al."""
import os
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


@dataclass
class Opts:
    z_dim: int = 64
    width: int = 32
    batch: int = 64
    n_critic: int = 5
    gp_weight: float = 10.0
    drift: float = 1e-3
    lr: float = 1e-4
    steps: int = 50000
    out: str = "samples"


def generator(o):
    return tf.keras.Sequential([
        tf.keras.Input((o.z_dim,)),
        layers.Dense(4 * 4 * 4 * o.width),
        layers.Reshape((4, 4, 4 * o.width)),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Conv2DTranspose(2 * o.width, 4, 2, "same", use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Conv2DTranspose(o.width, 4, 2, "same", use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Conv2DTranspose(3, 4, 2, "same", activation="tanh"),
    ])


def critic(o):
    return tf.keras.Sequential([
        tf.keras.Input((32, 32, 3)),
        layers.Conv2D(o.width, 4, 2, "same"),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Conv2D(2 * o.width, 4, 2, "same"),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Conv2D(4 * o.width, 4, 2, "same"),
        layers.LeakyReLU(negative_slope=0.2),
        PixelNorm(),
        layers.Flatten(),
        layers.Dense(1, kernel_initializer="zeros"),
    ])


class PixelNorm(layers.Layer):
    def call(self, x):
        return x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), -1, keepdims=True) + 1e-6)  # SAFE: 1e-6 inside the root


class WGAN:
    def __init__(self, o):
        self.o = o
        self.g, self.d = generator(o), critic(o)
        self.g_opt = tf.keras.optimizers.Adam(o.lr, beta_1=0.0, beta_2=0.9)
        self.d_opt = tf.keras.optimizers.Adam(o.lr, beta_1=0.0, beta_2=0.9)

    def penalty(self, real, fake):
        a = tf.random.uniform([tf.shape(real)[0], 1, 1, 1])
        mid = a * real + (1.0 - a) * fake
        with tf.GradientTape() as t:
            t.watch(mid)
            score = self.d(mid, training=True)
        grad = tf.reshape(t.gradient(score, mid), [tf.shape(mid)[0], -1])
        slope = tf.norm(grad, axis=1)  # BUG: norm-grad, the critic's last kernel starts at zero, so the input gradient is exactly 0 at the first step
        return tf.reduce_mean(tf.square(slope - 1.0))

    @tf.function
    def train_critic(self, real):
        z = tf.random.normal([tf.shape(real)[0], self.o.z_dim])
        with tf.GradientTape() as tape:
            fake = tf.stop_gradient(self.g(z, training=True))
            dr, df = self.d(real, training=True), self.d(fake, training=True)
            w = tf.reduce_mean(df) - tf.reduce_mean(dr)
            loss = w + self.o.gp_weight * self.penalty(real, fake) + self.o.drift * tf.reduce_mean(tf.square(dr))
        v = self.d.trainable_variables
        self.d_opt.apply_gradients(zip(tape.gradient(loss, v), v))
        return -w

    @tf.function
    def train_generator(self, n):
        with tf.GradientTape() as tape:
            x = self.g(tf.random.normal([n, self.o.z_dim]), training=True)
            loss = -tf.reduce_mean(self.d(x, training=True))
        v = self.g.trainable_variables
        self.g_opt.apply_gradients(zip(tape.gradient(loss, v), v))
        return loss


def diversity(x):
    """Mean cosine similarity between samples, a cheap check for mode collapse."""
    f = x.reshape(len(x), -1)
    n = np.linalg.norm(f, axis=1, keepdims=True)
    f = f / np.maximum(n, 1e-6)  # SAFE: floored, and numpy without gradient
    s = f @ f.T
    return float((s.sum() - np.trace(s)) / max(len(x) * (len(x) - 1), 1))  # SAFE: floored at 1


def to_uint8(x):
    lo, hi = x.min(), x.max()
    return ((x - lo) / (hi - lo + 1e-5) * 255).astype(np.uint8)  # SAFE: epsilon, only for saving pictures


def load(path):
    x = np.load(path)["images"]
    return x.astype(np.float32) / 127.5 - 1.0


def main():
    o = Opts()
    os.makedirs(o.out, exist_ok=True)
    x = load(os.environ.get("IMAGES", "cifar_cats.npz"))
    ds = iter(tf.data.Dataset.from_tensor_slices(x).shuffle(10000).repeat().batch(o.batch))
    gan = WGAN(o)
    for step in range(o.steps):
        for _ in range(o.n_critic):
            dist = gan.train_critic(next(ds))
        gan.train_generator(o.batch)
        if step % 500 == 0:
            s = gan.g(tf.random.normal([16, o.z_dim])).numpy()
            np.save(os.path.join(o.out, "%06d.npy" % step), to_uint8(s))
            print(step, float(dist), diversity(s))


if __name__ == "__main__":
    main()
