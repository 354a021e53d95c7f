"""beta-VAE on CelebA crops, Keras subclass with train_step."""
import argparse
import glob
import os
import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

LOG2PI = float(np.log(2.0 * np.pi))  # SAFE: logarithm of a positive constant


def encoder(size, zdim):
    inp = keras.Input((size, size, 3))
    x = inp
    for f in (32, 64, 128):
        x = layers.Conv2D(f, 4, strides=2, padding="same")(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Flatten()(x)
    return keras.Model(inp, layers.Dense(2 * zdim)(x), name="enc")


def decoder(size, zdim):
    inp = keras.Input((zdim,))
    s = size // 8
    x = layers.Dense(s * s * 128, activation="relu")(inp)
    x = layers.Reshape((s, s, 128))(x)
    for f in (64, 32, 16):
        x = layers.Conv2DTranspose(f, 4, strides=2, padding="same", activation="relu")(x)
    return keras.Model(inp, layers.Conv2D(3, 3, padding="same")(x), name="dec")


class BetaVAE(keras.Model):
    def __init__(self, size=64, zdim=32, beta=4.0, free_bits=0.05, warmup=5000):
        super().__init__()
        self.enc, self.dec = encoder(size, zdim), decoder(size, zdim)
        self.beta, self.free_bits = beta, free_bits
        self.warmup = max(1, warmup)
        self.counter = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.trackers = {k: keras.metrics.Mean(name=k) for k in ("loss", "rec", "kl")}

    @property
    def metrics(self):
        return list(self.trackers.values())

    def posterior(self, x):
        mu, raw = tf.split(self.enc(x), 2, axis=-1)
        logvar = 6.0 * tf.tanh(raw / 6.0)
        return mu, logvar

    def reparam(self, mu, logvar):
        return mu + tf.exp(0.5 * logvar) * tf.random.normal(tf.shape(mu))  # SAFE: logvar is squashed into (-6, 6) by tanh

    def kl(self, mu, logvar):
        k = 0.5 * (tf.square(mu) + tf.exp(logvar) - 1.0 - logvar)  # SAFE: logvar is at most 6
        return tf.reduce_sum(tf.maximum(k, self.free_bits), -1)

    def log_normal(self, z, mu, logvar):
        return -0.5 * tf.reduce_sum(LOG2PI + logvar + tf.square(z - mu) * tf.exp(-logvar), -1)  # SAFE: -logvar is at most 6

    def anneal(self):
        step = tf.cast(self.counter, tf.float32)
        return self.beta * tf.minimum(1.0, step / self.warmup)  # SAFE: warmup is at least 1

    def train_step(self, x):
        with tf.GradientTape() as tape:
            mu, logvar = self.posterior(x)
            logits = self.dec(self.reparam(mu, logvar))
            rec = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits), [1, 2, 3])  # SAFE: stable op, images in [0, 1]
            kl = self.kl(mu, logvar)
            loss = tf.reduce_mean(rec + self.anneal() * kl)
        g = tape.gradient(loss, self.trainable_variables)
        g = [tf.clip_by_norm(v, 100.0) for v in g]  # SAFE: clip_by_norm handles an all-zero gradient
        self.optimizer.apply_gradients(zip(g, self.trainable_variables))
        self.counter.assign_add(1)
        for k, v in (("loss", loss), ("rec", rec), ("kl", kl)):
            self.trackers[k].update_state(v)
        return {k: m.result() for k, m in self.trackers.items()}

    def iwae_bound(self, x, k=16):
        mu, logvar = self.posterior(x)
        logw = []
        for _ in range(k):
            z = self.reparam(mu, logvar)
            rec = -tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=self.dec(z)), [1, 2, 3])
            prior = self.log_normal(z, tf.zeros_like(z), tf.zeros_like(z))
            logw.append(rec + prior - self.log_normal(z, mu, logvar))
        logw = tf.stack(logw)
        top = tf.reduce_max(logw, 0)
        return top + tf.math.log(tf.reduce_mean(tf.exp(logw - top), 0))  # SAFE: the largest exponent is 0, so the mean is at least 1/k


def psnr(a, b):
    mse = tf.reduce_mean(tf.square(a - b), [1, 2, 3])
    return -10.0 * tf.math.log(tf.maximum(mse, 1e-10)) / tf.math.log(10.0)  # SAFE: mse floored at 1e-10 and log(10) is a constant


def load(path, size):
    files = glob.glob(os.path.join(path, "*.jpg"))

    def read(f):
        im = tf.io.decode_jpeg(tf.io.read_file(f), channels=3)
        im = tf.image.central_crop(im, 0.7)
        return tf.clip_by_value(tf.image.resize(im, (size, size)) / 255.0, 0.0, 1.0)
    return tf.data.Dataset.from_tensor_slices(files).shuffle(10000).map(read).batch(64).prefetch(2)


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--data", default="celeba/img_align")
    p.add_argument("--epochs", type=int, default=30)
    p.add_argument("--lr", type=float, default=3e-4)
    a = p.parse_args()
    vae = BetaVAE()
    vae.compile(optimizer=keras.optimizers.Adam(a.lr))
    vae.fit(load(a.data, 64), epochs=a.epochs)
    vae.enc.save("enc.keras")
