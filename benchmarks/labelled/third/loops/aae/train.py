"""Adversarial autoencoder with three optimizers (Makhzani et al.)."""
import argparse

import numpy as np
import tensorflow as tf

import data
import nets

bce = tf.keras.losses.BinaryCrossentropy(from_logits=True)


class AAE:
    def __init__(self, z_dim, prior):
        self.z_dim, self.prior = z_dim, prior
        self.enc, self.dec, self.disc = nets.encoder(z_dim), nets.decoder(z_dim), nets.critic(z_dim)
        self.opt_rec = tf.keras.optimizers.Adam(1e-3)
        self.opt_disc = tf.keras.optimizers.Adam(2e-4, beta_1=0.5)
        self.opt_gen = tf.keras.optimizers.Adam(2e-4, beta_1=0.5)

    def draw_prior(self, n):
        if self.prior == "roll":
            return tf.numpy_function(lambda k: data.swiss_roll(int(k)), [n], tf.float32)
        return tf.random.normal((n, self.z_dim))

    @tf.function
    def reconstruct_step(self, x):
        v = self.enc.trainable_variables + self.dec.trainable_variables
        with tf.GradientTape() as tape:
            logits = self.dec(self.enc(x, training=True), training=True)
            ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits)  # BUG: raw-data, data.to_vectors keeps the pixels 0..255 and a label above 1 makes the cross entropy unbounded below
            loss = tf.reduce_mean(tf.reduce_sum(ce, 1))
        self.opt_rec.apply_gradients(zip(tape.gradient(loss, v), v))
        return loss

    @tf.function
    def regularize_step(self, x):
        n = tf.shape(x)[0]
        real = tf.ensure_shape(self.draw_prior(n), (None, self.z_dim))
        with tf.GradientTape() as dt:
            fake = self.enc(x, training=True)
            a, b = self.disc(real, training=True), self.disc(fake, training=True)
            d_loss = bce(tf.ones_like(a), a) + bce(tf.zeros_like(b), b)  # SAFE: the critic ends linear and bce was made with from_logits=True
        v = self.disc.trainable_variables
        self.opt_disc.apply_gradients(zip(dt.gradient(d_loss, v), v))
        with tf.GradientTape() as gt:
            b = self.disc(self.enc(x, training=True), training=True)
            g_loss = bce(tf.ones_like(b), b)  # SAFE: logits with from_logits=True
        v = self.enc.trainable_variables
        self.opt_gen.apply_gradients(zip(gt.gradient(g_loss, v), v))
        return d_loss, g_loss


def cluster_purity(z, y, k=20, iters=10):
    c = z[np.random.choice(len(z), k, replace=False)]
    for _ in range(iters):
        a = ((z[:, None] - c[None]) ** 2).sum(-1).argmin(1)
        for j in range(k):
            if (a == j).any():
                c[j] = z[a == j].mean(0)  # SAFE: only clusters with members
    hit = sum(np.bincount(y[a == j]).max() for j in range(k) if (a == j).any())
    return hit / len(y)  # SAFE: the evaluation slice is not empty, numpy metric


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--root", default="fashion")
    ap.add_argument("--z", type=int, default=2)
    ap.add_argument("--prior", choices=["normal", "roll"], default="normal")
    ap.add_argument("--batch", type=int, default=128)
    ap.add_argument("--epochs", type=int, default=50)
    a = ap.parse_args()
    x, y = data.load(a.root)
    xv, yv = data.load(a.root, "t10k")
    model = AAE(a.z, a.prior)
    for ep in range(a.epochs):
        logs = []
        for bx, _ in data.pipeline(x, y, a.batch):
            rec = model.reconstruct_step(bx)
            d, g = model.regularize_step(bx)
            logs.append([float(rec), float(d), float(g)])
        print(ep, np.mean(logs, 0) if logs else "no batch", cluster_purity(model.enc.predict(xv[:2000], verbose=0), yv[:2000]))  # SAFE: empty list handled
        model.dec.save_weights("dec.weights.h5")


if __name__ == "__main__":
    main()
