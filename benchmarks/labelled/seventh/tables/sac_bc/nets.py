import math

import keras
import tensorflow as tf
from keras import layers

LOG_STD_MIN, LOG_STD_MAX = -5.0, 2.0


def mlp(sizes, out, name):
    return keras.Sequential([layers.Dense(s, activation="relu") for s in sizes] + [layers.Dense(out)], name=name)


class SquashedGaussianActor(keras.Model):

    def __init__(self, act_dim, hidden=(256, 256)):
        super().__init__()
        self.body = mlp(hidden, 2 * act_dim, "actor")

    def stats(self, obs):
        mu, log_std = tf.split(self.body(obs), 2, axis=-1)
        log_std = LOG_STD_MIN + 0.5 * (LOG_STD_MAX - LOG_STD_MIN) * (tf.tanh(log_std) + 1.0)
        return mu, tf.exp(log_std)  # SAFE: tanh keeps log_std between -5 and 2

    @staticmethod
    def _normal_log_prob(u, mu, std):
        z = (u - mu) / std  # SAFE: std is at least exp(-5)
        return tf.reduce_sum(-0.5 * z * z - tf.math.log(std) - 0.5 * math.log(2 * math.pi), -1)  # SAFE: std is at least exp(-5)

    @staticmethod
    def _squash_correction(u):
        return tf.reduce_sum(2.0 * (math.log(2.0) - u - tf.nn.softplus(-2.0 * u)), -1)  # SAFE: the log of 1 - tanh^2 written with softplus, finite for every u

    def call(self, obs):
        mu, std = self.stats(obs)
        u = mu + std * tf.random.normal(tf.shape(mu))
        logp = self._normal_log_prob(u, mu, std) - self._squash_correction(u)
        return tf.tanh(u), logp, tf.tanh(mu)

    def log_prob(self, obs, actions):
        mu, std = self.stats(obs)
        u = tf.atanh(actions)  # BUG: domain, recorded actions at the joystick stop are exactly -1 or 1 after to_unit
        return self._normal_log_prob(u, mu, std) - self._squash_correction(u)


class TwinCritic(keras.Model):

    def __init__(self, hidden=(256, 256)):
        super().__init__()
        self.q1, self.q2 = mlp(hidden, 1, "q1"), mlp(hidden, 1, "q2")

    def call(self, obs, act):
        x = tf.concat([obs, act], -1)
        return self.q1(x)[:, 0], self.q2(x)[:, 0]
