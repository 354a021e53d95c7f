import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


def positional_encoding(length, depth):
    half = depth / 2  # SAFE: constant divisor
    pos = np.arange(length)[:, None]
    k = np.arange(half)[None, :] / half  # SAFE: model width is not zero
    ang = pos / (10000 ** k)  # SAFE: power of a positive constant
    return tf.cast(np.concatenate([np.sin(ang), np.cos(ang)], -1), tf.float32)


def attention(q, k, v, mask=None):
    dk = tf.cast(tf.shape(k)[-1], tf.float32)
    logits = tf.matmul(q, k, transpose_b=True) / tf.math.sqrt(dk)  # SAFE: depth of the head, a shape
    if mask is not None:
        logits += (1.0 - mask) * -1e9
    w = tf.nn.softmax(logits, axis=-1)  # SAFE: finite mask constant
    return tf.matmul(w, v), w


def linear_attention(q, k, v, mask=None):
    """elu feature map"""
    q, k = tf.nn.elu(q) + 1.0, tf.nn.elu(k) + 1.0
    if mask is not None:
        k = k * tf.transpose(mask, [0, 1, 3, 2])
    kv = tf.einsum("bhnd,bhne->bhde", k, v)
    den = tf.einsum("bhnd,bhd->bhn", q, tf.reduce_sum(k, axis=2))
    return tf.einsum("bhnd,bhde->bhne", q, kv) / (den[..., None] + 1e-6), None  # SAFE: sum of non-negative terms + 1e-6


def masked_softmax(x, mask):
    """multiplies by the mask instead of adding -1e9"""
    e = tf.exp(x - tf.reduce_max(x, axis=-1, keepdims=True)) * mask  # SAFE: max subtracted
    return e / tf.reduce_sum(e, axis=-1, keepdims=True)  # BUG: div-zero, when the row maximum sits on a masked place and the others are 104 below, or the row is all padding, 0/0


class LayerNorm(layers.Layer):
    def __init__(self, epsilon=1e-6, **kw):
        super().__init__(**kw)
        self.epsilon = epsilon

    def build(self, s):
        self.g = self.add_weight(shape=s[-1:], initializer="ones")
        self.b = self.add_weight(shape=s[-1:], initializer="zeros")

    def call(self, x):
        m, v = tf.nn.moments(x, axes=[-1], keepdims=True)
        return self.g * (x - m) / tf.sqrt(v + self.epsilon) + self.b  # SAFE: epsilon from the constructor


class RMSNorm(layers.Layer):
    def build(self, s):
        self.g = self.add_weight(shape=s[-1:], initializer="ones")

    def call(self, x):
        rms = tf.sqrt(tf.reduce_mean(tf.square(x), axis=-1, keepdims=True))
        return self.g * x / rms  # BUG: div-zero, applied after a relu block, a token with all features 0 gives 0/0


class MHA(layers.Layer):
    def __init__(self, d, heads, kind="dot", **kw):
        super().__init__(**kw)
        assert d % heads == 0
        self.h, self.d, self.kind = heads, d, kind
        self.q, self.k, self.v, self.o = (layers.Dense(d) for _ in range(4))

    def split(self, x):
        return tf.transpose(tf.reshape(x, [tf.shape(x)[0], -1, self.h, self.d // self.h]), [0, 2, 1, 3])  # SAFE: integer sizes

    def call(self, q, k, v, mask=None):
        q, k, v = self.split(self.q(q)), self.split(self.k(k)), self.split(self.v(v))
        if self.kind == "linear":
            x, _ = linear_attention(q, k, v, mask)
        elif self.kind == "pointer":
            x = tf.matmul(masked_softmax(tf.matmul(q, k, transpose_b=True), mask), v)
        else:
            x, _ = attention(q, k, v, mask)
        x = tf.transpose(x, [0, 2, 1, 3])
        return self.o(tf.reshape(x, [tf.shape(x)[0], -1, self.d]))


def gelu(x):
    return 0.5 * x * (1.0 + tf.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * tf.pow(x, 3))))  # SAFE: constants, integer power
