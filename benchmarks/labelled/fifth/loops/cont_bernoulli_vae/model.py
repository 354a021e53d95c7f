import tensorflow as tf
from tensorflow.keras import layers

import config
import distributions as D


class Encoder(tf.keras.Model):
    def __init__(self, hidden, latent):
        super().__init__()
        self.net = tf.keras.Sequential([
            layers.Dense(hidden, activation="relu"),
            layers.Dense(hidden, activation="relu"),
        ])
        self.mu = layers.Dense(latent)
        self.logvar = layers.Dense(latent)

    def call(self, x):
        h = self.net(x)
        lv = tf.clip_by_value(self.logvar(h), config.LOGVAR_MIN, config.LOGVAR_MAX)
        return self.mu(h), lv


class Decoder(tf.keras.Model):
    def __init__(self, hidden, out_dim):
        super().__init__()
        self.net = tf.keras.Sequential([
            layers.Dense(hidden, activation="relu"),
            layers.Dense(hidden, activation="relu"),
        ])
        self.out = layers.Dense(out_dim, kernel_initializer="zeros", bias_initializer="zeros")

    def call(self, z):
        return self.out(self.net(z))


class CBVAE(tf.keras.Model):
    def __init__(self, hidden=400, latent=config.LATENT_DIM, out_dim=784):
        super().__init__()
        self.encoder = Encoder(hidden, latent)
        self.decoder = Decoder(hidden, out_dim)

    def reparameterize(self, mu, logvar):
        eps = tf.random.normal(tf.shape(mu))
        return mu + eps * tf.exp(0.5 * logvar)  # SAFE: logvar in [-8, 4], exp(2) at most

    def elbo(self, x, beta=1.0):
        mu, logvar = self.encoder(x)
        z = self.reparameterize(mu, logvar)
        logits = self.decoder(z)
        rec = tf.reduce_sum(D.cont_bernoulli_log_prob(logits, x), axis=-1)
        kl = D.gaussian_kl(mu, logvar)
        return tf.reduce_mean(rec - beta * kl), tf.reduce_mean(rec), tf.reduce_mean(kl)

    def iw_bound(self, x, k=10):
        mu, logvar = self.encoder(x)
        ws = []
        for _ in range(k):
            z = self.reparameterize(mu, logvar)
            lp = tf.reduce_sum(D.cont_bernoulli_log_prob(self.decoder(z), x), -1)
            prior = D.gaussian_log_prob(z, tf.zeros_like(z), tf.zeros_like(z))
            ws.append(lp + prior - D.gaussian_log_prob(z, mu, logvar))
        w = tf.stack(ws, 0)
        return tf.reduce_mean(tf.reduce_logsumexp(w, 0) - tf.math.log(float(k)))  # SAFE: k >= 1, logsumexp subtracts the max
