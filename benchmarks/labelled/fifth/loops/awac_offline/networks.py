import math

import tensorflow as tf
from tensorflow.keras import layers

import constants as C


def mlp(sizes, out, out_init="glorot_uniform"):
    net = tf.keras.Sequential()
    for s in sizes:
        net.add(layers.Dense(s, activation="relu"))
    net.add(layers.Dense(out, kernel_initializer=out_init))
    return net


class SquashedGaussian(tf.keras.Model):
    """tanh-squashed diagonal Gaussian policy."""

    def __init__(self, act_dim, hidden=(256, 256)):
        super().__init__()
        self.body = mlp(hidden[:-1], hidden[-1])
        self.mu = layers.Dense(act_dim)
        self.log_std = layers.Dense(act_dim)

    def call(self, obs):
        h = tf.nn.relu(self.body(obs))
        log_std = tf.clip_by_value(self.log_std(h), C.LOG_STD_MIN, C.LOG_STD_MAX)
        return self.mu(h), log_std

    def _normal_log_prob(self, u, mu, log_std):
        z = (u - mu) / tf.exp(log_std)  # SAFE: log_std is clipped to [-5, 1] in call
        return -0.5 * tf.square(z) - log_std - 0.5 * math.log(2.0 * math.pi)

    def _squash_correction(self, u):
        return 2.0 * (math.log(2.0) - u - tf.nn.softplus(-2.0 * u))

    def sample(self, obs):
        mu, log_std = self(obs)
        u = mu + tf.exp(log_std) * tf.random.normal(tf.shape(mu))  # SAFE: log_std <= 1
        logp = tf.reduce_sum(self._normal_log_prob(u, mu, log_std) - self._squash_correction(u), -1)
        return C.ACT_LIMIT * tf.tanh(u), logp

    def log_prob(self, obs, act):
        mu, log_std = self(obs)
        a = tf.clip_by_value(act / C.ACT_LIMIT, -1.0 + C.SQUASH_EPS, 1.0 - C.SQUASH_EPS)
        u = tf.math.atanh(a)  # BUG: weak-guard, 1 - 1e-8 is 1.0 in float32, so actions at the limit of the data set give inf
        return tf.reduce_sum(self._normal_log_prob(u, mu, log_std) - self._squash_correction(u), -1)


class TwinQ(tf.keras.Model):
    def __init__(self, hidden=(256, 256)):
        super().__init__()
        self.q1 = mlp(hidden, 1)
        self.q2 = mlp(hidden, 1)

    def call(self, obs, act):
        x = tf.concat([obs, act], -1)
        return tf.squeeze(self.q1(x), -1), tf.squeeze(self.q2(x), -1)
