import numpy as np
import tensorflow as tf

HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)


def mlp(sizes, activation="relu", name=None):
    return tf.keras.Sequential(
        [tf.keras.layers.Dense(n, activation=activation) for n in sizes], name=name)


class GaussianPolicy(tf.keras.Model):
    """Tanh squashed diagonal gaussian."""

    def __init__(self, act_dim, act_limit, cfg):
        super().__init__()
        self.cfg = cfg
        self.act_limit = float(act_limit)
        self.body = mlp(cfg.hidden)
        self.mu_head = tf.keras.layers.Dense(act_dim)
        self.log_std_head = tf.keras.layers.Dense(act_dim)

    def call(self, obs):
        h = self.body(obs)
        mu = self.mu_head(h)
        log_std = tf.clip_by_value(self.log_std_head(h),
                                   self.cfg.log_std_min, self.cfg.log_std_max)
        return mu, log_std

    def sample(self, obs):
        mu, log_std = self(obs)
        std = tf.exp(log_std)  # SAFE: log_std clipped to [-20, 2] in call
        noise = tf.random.normal(tf.shape(mu))
        u = mu + std * noise
        logp = -0.5 * tf.square((u - mu) / std) - log_std - HALF_LOG_2PI  # SAFE: std >= exp(-20), (u - mu) / std is the noise up to rounding
        logp = tf.reduce_sum(logp, axis=-1)
        a = tf.tanh(u)
        logp -= tf.reduce_sum(
            tf.math.log(1.0 + self.cfg.squash_eps - tf.square(a)), axis=-1)  # BUG: weak-guard, 1 + 1e-10 is 1 in float32 and tanh(u) is exactly 1 for |u| > 9
        return a * self.act_limit, logp

    def deterministic(self, obs):
        mu, _ = self(obs)
        return tf.tanh(mu) * self.act_limit


class QFunction(tf.keras.Model):
    def __init__(self, cfg):
        super().__init__()
        self.body = mlp(cfg.hidden)
        self.out = tf.keras.layers.Dense(1)

    def call(self, inputs):
        obs, act = inputs
        return tf.squeeze(self.out(self.body(tf.concat([obs, act], -1))), -1)
