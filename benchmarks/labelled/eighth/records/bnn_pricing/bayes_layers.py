"""Mean-field Gaussian layers with the local reparameterisation trick."""
import numpy as np
import tensorflow as tf
from tensorflow import keras


def inverse_softplus(v):
    return float(np.log(np.expm1(v)))  # BUG: log-zero, posterior_sigma is 0.0 in the configuration so every rho starts at -inf


class BayesDense(keras.layers.Layer):
    def __init__(self, units, prior_sigma, posterior_sigma, activation=None, **kw):
        super().__init__(**kw)
        self.units = units
        self.prior_sigma = float(prior_sigma)
        self.rho0 = inverse_softplus(posterior_sigma)
        self.act = keras.activations.get(activation)

    def build(self, shape):
        d = int(shape[-1])
        self.mu = self.add_weight(name="mu", shape=(d, self.units), initializer="he_normal")
        self.rho = self.add_weight(name="rho", shape=(d, self.units), initializer=keras.initializers.Constant(self.rho0))
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def kl(self):
        sigma = tf.nn.softplus(self.rho)
        ratio = sigma / self.prior_sigma  # SAFE: the prior deviation is one in the configuration
        # log of softplus without leaving the log domain for very negative rho
        log_sigma = tf.where(self.rho < -15.0, self.rho, tf.math.log(tf.nn.softplus(tf.maximum(self.rho, -15.0))))  # MAYBE: the log itself is kept positive by the inner maximum
        log_ratio = log_sigma - np.log(self.prior_sigma)  # SAFE: the prior deviation is positive
        return 0.5 * tf.reduce_sum(tf.square(ratio) + tf.square(self.mu / self.prior_sigma) - 1.0 - 2.0 * log_ratio)

    def call(self, x):
        mean = tf.matmul(x, self.mu) + self.bias
        var = tf.matmul(tf.square(x), tf.square(tf.nn.softplus(self.rho)))
        std = tf.sqrt(var + 1e-8)  # SAFE: a constant is added under the root
        return self.act(mean + std * tf.random.normal(tf.shape(mean)))


class PriceNet(keras.Model):
    def __init__(self, cfg, **kw):
        super().__init__(**kw)
        sig = cfg["prior_sigma"], cfg["posterior_sigma"]
        self.hidden = [BayesDense(u, *sig, activation="relu") for u in cfg["layers"]]
        self.out = BayesDense(2, *sig)
        self.floor = cfg["noise_floor"]

    def call(self, x):
        for layer in self.hidden:
            x = layer(x)
        mean, raw = tf.split(self.out(x), 2, axis=-1)
        return mean, tf.nn.softplus(raw) + self.floor

    def kl(self):
        return tf.add_n([layer.kl() for layer in self.hidden + [self.out]])


def gaussian_nll(y, mean, std):
    z = (y - mean) / std  # SAFE: noise_floor of 0.01 is added to std
    return 0.5 * tf.square(z) + tf.math.log(std)  # SAFE: noise_floor of 0.01 is added to std
