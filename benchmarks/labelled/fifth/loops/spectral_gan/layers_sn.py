"""Spectral normalisation, conditional batch norm and self attention, hand written."""
import tensorflow as tf


def l2n(v, eps=1e-12):
    return v / (tf.sqrt(tf.reduce_sum(tf.square(v))) + eps)  # SAFE: inputs are power-iteration vectors under stop_gradient, the denominator is positive for any vector; a zero vector stays zero


class SNConv(tf.keras.layers.Layer):
    def __init__(self, f, k=3, s=1, **kw):
        super().__init__(**kw)
        self.f, self.k, self.s = f, k, s

    def build(self, shape):
        self.w = self.add_weight(name="w", shape=(self.k, self.k, shape[-1], self.f), initializer="orthogonal")
        self.b = self.add_weight(name="b", shape=(self.f,), initializer="zeros")
        self.u = self.add_weight(name="u", shape=(1, self.f), initializer="random_normal", trainable=False)

    def call(self, x, training=False):
        w = tf.reshape(self.w, [-1, self.f])
        u = tf.identity(self.u)
        v = l2n(tf.matmul(u, tf.stop_gradient(w), transpose_b=True))
        u = l2n(tf.matmul(v, tf.stop_gradient(w)))
        if training:
            self.u.assign(u)
        sigma = tf.reduce_sum(tf.matmul(tf.matmul(v, w), u, transpose_b=True))
        k = self.w / tf.maximum(sigma, 1e-4)  # SAFE: estimated singular value floored at 1e-4
        return tf.nn.conv2d(x, k, self.s, "SAME") + self.b


class CondBatchNorm(tf.keras.layers.Layer):
    def __init__(self, classes, momentum=0.99, **kw):
        super().__init__(**kw)
        self.classes, self.m = classes, momentum

    def build(self, shapes):
        c = shapes[-1]
        self.g = self.add_weight(name="g", shape=(self.classes, c), initializer="ones")
        self.b = self.add_weight(name="b", shape=(self.classes, c), initializer="zeros")
        self.mu = self.add_weight(name="mu", shape=(c,), initializer="zeros", trainable=False)
        self.var = self.add_weight(name="var", shape=(c,), initializer="ones", trainable=False)

    def call(self, x, y=None, training=False):
        if training:
            mu, var = tf.nn.moments(x, [0, 1, 2])
            self.mu.assign(self.m * self.mu + (1 - self.m) * mu)
            self.var.assign(self.m * self.var + (1 - self.m) * var)
        else:
            mu, var = tf.identity(self.mu), tf.identity(self.var)
        z = (x - mu) * tf.math.rsqrt(var + 1e-5)  # SAFE: variance >= 0, epsilon inside
        return z * tf.gather(self.g, y)[:, None, None] + tf.gather(self.b, y)[:, None, None]


class SelfAttention(tf.keras.layers.Layer):
    def build(self, shape):
        c = shape[-1]
        self.c = max(c // 8, 1)
        self.q, self.k, self.v = SNConv(self.c, 1), SNConv(self.c, 1), SNConv(c, 1)
        self.gamma = self.add_weight(name="gamma", shape=(), initializer="zeros")

    def call(self, x, training=False):
        s = tf.shape(x)
        f = lambda l: tf.reshape(l(x, training=training), [s[0], s[1] * s[2], -1])
        a = tf.nn.softmax(tf.matmul(f(self.q), f(self.k), transpose_b=True) * self.c ** -0.5)  # SAFE: channel count is at least 1, softmax is stable
        return x + self.gamma * tf.reshape(tf.matmul(a, f(self.v)), s)
