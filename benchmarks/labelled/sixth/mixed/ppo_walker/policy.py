import math
import tensorflow as tf
from tensorflow.keras import layers

ortho = tf.keras.initializers.Orthogonal


class GaussianActor(tf.keras.Model):
    """State independent log std; means squashed to the action box."""

    def __init__(self, act_dim, hidden=64):
        super().__init__()
        self.net = tf.keras.Sequential([layers.Dense(hidden, "tanh", kernel_initializer=ortho(math.sqrt(2))),
                                        layers.Dense(hidden, "tanh", kernel_initializer=ortho(math.sqrt(2))),
                                        layers.Dense(act_dim, kernel_initializer=ortho(0.01))])
        self.raw_std = self.add_weight(name="raw_std", shape=(act_dim,), initializer="zeros")

    def log_std(self):
        return -4.0 + 5.0 * tf.sigmoid(self.raw_std)

    def call(self, obs):
        return self.net(obs)

    def log_prob(self, obs, act):
        ls = self.log_std()
        z = (act - self.net(obs)) * tf.exp(-ls)  # SAFE: log_std lies in (-4, 1)
        return -0.5 * tf.reduce_sum(tf.square(z) + 2.0 * ls + math.log(2 * math.pi), -1)  # SAFE: logarithm of a constant

    def sample(self, obs):
        mu = self.net(obs)
        act = mu + tf.exp(self.log_std()) * tf.random.normal(tf.shape(mu))  # SAFE: log_std lies in (-4, 1)
        return act, self.log_prob(obs, act)

    def entropy(self):
        return tf.reduce_sum(self.log_std() + 0.5 * math.log(2 * math.pi * math.e))


class Critic(tf.keras.Model):
    def __init__(self, hidden=64):
        super().__init__()
        self.net = tf.keras.Sequential([layers.Dense(hidden, "tanh"), layers.Dense(hidden, "tanh"), layers.Dense(1)])

    def call(self, obs):
        return tf.squeeze(self.net(obs), -1)
