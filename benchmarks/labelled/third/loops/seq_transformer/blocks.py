import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


def sinusoid(maxlen, d):
    pos = np.arange(maxlen)[:, None]
    i = np.arange(d // 2)[None, :]
    ang = pos / np.power(10000.0, 2 * i / d)  # SAFE: powers of a positive constant, d is a config size
    return np.concatenate([np.sin(ang), np.cos(ang)], -1).astype(np.float32)


class Attention(layers.Layer):
    def __init__(self, d, heads, **kw):
        super().__init__(**kw)
        self.h, self.dk = heads, d // heads
        self.qkv = layers.Dense(3 * d, use_bias=False)
        self.out = layers.Dense(d)

    def call(self, x, mask=None):
        b, t = tf.shape(x)[0], tf.shape(x)[1]
        q, k, v = tf.unstack(tf.reshape(self.qkv(x), (b, t, 3, self.h, self.dk)), axis=2)
        q = q * tf.cast(self.dk ** -0.5, q.dtype)  # SAFE: dk is d_model / heads, a positive integer
        score = tf.einsum("bqhd,bkhd->bhqk", q, k)
        if mask is not None:
            score += (1.0 - tf.cast(mask, score.dtype)) * tf.cast(-1e9, score.dtype)  # BUG: half, under mixed_float16 -1e9 becomes -inf and 0 * -inf is NaN at every visible position
        prob = tf.nn.softmax(tf.cast(score, tf.float32))  # SAFE: softmax in float32, every row sees at least itself
        ctx = tf.einsum("bhqk,bkhd->bqhd", tf.cast(prob, v.dtype), v)
        return self.out(tf.reshape(ctx, (b, t, self.h * self.dk)))


class RMSNorm(layers.Layer):
    def __init__(self, eps=1e-6, **kw):
        super().__init__(**kw)
        self.eps = eps

    def build(self, shape):
        self.g = self.add_weight(name="g", shape=(shape[-1],), initializer="ones", dtype=tf.float32)

    def call(self, x):
        y = tf.cast(x, tf.float32)
        inv = tf.math.rsqrt(tf.reduce_mean(tf.square(y), -1, keepdims=True) + self.eps)  # SAFE: computed in float32, where 1e-6 holds and the squares fit
        return tf.cast(y * inv * tf.cast(self.g, tf.float32), x.dtype)


class Block(layers.Layer):
    def __init__(self, hp, **kw):
        super().__init__(**kw)
        self.n1, self.n2 = RMSNorm(), RMSNorm()
        self.attn = Attention(hp.d_model, hp.heads)
        self.ffn = tf.keras.Sequential([layers.Dense(hp.ffn, activation="gelu"), layers.Dense(hp.d_model)])
        self.drop = layers.Dropout(hp.dropout)

    def call(self, x, mask=None, training=False):
        x = x + self.drop(self.attn(self.n1(x), mask=mask), training=training)
        return x + self.drop(self.ffn(self.n2(x)), training=training)
