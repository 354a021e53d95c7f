"""Beta-VAE on MNIST-like images (npz with `images` uint8 [N, 28, 28])."""
import argparse
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

EPS = 1e-8


def load_images(path):
    with np.load(path) as f:
        images = f["images"]
    images = images.astype("float32") / 255.0  # SAFE: constant divisor, result in [0, 1]
    return images[..., None]


def make_dataset(images, batch_size, training=True):
    ds = tf.data.Dataset.from_tensor_slices(images)
    if training:
        ds = ds.shuffle(min(len(images), 10000))
    return ds.batch(batch_size, drop_remainder=training).prefetch(tf.data.AUTOTUNE)


class Encoder(tf.keras.Model):
    def __init__(self, latent_dim):
        super().__init__()
        self.body = tf.keras.Sequential([
            layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(64, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
        ])
        self.mean = layers.Dense(latent_dim)
        self.log_var = layers.Dense(latent_dim)

    def call(self, x, training=False):
        h = self.body(x, training=training)
        return self.mean(h), tf.clip_by_value(self.log_var(h), -10.0, 10.0)


class Decoder(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.body = tf.keras.Sequential([
            layers.Dense(7 * 7 * 64, activation="relu"),
            layers.Reshape((7, 7, 64)),
            layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid"),
        ])

    def call(self, z, training=False):
        return self.body(z, training=training)


def bernoulli_nll(x, x_hat):
    x_hat = tf.clip_by_value(x_hat, EPS, 1.0 - EPS)
    pos = x * tf.math.log(x_hat)  # SAFE: x_hat is at least 1e-8
    neg = (1.0 - x) * tf.math.log(1.0 - x_hat)  # BUG: weak-guard, 1 - 1e-8 rounds to 1.0 in float32 so a saturated pixel gives log(0)
    return -tf.reduce_sum(pos + neg, axis=[1, 2, 3])


def kl_divergence(mean, log_var):
    return -0.5 * tf.reduce_sum(
        1.0 + log_var - tf.square(mean) - tf.exp(log_var), axis=-1)  # SAFE: encoder clips log_var to [-10, 10]


def psnr(x, x_hat):
    mse = tf.reduce_mean(tf.square(x - x_hat), axis=[1, 2, 3])
    mse = tf.maximum(mse, 1e-10)
    return -10.0 * tf.math.log(mse) / np.log(10.0)  # SAFE: mse floored, divisor constant


class BetaVAE(tf.keras.Model):
    def __init__(self, latent_dim=16, beta=4.0, warmup_steps=1000):
        super().__init__()
        self.encoder = Encoder(latent_dim)
        self.decoder = Decoder()
        self.beta = beta
        self.warmup_steps = max(1, warmup_steps)
        self.step = tf.Variable(0, trainable=False, dtype=tf.int64)
        self.nll_tracker = tf.keras.metrics.Mean(name="nll")
        self.kl_tracker = tf.keras.metrics.Mean(name="kl")
        self.psnr_tracker = tf.keras.metrics.Mean(name="psnr")

    @property
    def metrics(self):
        return [self.nll_tracker, self.kl_tracker, self.psnr_tracker]

    def reparameterize(self, mean, log_var):
        noise = tf.random.normal(tf.shape(mean))
        return mean + noise * tf.exp(0.5 * log_var)  # SAFE: log_var in [-10, 10]

    def current_beta(self):
        frac = tf.cast(self.step, tf.float32) / float(self.warmup_steps)  # SAFE: warmup_steps is at least 1
        return self.beta * tf.minimum(frac, 1.0)

    def call(self, x, training=False):
        mean, log_var = self.encoder(x, training=training)
        z = self.reparameterize(mean, log_var) if training else mean
        return self.decoder(z, training=training), mean, log_var

    def train_step(self, x):
        with tf.GradientTape() as tape:
            x_hat, mean, log_var = self(x, training=True)
            nll = tf.reduce_mean(bernoulli_nll(x, x_hat))
            kl = tf.reduce_mean(kl_divergence(mean, log_var))
            loss = nll + self.current_beta() * kl
        grads = tape.gradient(loss, self.trainable_variables)
        grads, _ = tf.clip_by_global_norm(grads, 10.0)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        self.step.assign_add(1)
        self.nll_tracker.update_state(nll)
        self.kl_tracker.update_state(kl)
        self.psnr_tracker.update_state(psnr(x, x_hat))
        return {m.name: m.result() for m in self.metrics}

    def test_step(self, x):
        x_hat, mean, log_var = self(x, training=False)
        self.nll_tracker.update_state(bernoulli_nll(x, x_hat))
        self.kl_tracker.update_state(kl_divergence(mean, log_var))
        self.psnr_tracker.update_state(psnr(x, x_hat))
        return {m.name: m.result() for m in self.metrics}


def parse_args():
    p = argparse.ArgumentParser()
    p.add_argument("--data", default="data/mnist.npz")
    p.add_argument("--out", default="runs/vae")
    p.add_argument("--epochs", type=int, default=30)
    p.add_argument("--batch-size", type=int, default=128)
    p.add_argument("--latent", type=int, default=16)
    p.add_argument("--beta", type=float, default=4.0)
    p.add_argument("--lr", type=float, default=1e-3)
    return p.parse_args()


def main():
    args = parse_args()
    os.makedirs(args.out, exist_ok=True)
    images = load_images(args.data)
    split = int(0.9 * len(images))
    train = make_dataset(images[:split], args.batch_size)
    valid = make_dataset(images[split:], args.batch_size, training=False)
    model = BetaVAE(args.latent, args.beta)
    model.compile(optimizer=tf.keras.optimizers.Adam(args.lr))
    model.fit(train, validation_data=valid, epochs=args.epochs)
    model.save_weights(os.path.join(args.out, "vae.weights.h5"))


if __name__ == "__main__":
    main()
