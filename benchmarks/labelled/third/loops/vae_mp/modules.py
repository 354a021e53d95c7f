import tensorflow as tf
from tensorflow.keras import layers

import settings


def encoder():
    x = inp = layers.Input((settings.IMG, settings.IMG, settings.CHANNELS))
    for f in (32, 64, 128):
        x = layers.Conv2D(f, 4, 2, "same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU(negative_slope=0.1)(x)
    x = layers.Flatten()(x)
    mu = layers.Dense(settings.LATENT)(x)
    logvar = layers.Dense(settings.LATENT)(x)
    return tf.keras.Model(inp, [mu, logvar], name="encoder")


def decoder():
    x = inp = layers.Input((settings.LATENT,))
    x = layers.Dense(4 * 4 * 128, activation="relu")(x)
    x = layers.Reshape((4, 4, 128))(x)
    for f in (64, 32):
        x = layers.Conv2DTranspose(f, 4, 2, "same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU(negative_slope=0.1)(x)
    x = layers.Conv2DTranspose(settings.CHANNELS, 4, 2, "same")(x)
    return tf.keras.Model(inp, x, name="decoder")


class VAE(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.enc = encoder()
        self.dec = decoder()

    def encode(self, x, training=False):
        mu, logvar = self.enc(x, training=training)
        return mu, logvar

    def reparameterize(self, mu, logvar):
        eps = tf.random.normal(tf.shape(mu), dtype=mu.dtype)
        return mu + eps * tf.exp(0.5 * tf.clip_by_value(logvar, -10.0, 10.0))  # SAFE: clipped, exp(5) = 148 fits float16

    def decode(self, z, training=False):
        return self.dec(z, training=training)
