"""Beta-VAE on Fashion-MNIST with a custom training loop."""
import argparse

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

EPS = 1e-8


def load():
    (x, _), (xt, _) = tf.keras.datasets.fashion_mnist.load_data()
    prep = lambda a: (a.astype("float32") / 255.0)[..., None]
    return prep(x), prep(xt)


class VAE(tf.keras.Model):
    def __init__(self, latent=16):
        super().__init__()
        self.latent = latent
        self.enc = tf.keras.Sequential([
            layers.Conv2D(32, 3, 2, "same", activation="relu"),
            layers.Conv2D(64, 3, 2, "same", activation="relu"),
            layers.Flatten(),
            layers.Dense(2 * latent),
        ])
        self.dec = tf.keras.Sequential([
            layers.Dense(7 * 7 * 32, activation="relu"),
            layers.Reshape((7, 7, 32)),
            layers.Conv2DTranspose(64, 3, 2, "same", activation="relu"),
            layers.Conv2DTranspose(32, 3, 2, "same", activation="relu"),
            layers.Conv2D(1, 3, 1, "same"),
        ])

    def encode(self, x):
        mean, raw = tf.split(self.enc(x), 2, axis=-1)
        return mean, 6.0 * tf.tanh(raw / 6.0)

    def reparameterize(self, mean, logvar):
        return mean + tf.exp(0.5 * logvar) * tf.random.normal(tf.shape(mean))  # SAFE: logvar is limited to -6..6 by the tanh in encode

    def decode(self, z):
        return tf.sigmoid(self.dec(z))

    def call(self, x):
        mean, logvar = self.encode(x)
        return self.decode(self.reparameterize(mean, logvar)), mean, logvar


def gaussian_kl(mean, logvar, free_bits):
    kl = 0.5 * (tf.square(mean) + tf.exp(logvar) - 1.0 - logvar)  # SAFE: logvar is limited to -6..6
    kl = tf.reduce_mean(kl, 0)
    return tf.reduce_sum(tf.maximum(kl, free_bits))


def reconstruction(x, p):
    ll = x * tf.math.log(p + EPS) + (1.0 - x) * tf.math.log(1.0 + EPS - p)  # BUG: weak-guard, 1 + 1e-8 is 1 in float32, so a saturated sigmoid gives log(0)
    return -tf.reduce_mean(tf.reduce_sum(ll, [1, 2, 3]))


def beta_schedule(step, warm, beta):
    return beta * tf.minimum(1.0, tf.cast(step, tf.float32) / float(max(1, warm)))  # SAFE: floored at 1


def active_units(means, thr=1e-2):
    return int(np.sum(np.var(means, axis=0) > thr))


def bits_per_dim(nll, dims=784):
    return nll / (dims * np.log(2.0))  # SAFE: constant


def importance_bound(model, x, k=20):
    mean, logvar = model.encode(x)
    ws = []
    for _ in range(k):
        z = model.reparameterize(mean, logvar)
        lpx = -tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=model.dec(z)), [1, 2, 3])  # SAFE: logits form
        lpz = -0.5 * tf.reduce_sum(tf.square(z), -1)
        lqz = -0.5 * tf.reduce_sum(tf.square(z - mean) * tf.exp(-logvar) + logvar, -1)  # SAFE: logvar is limited to -6..6
        ws.append(lpx + lpz - lqz)
    return tf.reduce_mean(tf.reduce_logsumexp(tf.stack(ws), 0) - np.log(k))  # SAFE: logsumexp, k is a positive constant


def make_step(model, opt, args):
    @tf.function
    def step(x, it):
        with tf.GradientTape() as tape:
            p, mean, logvar = model(x)
            rec = reconstruction(x, p)
            kl = gaussian_kl(mean, logvar, args.free_bits)
            loss = rec + beta_schedule(it, args.warmup, args.beta) * kl
        grads = tape.gradient(loss, model.trainable_variables)
        opt.apply_gradients(zip(grads, model.trainable_variables))
        return rec, kl
    return step


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--beta", type=float, default=1.0)
    ap.add_argument("--latent", type=int, default=16)
    ap.add_argument("--free-bits", type=float, default=0.02)
    ap.add_argument("--warmup", type=int, default=2000)
    ap.add_argument("--epochs", type=int, default=30)
    args = ap.parse_args()
    x, xt = load()
    ds = tf.data.Dataset.from_tensor_slices(x).shuffle(60000).batch(128, drop_remainder=True)
    model = VAE(args.latent)
    step = make_step(model, tf.keras.optimizers.Adam(1e-3), args)
    it = tf.Variable(0)
    for epoch in range(args.epochs):
        for xb in ds:
            rec, kl = step(xb, it)
            it.assign_add(1)
        bound = importance_bound(model, xt[:256])
        mu = model.encode(xt[:1000])[0].numpy()
        print(epoch, float(rec), float(kl), "bpd", float(bits_per_dim(-bound)), "active", active_units(mu))


if __name__ == "__main__":
    main()
