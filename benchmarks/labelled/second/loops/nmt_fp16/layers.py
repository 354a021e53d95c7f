import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

from config import MASK_VALUE


def positional_encoding(length, d_model):
    pos = np.arange(length)[:, None]
    i = np.arange(d_model)[None, :]
    angle = pos / np.power(10000.0, (2 * (i // 2)) / d_model)  # SAFE: powers of 10000 with a non negative exponent
    angle[:, 0::2] = np.sin(angle[:, 0::2])
    angle[:, 1::2] = np.cos(angle[:, 1::2])
    return angle[None].astype(np.float32)


class SelfAttention(layers.Layer):
    def __init__(self, d_model, heads, dropout, **kw):
        super().__init__(**kw)
        self.heads = heads
        self.depth = d_model // heads
        self.qkv = layers.Dense(3 * d_model, use_bias=False)
        self.out = layers.Dense(d_model)
        self.drop = layers.Dropout(dropout)

    def split(self, t):
        s = tf.shape(t)
        return tf.transpose(tf.reshape(t, [s[0], s[1], self.heads, self.depth]), [0, 2, 1, 3])

    def call(self, x, mask, training=False):
        """mask: 1 where a position may be attended, shape [batch, 1, len, len]."""
        q, k, v = (self.split(t) for t in tf.split(self.qkv(x), 3, axis=-1))
        q = q * self.depth ** -0.5  # SAFE: depth is a positive constant
        scores = tf.matmul(q, k, transpose_b=True)
        scores += (1.0 - tf.cast(mask, scores.dtype)) * MASK_VALUE  # BUG: half, -1e9 is -inf in float16 and 0 * -inf is NaN for every visible position
        weights = tf.nn.softmax(tf.cast(scores, tf.float32), axis=-1)
        weights = self.drop(tf.cast(weights, x.dtype), training=training)
        ctx = tf.transpose(tf.matmul(weights, v), [0, 2, 1, 3])
        s = tf.shape(x)
        return self.out(tf.reshape(ctx, [s[0], s[1], self.heads * self.depth]))


class Block(layers.Layer):
    def __init__(self, hp, **kw):
        super().__init__(**kw)
        self.att = SelfAttention(hp.d_model, hp.heads, hp.dropout)
        self.ln1 = layers.LayerNormalization(epsilon=1e-6)  # SAFE: LayerNormalization computes in float32 under mixed_float16
        self.ln2 = layers.LayerNormalization(epsilon=1e-6)
        self.ff1 = layers.Dense(hp.ff, activation="gelu")
        self.ff2 = layers.Dense(hp.d_model)
        self.drop = layers.Dropout(hp.dropout)

    def call(self, x, mask, training=False):
        x = x + self.drop(self.att(self.ln1(x), mask, training=training), training=training)
        return x + self.drop(self.ff2(self.ff1(self.ln2(x))), training=training)
