"""
Title: Convolutional beta-VAE on Fashion-MNIST
Description: Keras 3 implementation with a custom train_step and KL warm-up.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

LATENT_DIM = 8
LOGVAR_RANGE = (-10.0, 6.0)


class Sampling(layers.Layer):
    """Uses (z_mean, z_log_var) to sample z."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        z_mean, z_log_var = inputs
        epsilon = keras.random.normal(shape=ops.shape(z_mean), seed=self.seed_generator)
        return z_mean + ops.exp(0.5 * z_log_var) * epsilon  # SAFE: log variance is clipped to [-10, 6] by the encoder


def build_encoder(latent_dim=LATENT_DIM):
    inputs = keras.Input(shape=(28, 28, 1))
    x = layers.Conv2D(16, 3, strides=2, padding="same")(inputs)
    x = layers.GroupNormalization(groups=4)(x)
    x = layers.Activation("silu")(x)
    x = layers.Conv2D(32, 3, strides=2, padding="same")(x)
    x = layers.GroupNormalization(groups=4)(x)
    x = layers.Activation("silu")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(32, activation="silu")(x)
    z_mean = layers.Dense(latent_dim, name="z_mean")(x)
    z_log_var = layers.Dense(latent_dim, name="z_log_var", kernel_initializer="zeros")(x)
    z_log_var = layers.Lambda(lambda t: ops.clip(t, *LOGVAR_RANGE), name="clip_log_var")(z_log_var)
    z = Sampling()([z_mean, z_log_var])
    return keras.Model(inputs, [z_mean, z_log_var, z], name="encoder")


def build_decoder(latent_dim=LATENT_DIM):
    inputs = keras.Input(shape=(latent_dim,))
    x = layers.Dense(7 * 7 * 32, activation="silu")(inputs)
    x = layers.Reshape((7, 7, 32))(x)
    x = layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="silu")(x)
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="silu")(x)
    outputs = layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x)
    return keras.Model(inputs, outputs, name="decoder")


def kl_divergence(z_mean, z_log_var):
    kl = -0.5 * (1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var))  # SAFE: z_log_var is at most 6 after the clip
    return ops.mean(ops.sum(kl, axis=1))


class VAE(keras.Model):
    def __init__(self, encoder, decoder, beta=1.0, warmup_steps=2000, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.beta = beta
        self.warmup_steps = warmup_steps
        self.total_loss_tracker = keras.metrics.Mean(name="total_loss")
        self.reconstruction_loss_tracker = keras.metrics.Mean(name="reconstruction_loss")
        self.kl_loss_tracker = keras.metrics.Mean(name="kl_loss")

    @property
    def metrics(self):
        return [self.total_loss_tracker, self.reconstruction_loss_tracker, self.kl_loss_tracker]

    def call(self, inputs):
        return self.decoder(self.encoder(inputs)[0])

    def kl_weight(self):
        step = ops.cast(self.optimizer.iterations, "float32")
        return self.beta * ops.minimum(1.0, step / max(self.warmup_steps, 1))  # SAFE: denominator is at least 1

    def compute_losses(self, data):
        z_mean, z_log_var, z = self.encoder(data)
        reconstruction = self.decoder(z)
        bce = keras.losses.binary_crossentropy(data, reconstruction)  # SAFE: keras clips the sigmoid output before the logarithm
        reconstruction_loss = ops.mean(ops.sum(bce, axis=(1, 2)))
        return reconstruction_loss, kl_divergence(z_mean, z_log_var)

    def train_step(self, data):
        with tf.GradientTape() as tape:
            reconstruction_loss, kl_loss = self.compute_losses(data)
            total_loss = reconstruction_loss + self.kl_weight() * kl_loss
        grads = tape.gradient(total_loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(grads, self.trainable_weights))
        self.total_loss_tracker.update_state(total_loss)
        self.reconstruction_loss_tracker.update_state(reconstruction_loss)
        self.kl_loss_tracker.update_state(kl_loss)
        return {m.name: m.result() for m in self.metrics}

    def test_step(self, data):
        reconstruction_loss, kl_loss = self.compute_losses(data)
        self.total_loss_tracker.update_state(reconstruction_loss + self.beta * kl_loss)
        self.reconstruction_loss_tracker.update_state(reconstruction_loss)
        self.kl_loss_tracker.update_state(kl_loss)
        return {m.name: m.result() for m in self.metrics}


def psnr(a, b):
    mse = np.mean((a - b) ** 2, axis=(1, 2, 3))
    return 10.0 * np.log10(1.0 / np.maximum(mse, 1e-10))  # SAFE: error is bounded from below by 1e-10


def active_units(encoder, images, threshold=0.01):
    z_mean, z_log_var, _ = encoder.predict(images, verbose=0)
    spread = z_mean.var(axis=0)
    ratio = spread / (spread + np.exp(z_log_var).mean(axis=0))  # SAFE: exp of a log variance above -10 is strictly positive
    return int((spread > threshold).sum()), ratio


def load_data():
    (x_train, _), (x_test, _) = keras.datasets.fashion_mnist.load_data()
    x_train = np.expand_dims(x_train, -1).astype("float32") / 255
    x_test = np.expand_dims(x_test, -1).astype("float32") / 255
    return x_train, x_test


def main(epochs=30, batch_size=128):
    x_train, x_test = load_data()
    vae = VAE(build_encoder(), build_decoder(), beta=2.0)
    vae.compile(optimizer=keras.optimizers.Adam(learning_rate=1e-3))
    vae.fit(x_train, validation_data=(x_test,), epochs=epochs, batch_size=batch_size,
            callbacks=[keras.callbacks.TerminateOnNaN()])
    decoded = vae.predict(x_test[:1000])
    print("PSNR", psnr(x_test[:1000], decoded).mean())
    print("active units", active_units(vae.encoder, x_test[:2000])[0])
    vae.decoder.save("decoder.keras")


if __name__ == "__main__":
    main()
