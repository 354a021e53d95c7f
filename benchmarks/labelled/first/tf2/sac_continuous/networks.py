import numpy as np
import tensorflow as tf
from tensorflow.keras import layers, Model


class Actor(Model):
    """squashed gaussian"""

    def __init__(self, n_act, cfg):
        super().__init__()
        self.l1 = layers.Dense(cfg.hidden, activation="relu")
        self.l2 = layers.Dense(cfg.hidden, activation="relu")
        self.mean = layers.Dense(n_act)
        self.log_std = layers.Dense(n_act)
        self.lo, self.hi = cfg.log_std_min, cfg.log_std_max
        self.eps = cfg.squash_eps

    def call(self, s):
        h = self.l2(self.l1(s))
        return self.mean(h), tf.clip_by_value(self.log_std(h), self.lo, self.hi)

    def sample(self, s):
        mu, ls = self(s)
        std = tf.exp(ls)  # SAFE: clipped to [-20, 2]
        n = tf.random.normal(tf.shape(mu))
        u = mu + std * n
        a = tf.tanh(u)
        lp = -0.5 * tf.square(n) - ls - 0.5 * np.log(2 * np.pi)  # SAFE: constant
        lp -= tf.math.log(1.0 - tf.square(a) + self.eps)  # SAFE: eps 1e-6 from the config, holds next to 0
        return a, tf.reduce_sum(lp, axis=1, keepdims=True)


class ActorV0(Actor):
    """first version, kept for the ablation"""

    def call(self, s):
        h = self.l2(self.l1(s))
        return self.mean(h), self.log_std(h)

    def sample(self, s):
        mu, ls = self(s)
        std = tf.exp(ls)  # BUG: exp-overflow, log_std comes unclipped from a Dense on unnormalised observations
        n = tf.random.normal(tf.shape(mu))
        a = tf.tanh(mu + std * n)
        lp = -0.5 * tf.square(n) - ls - 0.5 * np.log(2 * np.pi)  # SAFE: constant
        lp -= tf.math.log(1.0 - a ** 2)  # BUG: log-zero, tanh is exactly 1 above 9.1
        return a, tf.reduce_sum(lp, axis=1, keepdims=True)


class ActorStable(Actor):
    def sample(self, s):
        mu, ls = self(s)
        u = mu + tf.exp(ls) * tf.random.normal(tf.shape(mu))  # SAFE: clipped in Actor.call
        a = tf.tanh(u)
        z = (u - mu) / (tf.exp(ls) + 1e-8)  # SAFE: exp(-20) is 2e-9, the sum is 1e-8, squares stay near 1
        lp = -0.5 * z ** 2 - ls - 0.9189385
        lp -= 2.0 * (0.6931472 - u - tf.nn.softplus(-2.0 * u))  # SAFE: stable tanh correction
        return a, tf.reduce_sum(lp, axis=1, keepdims=True)


class Critic(Model):
    def __init__(self, cfg):
        super().__init__()
        self.net = tf.keras.Sequential([layers.Dense(cfg.hidden, "relu"), layers.Dense(cfg.hidden, "relu"), layers.Dense(1)])

    def call(self, s, a):
        return self.net(tf.concat([s, a], -1))


class DDPGActor(Model):
    def __init__(self, n_act, cfg):
        super().__init__()
        self.net = tf.keras.Sequential([layers.Dense(cfg.hidden, "relu"), layers.Dense(n_act, "tanh")])

    def call(self, s):
        return self.net(s)
