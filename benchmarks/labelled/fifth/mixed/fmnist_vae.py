"""Convolutional VAE on Fashion-MNIST with a custom loop in half precision.

    python fmnist_vae.py --data fashion.npz --precision mixed_float16
"""
import argparse
import os
import time

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


def get_args(argv=None):
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="fashion.npz")
    ap.add_argument("--precision", default="mixed_float16", choices=["float32", "mixed_float16"])
    ap.add_argument("--latent", type=int, default=16)
    ap.add_argument("--batch", type=int, default=128)
    ap.add_argument("--epochs", type=int, default=20)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--beta", type=float, default=1.0)
    ap.add_argument("--capacity-epochs", type=int, default=5)
    ap.add_argument("--logdir", default="runs/vae")
    return ap.parse_args(argv)


def load_images(path):
    with np.load(path) as f:
        x = f["x_train"]
    x = x.astype("float32")[..., None] / 255.0
    return x


def dataset(x, batch):
    ds = tf.data.Dataset.from_tensor_slices(x).shuffle(20000)
    return ds.batch(batch, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


class Sampling(layers.Layer):
    def call(self, inputs):
        mean, logvar = inputs
        eps = tf.random.normal(tf.shape(mean), dtype=mean.dtype)
        return mean + tf.exp(0.5 * logvar) * eps  # SAFE: the encoder squashes logvar to [-6, 6] with tanh


class FeatureWhiten(layers.Layer):
    """Normalises each image's feature vector before the latent heads."""

    def __init__(self, eps=1e-8, **kw):
        super().__init__(**kw)
        self.eps = eps

    def call(self, h):
        mean = tf.reduce_mean(h, axis=-1, keepdims=True)
        var = tf.reduce_mean(tf.square(h - mean), axis=-1, keepdims=True)
        return (h - mean) / tf.sqrt(var + self.eps)  # BUG: weak-guard, in mixed_float16 the 1e-8 rounds to 0, a flat feature vector gives 0/0


class VAE(keras.Model):
    def __init__(self, latent, **kw):
        super().__init__(**kw)
        self.enc = keras.Sequential([
            layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(64, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
        ])
        self.whiten = FeatureWhiten()
        self.mu = layers.Dense(latent)
        self.lv = layers.Dense(latent, activation="tanh")
        self.sample = Sampling()
        self.dec = keras.Sequential([
            layers.Dense(7 * 7 * 64, activation="relu"),
            layers.Reshape((7, 7, 64)),
            layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(1, 3, strides=2, padding="same"),
        ])
        self.to_float = layers.Activation("linear", dtype="float32")

    def encode(self, x):
        h = self.whiten(self.enc(x))
        return self.to_float(self.mu(h)), 6.0 * self.to_float(self.lv(h))

    def decode(self, z):
        return self.to_float(self.dec(z))

    def call(self, x):
        mu, lv = self.encode(x)
        return self.decode(self.sample((mu, lv))), mu, lv


def bernoulli_nll(x, logits):
    per_pixel = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits)
    return tf.reduce_sum(per_pixel, axis=[1, 2, 3])


def kl_normal(mu, lv):
    return 0.5 * tf.reduce_sum(tf.square(mu) + tf.exp(lv) - 1.0 - lv, axis=-1)  # SAFE: float32 and lv within [-6, 6]


def active_units(mu, threshold=1e-2):
    return int(np.sum(mu.var(axis=0) > threshold))


def psnr(x, y):
    mse = np.mean((x - y) ** 2, axis=(1, 2, 3))
    return float(np.mean(-10.0 * np.log10(np.maximum(mse, 1e-10))))  # SAFE: maximum with 1e-10


class Trainer:
    def __init__(self, model, args):
        self.model = model
        self.args = args
        self.opt = keras.optimizers.Adam(args.lr, epsilon=1e-7)
        self.half = args.precision == "mixed_float16"
        self.step_fn = tf.function(self._step)

    def beta_at(self, epoch):
        return self.args.beta * min(1.0, (epoch + 1) / max(self.args.capacity_epochs, 1))  # SAFE: maximum with 1

    def objective(self, x, beta):
        logits, mu, lv = self.model(x, training=True)
        nll = bernoulli_nll(x, logits)
        kl = kl_normal(mu, lv)
        return tf.reduce_mean(nll + beta * kl), tf.reduce_mean(nll), tf.reduce_mean(kl)

    def _step(self, x, beta):
        with tf.GradientTape() as tape:
            loss, nll, kl = self.objective(x, beta)
        grads = tape.gradient(loss, self.model.trainable_variables)  # MAYBE: no loss scaling in mixed_float16, but the summed pixel loss is large and the gradients do not underflow
        grads, norm = tf.clip_by_global_norm(grads, 100.0)
        self.opt.apply_gradients(zip(grads, self.model.trainable_variables))
        return loss, nll, kl, norm

    def run(self, ds):
        for epoch in range(self.args.epochs):
            t0, sums, n = time.time(), np.zeros(3), 0
            beta = tf.constant(self.beta_at(epoch), tf.float32)
            for x in ds:
                loss, nll, kl, _ = self.step_fn(x, beta)
                sums += [float(loss), float(nll), float(kl)]
                n += 1
            avg = sums / max(n, 1)  # SAFE: maximum with 1
            print("epoch %d loss %.2f nll %.2f kl %.2f (%.1fs)" % (epoch, *avg, time.time() - t0))


def main():
    args = get_args()
    keras.mixed_precision.set_global_policy(args.precision)
    x = load_images(args.data)
    n_val = len(x) // 10
    model = VAE(args.latent)
    model(x[:2])
    trainer = Trainer(model, args)
    trainer.run(dataset(x[n_val:], args.batch))
    mu, _ = model.encode(x[:n_val])
    rec = tf.sigmoid(model.decode(mu)).numpy()
    print("active units", active_units(mu.numpy()), "psnr", psnr(x[:n_val], rec))
    os.makedirs(args.logdir, exist_ok=True)
    model.save_weights(os.path.join(args.logdir, "vae.weights.h5"))


if __name__ == "__main__":
    main()
