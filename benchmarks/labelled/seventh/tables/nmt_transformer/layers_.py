import keras
import tensorflow as tf
from keras import layers


def positional_encoding(length, dim):
    pos = tf.range(length, dtype=tf.float32)[:, None]
    i = tf.range(dim // 2, dtype=tf.float32)[None]
    angle = pos / tf.pow(10000.0, 2.0 * i / dim)  # SAFE: a positive power of a constant, dim is at least two
    return tf.concat([tf.sin(angle), tf.cos(angle)], -1)


def large_negative(dtype):
    return dtype.min / 2


class ScaleNorm(layers.Layer):
    """x / |x| * g, Nguyen and Salazar 2019."""

    def build(self, shape):
        self.g = self.add_weight(shape=(), initializer=keras.initializers.Constant(shape[-1] ** 0.5), name="g")

    def call(self, x):
        sq = tf.reduce_sum(tf.square(x), -1, keepdims=True)
        return self.g * x * tf.math.rsqrt(sq + 1e-6)  # SAFE: epsilon inside the reciprocal root


class Attention(layers.Layer):

    def __init__(self, dim, heads, dropout):
        super().__init__()
        self.h, self.dk = heads, dim // heads
        self.q, self.k, self.v, self.o = (layers.Dense(dim, use_bias=False) for _ in range(4))
        self.drop = layers.Dropout(dropout)

    def split(self, x):
        return tf.transpose(tf.reshape(x, [tf.shape(x)[0], -1, self.h, self.dk]), [0, 2, 1, 3])

    def call(self, x, memory, mask, training=False):
        q, k, v = self.split(self.q(x)), self.split(self.k(memory)), self.split(self.v(memory))
        s = tf.matmul(q, k, transpose_b=True) * tf.math.rsqrt(tf.cast(self.dk, q.dtype))  # SAFE: dk is a positive constant
        s = tf.where(mask, s, large_negative(s.dtype))  # SAFE: a finite fill, rows without any key become uniform
        a = self.drop(tf.nn.softmax(s, -1), training=training)  # SAFE: the fill is finite and softmax subtracts the maximum
        y = tf.transpose(tf.matmul(a, v), [0, 2, 1, 3])
        return self.o(tf.reshape(y, [tf.shape(x)[0], -1, self.h * self.dk]))


class FeedForward(layers.Layer):

    def __init__(self, dim, hidden, dropout):
        super().__init__()
        self.a, self.b = layers.Dense(hidden, activation="relu"), layers.Dense(dim)
        self.drop = layers.Dropout(dropout)

    def call(self, x, training=False):
        return self.b(self.drop(self.a(x), training=training))
