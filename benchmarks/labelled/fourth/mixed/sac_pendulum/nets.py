import math

import tensorflow as tf
from tensorflow.keras import layers

from hparams import HP

LOG_2PI = math.log(2.0 * math.pi)


def mlp(out):
    return tf.keras.Sequential([layers.Dense(HP["hidden"], activation="relu"),
                                layers.Dense(HP["hidden"], activation="relu"), layers.Dense(out)])


class Actor(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.net = mlp(2 * HP["act_dim"])

    def dist(self, obs):
        mu, log_std = tf.split(self.net(obs), 2, axis=-1)
        return mu, tf.clip_by_value(log_std, HP["log_std_min"], HP["log_std_max"])

    def call(self, obs):
        mu, _ = self.dist(obs)
        return tf.tanh(mu) * HP["act_limit"]

    def sample(self, obs):
        mu, log_std = self.dist(obs)
        std = tf.exp(log_std)  # SAFE: log_std clipped to -20..2
        noise = tf.random.normal(tf.shape(mu))
        u = mu + std * noise
        logp = -0.5 * tf.square(noise) - log_std - 0.5 * LOG_2PI
        a = tf.tanh(u)
        logp -= tf.math.log(1.0 - tf.square(a) + HP["squash_eps"])  # BUG: log-zero, tanh is exactly 1 in float32 for |u| over 9 and squash_eps is 0
        return a * HP["act_limit"], tf.reduce_sum(logp, -1)

    def entropy(self, obs):
        _, log_std = self.dist(obs)
        return tf.reduce_sum(log_std + 0.5 * (1.0 + LOG_2PI), -1)


class TwinCritic(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.q1, self.q2 = mlp(1), mlp(1)

    def call(self, obs, act):
        x = tf.concat([obs, act / HP["act_limit"]], -1)  # SAFE: act_limit is 2.0
        return self.q1(x)[:, 0], self.q2(x)[:, 0]
