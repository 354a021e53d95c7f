import math

import keras
import tensorflow as tf
from keras import layers

from faces import SIZE


def encoder(latent):
    x = inp = keras.Input((SIZE, SIZE, 3))
    for f in (32, 64, 128):
        x = layers.Conv2D(f, 4, strides=2, padding="same")(x)
        x = layers.LeakyReLU()(x)
    x = layers.Flatten()(x)
    return keras.Model(inp, [layers.Dense(latent, name="mean")(x), layers.Dense(latent, name="log_var")(x)])


def decoder(latent):
    x = inp = keras.Input((latent,))
    x = layers.Dense(4 * 4 * 128, activation="relu")(x)
    x = layers.Reshape((4, 4, 128))(x)
    for f in (64, 32, 16):
        x = layers.Conv2DTranspose(f, 4, strides=2, padding="same", activation="relu")(x)
    return keras.Model(inp, layers.Conv2D(3, 3, padding="same")(x))


class BetaVAE(keras.Model):

    def __init__(self, latent=64, beta=4.0, free_bits=0.1, warmup=5000):
        super().__init__()
        self.latent, self.beta, self.free_bits = latent, beta, free_bits
        self.warmup = max(int(warmup), 1)
        self.enc, self.dec = encoder(latent), decoder(latent)
        self.trackers = {k: keras.metrics.Mean(name=k) for k in ("loss", "rec", "kl", "psnr")}
        self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False, name="seen")

    @property
    def metrics(self):
        return list(self.trackers.values())

    @staticmethod
    def reparameterize(mean, log_var):
        eps = tf.random.normal(tf.shape(mean))
        return mean + tf.exp(0.5 * log_var) * eps  # BUG: exp-overflow, log_var is a linear output and far above 100 for pixels up to 255

    def kl(self, mean, log_var):
        per_dim = 0.5 * (tf.square(mean) + tf.exp(log_var) - 1.0 - log_var)  # BUG: exp-overflow, log_var has no bound
        per_dim = tf.reduce_mean(per_dim, 0)
        return tf.reduce_sum(tf.maximum(per_dim, self.free_bits))

    @staticmethod
    def reconstruction(x, logits):
        bce = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits)  # BUG: raw-data, faces.py delivers 0..255 so the targets are no probabilities and the loss falls without bound
        return tf.reduce_mean(tf.reduce_sum(bce, [1, 2, 3]))

    @staticmethod
    def psnr(x, logits):
        mse = tf.reduce_mean(tf.square(x - tf.sigmoid(logits)), [1, 2, 3])
        return -10.0 / math.log(10.0) * tf.reduce_mean(tf.math.log(tf.maximum(mse, 1e-8)))  # SAFE: floored error, and the logarithm of ten

    def losses_for(self, x, training):
        mean, log_var = self.enc(x, training=training)  # MAYBE: same unscaled pixels as in reconstruction
        logits = self.dec(self.reparameterize(mean, log_var), training=training)
        rec, kl = self.reconstruction(x, logits), self.kl(mean, log_var)
        w = self.beta * tf.minimum(self.seen / self.warmup, 1.0)  # SAFE: the constructor makes warmup at least one
        return rec + w * kl, rec, kl, self.psnr(x, logits)

    def _log(self, values):
        for t, v in zip(self.trackers.values(), values):
            t.update_state(v)
        return {k: t.result() for k, t in self.trackers.items()}

    def train_step(self, x):
        with tf.GradientTape() as tape:
            values = self.losses_for(x, True)
        grads = tape.gradient(values[0], self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        self.seen.assign_add(1.0)
        return self._log(values)

    def test_step(self, x):
        return self._log(self.losses_for(x, False))

    def call(self, x):
        return tf.sigmoid(self.dec(self.enc(x)[0]))

    def interpolate(self, a, b, n=8):
        za, zb = self.enc(a[None])[0], self.enc(b[None])[0]
        cos = tf.reduce_sum(za * zb) / (tf.norm(za) * tf.norm(zb) + 1e-6)  # SAFE: epsilon, pictures only
        omega = tf.acos(tf.clip_by_value(cos, -0.999, 0.999))  # SAFE: clipped into the open interval
        t = tf.linspace(0.0, 1.0, n)[:, None]
        z = (tf.sin((1 - t) * omega) * za + tf.sin(t * omega) * zb) / tf.sin(omega)  # SAFE: omega is at least 0.04 and at most pi - 0.04
        return tf.sigmoid(self.dec(z))
