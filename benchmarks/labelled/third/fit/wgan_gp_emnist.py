"""WGAN-GP for 28x28 glyphs, Keras train_step version."""
import argparse
import pathlib

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

IMG_SHAPE = (28, 28, 1)


def load_glyphs(path):
    with np.load(path) as f:
        x = f["images"]
    x = x.reshape(-1, *IMG_SHAPE).astype("float32")
    return (x - 127.5) / 127.5  # SAFE: constant divisor, gives [-1, 1]


def critic_block(x, filters, drop=0.0):
    x = layers.Conv2D(filters, 5, strides=2, padding="same")(x)
    x = layers.LeakyReLU(0.2)(x)
    if drop:
        x = layers.Dropout(drop)(x)
    return x


def build_critic(width=64):
    img = layers.Input(IMG_SHAPE)
    x = layers.ZeroPadding2D(2)(img)
    x = critic_block(x, width)
    x = critic_block(x, width * 2, 0.3)
    x = critic_block(x, width * 4, 0.3)
    x = layers.Flatten()(x)
    score = layers.Dense(1, kernel_initializer="zeros", name="score")(x)
    return keras.Model(img, score, name="critic")


def build_generator(noise_dim, width=64):
    z = layers.Input((noise_dim,))
    x = layers.Dense(4 * 4 * width * 4, use_bias=False)(z)
    x = layers.BatchNormalization()(x)
    x = layers.LeakyReLU(0.2)(x)
    x = layers.Reshape((4, 4, width * 4))(x)
    for mult in (2, 1):
        x = layers.UpSampling2D()(x)
        x = layers.Conv2D(width * mult, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.UpSampling2D()(x)
    x = layers.Conv2D(1, 3, padding="same", activation="tanh")(x)
    x = layers.Cropping2D(2)(x)
    return keras.Model(z, x, name="generator")


class PixelNorm(layers.Layer):
    def call(self, x):
        return x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), axis=-1, keepdims=True) + 1e-8)  # SAFE: 1e-8 inside the root, float32


class WGAN(keras.Model):
    def __init__(self, critic, generator, latent_dim, critic_steps=5, gp_weight=10.0):
        super().__init__()
        self.critic = critic
        self.generator = generator
        self.latent_dim = latent_dim
        self.critic_steps = critic_steps
        self.gp_weight = gp_weight

    def compile(self, d_optimizer, g_optimizer):
        super().compile()
        self.d_optimizer = d_optimizer
        self.g_optimizer = g_optimizer
        self.d_metric = keras.metrics.Mean(name="d_loss")
        self.g_metric = keras.metrics.Mean(name="g_loss")

    @property
    def metrics(self):
        return [self.d_metric, self.g_metric]

    def gradient_penalty(self, real, fake):
        n = tf.shape(real)[0]
        alpha = tf.random.uniform([n, 1, 1, 1], 0.0, 1.0)
        mixed = real + alpha * (fake - real)
        with tf.GradientTape() as tape:
            tape.watch(mixed)
            pred = self.critic(mixed, training=True)
        grads = tape.gradient(pred, mixed)
        norm = tf.sqrt(tf.reduce_sum(tf.square(grads), axis=[1, 2, 3]))  # BUG: sqrt-grad, the score head starts at zero so the input gradient is exactly 0 and the root has an infinite slope
        return tf.reduce_mean((norm - 1.0) ** 2)

    def critic_loss(self, real_logits, fake_logits):
        return tf.reduce_mean(fake_logits) - tf.reduce_mean(real_logits)

    def train_step(self, real):
        if isinstance(real, tuple):
            real = real[0]
        n = tf.shape(real)[0]
        for _ in range(self.critic_steps):
            z = tf.random.normal((n, self.latent_dim))
            with tf.GradientTape() as tape:
                fake = self.generator(z, training=True)
                cost = self.critic_loss(self.critic(real, training=True), self.critic(fake, training=True))
                d_loss = cost + self.gp_weight * self.gradient_penalty(real, fake)
            grads = tape.gradient(d_loss, self.critic.trainable_variables)
            self.d_optimizer.apply_gradients(zip(grads, self.critic.trainable_variables))
        z = tf.random.normal((n, self.latent_dim))
        with tf.GradientTape() as tape:
            g_loss = -tf.reduce_mean(self.critic(self.generator(z, training=True), training=True))
        grads = tape.gradient(g_loss, self.generator.trainable_variables)
        self.g_optimizer.apply_gradients(zip(grads, self.generator.trainable_variables))
        self.d_metric.update_state(d_loss)
        self.g_metric.update_state(g_loss)
        return {m.name: m.result() for m in self.metrics}


class SampleSheet(keras.callbacks.Callback):
    def __init__(self, latent_dim, folder, n=16):
        super().__init__()
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.z = tf.random.normal((n, latent_dim), seed=1)

    def on_epoch_end(self, epoch, logs=None):
        imgs = self.model.generator(self.z, training=False).numpy()
        lo, hi = imgs.min(), imgs.max()
        imgs = (imgs - lo) / max(hi - lo, 1e-6)  # SAFE: range floored at 1e-6 and only used for the picture
        np.save(self.folder / ("epoch_%03d.npy" % epoch), imgs)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="emnist.npz")
    ap.add_argument("--latent", type=int, default=128)
    ap.add_argument("--batch", type=int, default=256)
    ap.add_argument("--epochs", type=int, default=20)
    args = ap.parse_args()
    x = load_glyphs(args.data)
    gan = WGAN(build_critic(), build_generator(args.latent), args.latent)
    gan.compile(keras.optimizers.Adam(2e-4, beta_1=0.5, beta_2=0.9),  # SAFE: usual WGAN-GP rates
                keras.optimizers.Adam(2e-4, beta_1=0.5, beta_2=0.9))
    gan.fit(x, batch_size=args.batch, epochs=args.epochs, callbacks=[SampleSheet(args.latent, "samples")])


if __name__ == "__main__":
    main()
