"""Wind power: mixture density network against a conditional flow.  Keras 2 style, subclassed."""
import math
import numpy as np
import tensorflow as tf
from tensorflow.keras import layers, Model, optimizers

LOG2PI = math.log(2.0 * math.pi)  # SAFE: constant


def gauss_pdf(y, mu, sigma):
    z = (y - mu) / sigma  # SAFE: both callers build sigma as softplus + 1e-3
    return tf.exp(-0.5 * tf.square(z)) / (sigma * math.sqrt(2 * math.pi))  # SAFE: exponent is never positive, sigma floored


class MDN(Model):
    def __init__(self, k=5, width=64, min_sigma=1e-3):
        super().__init__()
        self.k = k
        self.min_sigma = min_sigma
        self.h1 = layers.Dense(width, activation="tanh")
        self.h2 = layers.Dense(width, activation="tanh")
        self.alpha = layers.Dense(k)
        self.mu = layers.Dense(k)
        self.sigma = layers.Dense(k, activation="softplus")

    def call(self, x):
        h = self.h2(self.h1(x))
        return self.alpha(h), self.mu(h), self.sigma(h) + self.min_sigma

    def nll_naive(self, x, y):
        a, mu, sg = self(x)
        w = tf.nn.softmax(a)
        p = tf.reduce_sum(w * gauss_pdf(y, mu, sg), axis=-1)
        return -tf.reduce_mean(tf.math.log(p))  # BUG: log-zero, a point 14 sigmas from every component has density 0 in float32

    def nll(self, x, y):
        a, mu, sg = self(x)
        comp = -0.5 * tf.square((y - mu) / sg) - tf.math.log(sg) - 0.5 * LOG2PI  # SAFE: sg at least min_sigma 1e-3
        return -tf.reduce_mean(tf.reduce_logsumexp(tf.nn.log_softmax(a) + comp, axis=-1))  # SAFE: log domain


class ConditionalAffine(layers.Layer):
    """y -> (y - t(x)) * exp(-s(x)), 1-d flow stack"""

    def __init__(self, width=32, bound=3.0, bounded=True, **kw):
        super().__init__(**kw)
        self.bound = bound
        self.bounded = bounded
        self.net = tf.keras.Sequential([layers.Dense(width, "relu"), layers.Dense(2)])

    def call(self, y, x):
        s, t = tf.split(self.net(x), 2, axis=-1)
        if self.bounded:
            s = self.bound * tf.tanh(s / self.bound)  # SAFE: bound is 3
        z = (y - t) * tf.exp(-s)  # MAYBE: with bounded=False the exponent is free, but only the bounded one is built in main
        return z, -s


class Planar(layers.Layer):
    def __init__(self, **kw):
        super().__init__(**kw)

    def build(self, shape):
        d = shape[-1]
        self.w = self.add_weight(shape=(d, 1), initializer="glorot_normal", name="w")
        self.u = self.add_weight(shape=(d, 1), initializer="glorot_normal", name="u")
        self.b = self.add_weight(shape=(1,), initializer="zeros", name="b")

    def call(self, z):
        lin = tf.matmul(z, self.w) + self.b
        f = z + tf.matmul(tf.tanh(lin), self.u, transpose_b=True)
        psi = (1 - tf.square(tf.tanh(lin)))
        det = 1 + psi * tf.matmul(self.w, self.u, transpose_a=True)
        return f, tf.math.log(tf.abs(det))  # BUG: log-zero, u is not constrained, w.u below -1 lets det pass through 0


class PlanarConstrained(Planar):
    def call(self, z):
        wu = tf.matmul(self.w, self.u, transpose_a=True)
        m = -1.0 + tf.nn.softplus(wu)
        uhat = self.u + (m - wu) * self.w / (tf.reduce_sum(tf.square(self.w)) + 1e-7)  # SAFE: 1e-7 beside the norm
        lin = tf.matmul(z, self.w) + self.b
        f = z + tf.matmul(tf.tanh(lin), uhat, transpose_b=True)
        psi = (1 - tf.square(tf.tanh(lin)))
        det = 1 + psi * tf.matmul(self.w, uhat, transpose_a=True)
        return f, tf.math.log(tf.maximum(det, 1e-6))  # SAFE: floor at 1e-6


class Flow(Model):
    def __init__(self, constrained):
        super().__init__()
        self.aff = [ConditionalAffine() for _ in range(2)]
        cls = PlanarConstrained if constrained else Planar
        self.pl = [cls() for _ in range(4)]

    def nll(self, x, y):
        z, ld = y, 0.0
        for a in self.aff:
            z, l = a(z, x)
            ld = ld + l
        for p in self.pl:
            z, l = p(z)
            ld = ld + l
        return tf.reduce_mean(0.5 * tf.square(z) + 0.5 * LOG2PI - ld)


def train(loss_fn, model, ds, epochs=30, lr=1e-3):
    opt = optimizers.Adam(lr)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            l = loss_fn(x, y)
        g = tape.gradient(l, model.trainable_variables)
        opt.apply_gradients(zip(g, model.trainable_variables))
        return l

    for e in range(epochs):
        ls = [float(step(x, y)) for x, y in ds]
        if e % 5 == 0:
            print(type(model).__name__, e, sum(ls) / len(ls))  # SAFE: printing


def make_data(n=20000, seed=3):
    r = np.random.default_rng(seed)
    v = r.weibull(2.0, n) * 8
    power = np.clip((v / 12) ** 3, 0, 1) + 0.03 * r.standard_t(2, n)  # heavy tails from curtailment
    x = np.stack([v, np.sin(v), np.log1p(v)], 1)  # SAFE: wind speed is not negative
    x = (x - x.mean(0)) / x.std(0)  # SAFE: generated columns vary
    return x.astype("float32"), power[:, None].astype("float32")


if __name__ == "__main__":
    X, Y = make_data()
    data = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(5000).batch(256)
    m = MDN()
    train(m.nll_naive, m, data)
    m = MDN(k=8)
    train(m.nll, m, data)
    for c in (False, True):
        f = Flow(c)
        train(f.nll, f, data)
