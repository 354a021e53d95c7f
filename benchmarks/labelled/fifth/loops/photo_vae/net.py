import tensorflow as tf
from tensorflow.keras import layers


def conv(f, s=1):
    return tf.keras.Sequential([
        layers.Conv2D(f, 3, strides=s, padding="same"),
        layers.GroupNormalization(groups=min(8, f)),
        layers.Activation("swish"),
    ])


class PhotoVAE(tf.keras.Model):
    def __init__(self, size=64, latent=64, width=32):
        super().__init__()
        self.latent = latent
        n = size // 8
        self.enc = tf.keras.Sequential([conv(width, 2), conv(width * 2, 2), conv(width * 4, 2), layers.Flatten()])
        self.to_mu = layers.Dense(latent)
        self.to_rho = layers.Dense(latent)
        self.up = tf.keras.Sequential([
            layers.Dense(n * n * width * 4), layers.Reshape((n, n, width * 4)),
            layers.UpSampling2D(), conv(width * 4), layers.UpSampling2D(), conv(width * 2),
            layers.UpSampling2D(), conv(width), layers.Conv2D(3, 3, padding="same"),
        ])

    def encode(self, x):
        h = self.enc(x)
        sigma = tf.nn.softplus(self.to_rho(h)) + 1e-4
        return self.to_mu(h), sigma

    def call(self, x):
        mu, sigma = self.encode(x)
        z = mu + sigma * tf.random.normal(tf.shape(mu))
        return self.up(z), mu, sigma

    def sample(self, n):
        return tf.sigmoid(self.up(tf.random.normal([n, self.latent])))


def kl_standard_normal(mu, sigma):
    return tf.reduce_sum(0.5 * (tf.square(mu) + tf.square(sigma) - 1.0) - tf.math.log(sigma), -1)  # SAFE: sigma is softplus plus 1e-4


def free_bits(mu, sigma, floor=0.05):
    k = 0.5 * (tf.square(mu) + tf.square(sigma) - 1.0) - tf.math.log(sigma)  # SAFE: sigma >= 1e-4
    return tf.reduce_sum(tf.maximum(tf.reduce_mean(k, 0), floor))


def mmd(z, prior):
    """Maximum mean discrepancy with an inverse multiquadric kernel."""
    def k(a, b):
        d = tf.reduce_sum(tf.square(a[:, None] - b[None]), -1)
        c = 2.0 * tf.cast(tf.shape(a)[1], tf.float32)
        return tf.reduce_mean(c / (c + d))  # SAFE: c >= 2 and d >= 0
    return k(z, z) + k(prior, prior) - 2.0 * k(z, prior)
