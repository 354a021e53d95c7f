import math

import keras
import tensorflow as tf
from keras import layers


class Conditioner(layers.Layer):

    def __init__(self, dim, hidden, bound):
        super().__init__()
        self.net = keras.Sequential([layers.Dense(hidden, activation="relu"),
                                     layers.Dense(hidden, activation="relu"),
                                     layers.Dense(2 * dim, kernel_initializer="zeros")])  # SAFE: only the last layer is zero, the flow starts as identity
        self.bound = bound

    def call(self, x):
        s, t = tf.split(self.net(x), 2, -1)
        if self.bound:
            s = self.bound * tf.tanh(s / self.bound)  # SAFE: only reached for a bound that is not zero
        return s, t


class Coupling(layers.Layer):

    def __init__(self, dim, hidden, parity, bound):
        super().__init__()
        m = [(i + parity) % 2 for i in range(dim)]
        self.m = tf.constant(m, tf.float32)[None]
        self.cond = Conditioner(dim, hidden, bound)

    def forward(self, x):
        xm = x * self.m
        s, t = self.cond(xm)
        s, t = s * (1.0 - self.m), t * (1.0 - self.m)
        return xm + (1.0 - self.m) * (x * tf.exp(s) + t), tf.reduce_sum(s, -1)  # BUG: exp-overflow, the runner builds the conditioner without bound

    def inverse(self, y):
        ym = y * self.m
        s, t = self.cond(ym)
        s, t = s * (1.0 - self.m), t * (1.0 - self.m)
        return ym + (1.0 - self.m) * (y - t) * tf.exp(tf.minimum(-s, 20.0))  # SAFE: capped exponent, sampling only


class ActNorm(layers.Layer):
    """Initialised from the first batch."""

    def __init__(self, dim):
        super().__init__()
        self.shift = self.add_weight(shape=(dim,), initializer="zeros", name="shift")
        self.log_scale = self.add_weight(shape=(dim,), initializer="zeros", name="log_scale")
        self.ready = False

    def initialize(self, x):
        mean, var = tf.nn.moments(x, [0])
        self.shift.assign(-mean)
        self.log_scale.assign(-0.5 * tf.math.log(var + 1e-6))  # SAFE: variance with epsilon, run once without gradient
        self.ready = True

    def forward(self, x):
        s = tf.clip_by_value(self.log_scale, -8.0, 8.0)
        return (x + self.shift) * tf.exp(s), tf.reduce_sum(s)  # SAFE: clipped exponent

    def inverse(self, y):
        s = tf.clip_by_value(self.log_scale, -8.0, 8.0)
        return y * tf.exp(-s) - self.shift  # SAFE: clipped exponent


class RealNVP(keras.Model):

    def __init__(self, dim, depth=6, hidden=128, bound=0.0):
        super().__init__()
        self.dim = dim
        self.norms = [ActNorm(dim) for _ in range(depth)]
        self.couplings = [Coupling(dim, hidden, i % 2, bound) for i in range(depth)]

    def call(self, x):
        total = tf.zeros([tf.shape(x)[0]])
        for norm, coup in zip(self.norms, self.couplings):
            if not norm.ready:
                norm.initialize(x)
            x, ld = norm.forward(x)
            total += ld
            x, ld = coup.forward(x)
            total += ld
        return x, total

    def base_log_prob(self, z, nu=None):
        if nu is None:
            return tf.reduce_sum(-0.5 * tf.square(z) - 0.5 * math.log(2 * math.pi), -1)  # SAFE: log of a constant
        c = tf.math.lgamma(0.5 * (nu + 1.0)) - tf.math.lgamma(0.5 * nu) - 0.5 * math.log(nu * math.pi)  # SAFE: nu is the positive constant of the runner
        return tf.reduce_sum(c - 0.5 * (nu + 1.0) * tf.math.log1p(tf.square(z) / nu), -1)  # SAFE: log1p of a non-negative number

    def sample(self, n, temperature=1.0):
        x = temperature * tf.random.normal([n, self.dim])
        for norm, coup in zip(reversed(self.norms), reversed(self.couplings)):
            x = norm.inverse(coup.inverse(x))
        return x
