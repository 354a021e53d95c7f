# Assignment 3, generative models: VAE on the Frey faces (28x20 gray images)
import argparse
import os
import time

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers, Sequential, Model, optimizers

H, W = 28, 20
LATENT = 8
LOG2PI = float(np.log(2.0 * np.pi))  # SAFE: constant


def load_frey(path):
    from scipy.io import loadmat
    ff = loadmat(path)["ff"].T.reshape((-1, H, W, 1)).astype("float32")
    return ff / 255.0


class Encoder(Model):
    def __init__(self, latent):
        super().__init__()
        self.net = Sequential([
            layers.Conv2D(16, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
        ])
        self.mean = layers.Dense(latent)
        self.logvar = layers.Dense(latent)

    def call(self, x):
        h = self.net(x)
        lv = tf.clip_by_value(self.logvar(h), -12.0, 8.0)
        return self.mean(h), lv


class Decoder(Model):
    def __init__(self):
        super().__init__()
        self.net = Sequential([
            layers.Dense(7 * 5 * 32, activation="relu"),
            layers.Reshape((7, 5, 32)),
            layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
        ])

    def call(self, z):
        return self.net(z)


class VAE(Model):
    def __init__(self, latent=LATENT):
        super().__init__()
        self.encoder = Encoder(latent)
        self.decoder = Decoder()
        self.latent = latent

    @staticmethod
    def sample(mu, logvar):
        eps = tf.random.normal(tf.shape(mu))
        return mu + tf.exp(0.5 * logvar) * eps  # SAFE: the encoder clips logvar to [-12, 8]

    def call(self, x):
        mu, logvar = self.encoder(x)
        return self.decoder(self.sample(mu, logvar))


def kl_divergence(mu, logvar):
    per_dim = 1.0 + logvar - tf.square(mu) - tf.exp(logvar)  # SAFE: logvar at most 8 after the clip in Encoder.call
    return -0.5 * tf.reduce_sum(per_dim, axis=1)


def log_normal_pdf(sample, mean, logvar):
    return tf.reduce_sum(-0.5 * (tf.square(sample - mean) * tf.exp(-logvar) + logvar + LOG2PI), axis=1)  # SAFE: -logvar is at most 12


def reconstruction(x, x_hat):
    ll = x * tf.math.log(x_hat) + (1.0 - x) * tf.math.log(1.0 - x_hat)  # BUG: log-sigmoid, x_hat is a float32 sigmoid that rounds to exactly 1 (or 0) for saturated pixels
    return -tf.reduce_sum(ll, axis=[1, 2, 3])


def compute_loss(model, x, beta):
    mu, logvar = model.encoder(x)
    z = model.sample(mu, logvar)
    x_hat = model.decoder(z)
    rec = reconstruction(x, x_hat)
    kl = kl_divergence(mu, logvar)
    return tf.reduce_mean(rec + beta * kl), tf.reduce_mean(rec), tf.reduce_mean(kl)


@tf.function
def train_step(model, x, beta, opt):
    with tf.GradientTape() as tape:
        loss, rec, kl = compute_loss(model, x, beta)
    grads = tape.gradient(loss, model.trainable_variables)
    opt.apply_gradients(zip(grads, model.trainable_variables))
    return loss, rec, kl


def iwae_bound(model, x, k=64):
    """Importance weighted bound for the test set, evaluation only."""
    mu, logvar = model.encoder(x)
    logw = []
    for _ in range(k):
        z = model.sample(mu, logvar)
        x_hat = tf.clip_by_value(model.decoder(z), 1e-6, 1.0 - 1e-6)
        logpx = tf.reduce_sum(x * tf.math.log(x_hat) + (1.0 - x) * tf.math.log(1.0 - x_hat), [1, 2, 3])  # SAFE: x_hat clipped to [1e-6, 1-1e-6] in float32
        logw.append(logpx + log_normal_pdf(z, 0.0, 0.0) - log_normal_pdf(z, mu, logvar))
    logw = tf.stack(logw)
    return tf.reduce_mean(tf.reduce_logsumexp(logw, axis=0) - np.log(k))  # SAFE: logsumexp subtracts the maximum, k is 64


def beta_schedule(epoch, warmup):
    return min(1.0, epoch / max(1, warmup))  # SAFE: max(1, warmup)


def psnr(x, x_hat):
    mse = tf.reduce_mean(tf.square(x - x_hat), axis=[1, 2, 3])
    return tf.reduce_mean(-10.0 * tf.math.log(tf.maximum(mse, 1e-10)) / tf.math.log(10.0))  # SAFE: mse floored at 1e-10


def plot_grid(model, path, n=8):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    z = tf.random.normal((n * n, model.latent))
    img = model.decoder(z).numpy().reshape(n, n, H, W).transpose(0, 2, 1, 3).reshape(n * H, n * W)
    plt.imsave(path, img, cmap="gray")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--mat", default="frey_rawface.mat")
    parser.add_argument("--epochs", default=200, type=int)
    parser.add_argument("--warmup", default=10, type=int)
    parser.add_argument("--lr", default=1e-3, type=float)
    args = parser.parse_args()

    faces = load_frey(args.mat)
    np.random.seed(0)
    np.random.shuffle(faces)
    train, test = faces[:-200], faces[-200:]
    ds = tf.data.Dataset.from_tensor_slices(train).shuffle(2000).batch(64)

    model = VAE()
    opt = optimizers.Adam(args.lr)
    os.makedirs("frey_out", exist_ok=True)
    for epoch in range(args.epochs):
        t0 = time.time()
        beta = tf.constant(beta_schedule(epoch, args.warmup), tf.float32)
        for xb in ds:
            loss, rec, kl = train_step(model, xb, beta, opt)
        print("%03d loss %.2f rec %.2f kl %.2f (%.1fs)" % (epoch, loss, rec, kl, time.time() - t0))
        if epoch % 10 == 0:
            print("   psnr", float(psnr(test, model(test))), "iwae", float(iwae_bound(model, test)))
            plot_grid(model, "frey_out/%03d.png" % epoch)
