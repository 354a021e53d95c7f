"""WGAN-GP for one dimensional signals (npy [n, length, channels])."""
import argparse
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


class SignalScaler:
    def __init__(self, x):
        self.low = x.min(axis=(0, 1))
        self.range = np.maximum(x.max(axis=(0, 1)) - self.low, 1e-6)

    def transform(self, x):
        return (2.0 * (x - self.low) / self.range - 1.0).astype(np.float32)  # SAFE: range floored at 1e-6

    def inverse(self, z):
        return (z + 1.0) * 0.5 * self.range + self.low


class PixelNorm(layers.Layer):
    def call(self, x):
        return x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), axis=-1, keepdims=True) + 1e-8)  # SAFE: 1e-8 inside the reciprocal root


class SpectralDense(layers.Layer):
    """Dense layer divided by a power iteration estimate of its largest singular value."""

    def __init__(self, units):
        super().__init__()
        self.units = units

    def build(self, shape):
        self.w = self.add_weight(name="w", shape=(shape[-1], self.units), initializer="glorot_uniform")
        self.b = self.add_weight(name="b", shape=(self.units,), initializer="zeros")
        self.u = self.add_weight(name="u", shape=(1, self.units), initializer="random_normal", trainable=False)

    def call(self, x):
        v = tf.math.l2_normalize(tf.matmul(self.u, self.w, transpose_b=True))  # SAFE: epsilon inside l2_normalize
        u = tf.math.l2_normalize(tf.matmul(v, self.w))
        self.u.assign(tf.stop_gradient(u))
        sigma = tf.squeeze(tf.matmul(tf.matmul(tf.stop_gradient(v), self.w), tf.stop_gradient(u), transpose_b=True))
        return tf.matmul(x, self.w) / tf.maximum(sigma, 1e-4) + self.b  # SAFE: sigma floored at 1e-4


def generator(noise_dim, length, channels, width=64):
    return tf.keras.Sequential([
        layers.Input((noise_dim,)),
        layers.Dense(length // 4 * width), layers.Reshape((length // 4, width)), PixelNorm(), layers.ReLU(),
        layers.Conv1DTranspose(width, 5, 2, "same"), PixelNorm(), layers.ReLU(),
        layers.Conv1DTranspose(channels, 5, 2, "same", activation="tanh"),
    ])


def critic(length, channels, width=64):
    return tf.keras.Sequential([
        layers.Input((length, channels)),
        layers.Conv1D(width, 5, 2, "same"), layers.ReLU(),
        layers.Conv1D(width, 5, 2, "same"), layers.ReLU(),
        layers.Flatten(), SpectralDense(64), layers.ReLU(), layers.Dense(1),
    ])


def gradient_penalty(net, real, fake):
    alpha = tf.random.uniform([tf.shape(real)[0], 1, 1])
    mixed = real + alpha * (fake - real)
    with tf.GradientTape() as tape:
        tape.watch(mixed)
        score = net(mixed, training=True)
    grad = tape.gradient(score, mixed)
    norm = tf.sqrt(tf.reduce_sum(tf.square(grad), axis=[1, 2]) + 1e-12)  # SAFE: 1e-12 under the root, so a zero critic gradient is fine
    return tf.reduce_mean(tf.square(norm - 1.0))


def spectrum_distance(a, b):
    """Mean log spectrum difference, part of the generator objective."""
    pa = tf.reduce_mean(tf.square(tf.abs(tf.signal.rfft(tf.transpose(a, [0, 2, 1])))), axis=0)
    pb = tf.reduce_mean(tf.square(tf.abs(tf.signal.rfft(tf.transpose(b, [0, 2, 1])))), axis=0)
    return tf.reduce_mean(tf.abs(tf.math.log(pa + 1e-3) - tf.math.log(pb + 1e-3)))  # SAFE: powers are non negative and 1e-3 is added


def autocorrelation(x, lag):
    x = x - x.mean(axis=1, keepdims=True)
    num = (x[:, lag:] * x[:, :x.shape[1] - lag]).sum(axis=1)
    den = (x * x).sum(axis=1)
    return np.mean(np.divide(num, den, out=np.zeros_like(num), where=den > 0))  # SAFE: where skips flat signals


class WGAN(tf.keras.Model):
    def __init__(self, length, channels, noise_dim=32, gp=10.0, n_critic=5, spectrum=0.1, width=64):
        super().__init__()
        self.noise_dim, self.gp, self.n_critic, self.spectrum = noise_dim, gp, n_critic, spectrum
        self.generator = generator(noise_dim, length, channels, width)
        self.critic = critic(length, channels, width)
        self.c_metric = tf.keras.metrics.Mean(name="critic")
        self.g_metric = tf.keras.metrics.Mean(name="gen")

    def compile(self, g_opt, c_opt):
        super().compile()
        self.g_opt, self.c_opt = g_opt, c_opt

    @property
    def metrics(self):
        return [self.c_metric, self.g_metric]

    def call(self, z, training=False):
        return self.generator(z, training=training)

    def train_step(self, real):
        n = tf.shape(real)[0]
        for _ in range(self.n_critic):
            fake = self.generator(tf.random.normal([n, self.noise_dim]), training=True)
            with tf.GradientTape() as tape:
                wasserstein = tf.reduce_mean(self.critic(fake, training=True)) - tf.reduce_mean(self.critic(real, training=True))
                loss = wasserstein + self.gp * gradient_penalty(self.critic, real, fake)
            grads = tape.gradient(loss, self.critic.trainable_variables)
            self.c_opt.apply_gradients(
                [(g, v) for g, v in zip(grads, self.critic.trainable_variables) if g is not None])
            self.c_metric.update_state(-wasserstein)
        with tf.GradientTape() as tape:
            fake = self.generator(tf.random.normal([n, self.noise_dim]), training=True)
            g_loss = -tf.reduce_mean(self.critic(fake, training=True)) + self.spectrum * spectrum_distance(fake, real)
        grads = tape.gradient(g_loss, self.generator.trainable_variables)
        self.g_opt.apply_gradients(zip(grads, self.generator.trainable_variables))
        self.g_metric.update_state(g_loss)
        return {m.name: m.result() for m in self.metrics}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", default="data/ecg.npy")
    p.add_argument("--epochs", type=int, default=100)
    p.add_argument("--lr", type=float, default=1e-4)
    p.add_argument("--out", default="runs/wgan")
    args = p.parse_args()
    os.makedirs(args.out, exist_ok=True)
    x = np.load(args.data)
    scaler = SignalScaler(x)
    z = scaler.transform(x)
    ds = tf.data.Dataset.from_tensor_slices(z).shuffle(len(z)).batch(64, drop_remainder=True)
    model = WGAN(z.shape[1], z.shape[2])
    model.compile(tf.keras.optimizers.Adam(args.lr, beta_1=0.0, beta_2=0.9),
                  tf.keras.optimizers.Adam(args.lr, beta_1=0.0, beta_2=0.9))
    model.fit(ds, epochs=args.epochs)
    fake = scaler.inverse(model(tf.random.normal([256, model.noise_dim])).numpy())
    print("autocorrelation", autocorrelation(x, 1), autocorrelation(fake, 1))
    np.save(os.path.join(args.out, "samples.npy"), fake)


if __name__ == "__main__":
    main()
