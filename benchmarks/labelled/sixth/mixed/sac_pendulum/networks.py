import math
import tensorflow as tf
from tensorflow.keras import layers

LOG_STD_MIN, LOG_STD_MAX = -5.0, 2.0


def mlp(sizes, out):
    m = tf.keras.Sequential()
    for s in sizes:
        m.add(layers.Dense(s, activation="relu"))
    m.add(layers.Dense(out))
    return m


class SquashedGaussianPolicy(tf.keras.Model):
    def __init__(self, act_dim, act_limit, hidden=(256, 256)):
        super().__init__()
        self.act_dim, self.act_limit = act_dim, act_limit
        self.body = mlp(hidden, 2 * act_dim)

    def dist(self, obs):
        mu, ls = tf.split(self.body(obs), 2, -1)
        ls = tf.clip_by_value(ls, LOG_STD_MIN, LOG_STD_MAX)
        return mu, ls

    def call(self, obs, deterministic=False):
        mu, ls = self.dist(obs)
        std = tf.exp(ls)  # SAFE: ls is clipped to [-5, 2]
        noise = tf.zeros_like(mu) if deterministic else tf.random.normal(tf.shape(mu))
        u = mu + std * noise
        logp = -0.5 * tf.square((u - mu) / std) - ls - 0.5 * math.log(2 * math.pi)  # SAFE: std is at least exp(-5)
        a = tf.tanh(u)
        logp -= tf.math.log(1.0 - tf.square(a))  # BUG: log-zero, mu is unbounded and tanh rounds to exactly 1 beyond about 9, log(0)
        return a * self.act_limit, tf.reduce_sum(logp, -1)


class TwinQ(tf.keras.Model):
    def __init__(self, hidden=(256, 256)):
        super().__init__()
        self.q1, self.q2 = mlp(hidden, 1), mlp(hidden, 1)

    def call(self, obs, act):
        x = tf.concat([obs, act], -1)
        return tf.squeeze(self.q1(x), -1), tf.squeeze(self.q2(x), -1)
