"""WGAN-GP on 32x32 sprites, Keras 3 with a custom train_step."""
import argparse
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops


class PixelNorm(layers.Layer):
    def call(self, x):
        return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-8)  # SAFE: float32, mean of squares >= 0 plus 1e-8


class MinibatchStd(layers.Layer):
    def call(self, x):
        mu = ops.mean(x, axis=0, keepdims=True)
        std = ops.sqrt(ops.mean(ops.square(x - mu), axis=0, keepdims=True) + 1e-8)  # SAFE: the 1e-8 is inside the root, a collapsed batch gives a finite slope
        s = ops.mean(std)
        shape = ops.shape(x)
        plane = ops.ones((shape[0], shape[1], shape[2], 1), dtype=x.dtype) * s
        return ops.concatenate([x, plane], axis=-1)

    def compute_output_shape(self, s):
        return (*s[:-1], s[-1] + 1)


def make_generator(latent_dim, width=32):
    z = keras.Input((latent_dim,))
    x = layers.Dense(4 * 4 * width * 2)(z)
    x = layers.Reshape((4, 4, width * 2))(x)
    for f in (width * 2, width, width // 2):
        x = layers.UpSampling2D()(x)
        x = layers.Conv2D(f, 3, padding="same")(x)
        x = PixelNorm()(x)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
    out = layers.Conv2D(3, 3, padding="same", activation="tanh")(x)
    return keras.Model(z, out, name="generator")


def make_critic(width=32):
    img = keras.Input((32, 32, 3))
    x = img
    for f in (width // 2, width, width):
        x = layers.Conv2D(f, 4, strides=2, padding="same")(x)
        x = layers.ReLU()(x)
    x = MinibatchStd()(x)
    x = layers.Conv2D(width, 3, padding="same", activation="relu")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(16, activation="relu")(x)
    return keras.Model(img, layers.Dense(1)(x), name="critic")


class SpriteGAN(keras.Model):
    def __init__(self, generator, critic, latent_dim, gp_weight=10.0, drift=1e-3, n_critic=5):
        super().__init__()
        self.generator = generator
        self.critic = critic
        self.latent_dim = latent_dim
        self.gp_weight = gp_weight
        self.drift = drift
        self.n_critic = n_critic
        self.d_metric = keras.metrics.Mean(name="critic_loss")
        self.g_metric = keras.metrics.Mean(name="gen_loss")

    @property
    def metrics(self):
        return [self.d_metric, self.g_metric]

    def compile(self, g_opt, d_opt):
        super().compile()
        self.g_opt = g_opt
        self.d_opt = d_opt

    def input_slopes(self, images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            score = self.critic(images, training=True)
        g = tape.gradient(score, images)
        return tf.sqrt(tf.reduce_sum(tf.square(g), axis=[1, 2, 3]))  # BUG: norm-grad, critic is plain ReLU: a sample with all 16 hidden units off has input gradient exactly 0

    def gradient_penalty(self, real, fake):
        n = tf.shape(real)[0]
        a = tf.random.uniform([n, 1, 1, 1])
        mixed = real + a * (fake - real)
        return tf.reduce_mean(tf.square(self.input_slopes(mixed) - 1.0))

    def train_step(self, real):
        n = tf.shape(real)[0]
        for _ in range(self.n_critic):
            z = tf.random.normal((n, self.latent_dim))
            with tf.GradientTape() as tape:
                fake = self.generator(z, training=True)
                s_real = self.critic(real, training=True)
                s_fake = self.critic(fake, training=True)
                loss = tf.reduce_mean(s_fake) - tf.reduce_mean(s_real)
                loss += self.gp_weight * self.gradient_penalty(real, fake)
                loss += self.drift * tf.reduce_mean(tf.square(s_real))
            grads = tape.gradient(loss, self.critic.trainable_variables)
            self.d_opt.apply_gradients(zip(grads, self.critic.trainable_variables))
        z = tf.random.normal((n, self.latent_dim))
        with tf.GradientTape() as tape:
            g_loss = -tf.reduce_mean(self.critic(self.generator(z, training=True), training=True))
        grads = tape.gradient(g_loss, self.generator.trainable_variables)
        self.g_opt.apply_gradients(zip(grads, self.generator.trainable_variables))
        self.d_metric.update_state(loss)
        self.g_metric.update_state(g_loss)
        return {m.name: m.result() for m in self.metrics}


class SampleDiversity(keras.callbacks.Callback):
    """Logs how different the samples are from each other (cosine)."""

    def __init__(self, latent_dim, n=16):
        super().__init__()
        self.z = np.random.normal(size=(n, latent_dim)).astype("float32")

    def on_epoch_end(self, epoch, logs=None):
        x = self.model.generator(self.z, training=False)
        f = tf.reshape(x, [tf.shape(x)[0], -1])
        f = f / (tf.norm(f, axis=1, keepdims=True) + 1e-6)  # SAFE: never differentiated, and zero images give 0/1e-6
        cos = tf.matmul(f, f, transpose_b=True)
        print("epoch", epoch, "mean cosine", float(tf.reduce_mean(cos)))


def to_unit_range(x):
    return x.astype("float32") / 127.5 - 1.0  # SAFE: constant divisor, maps bytes to [-1, 1] to match tanh


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="sprites.npy")
    ap.add_argument("--latent", type=int, default=64)
    ap.add_argument("--epochs", type=int, default=100)
    ap.add_argument("--batch", type=int, default=64)
    a = ap.parse_args()
    images = to_unit_range(np.load(a.data))
    ds = tf.data.Dataset.from_tensor_slices(images).shuffle(2048).batch(a.batch, drop_remainder=True)
    gan = SpriteGAN(make_generator(a.latent), make_critic(), a.latent)
    gan.compile(keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9),
                keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9))
    gan.fit(ds, epochs=a.epochs, callbacks=[SampleDiversity(a.latent)])
    gan.generator.save("sprite_generator.keras")


if __name__ == "__main__":
    main()
