"""Transformer blocks, written out."""
import tensorflow as tf
from tensorflow.keras import layers


def rotary(x, base=10000.0):
    t, d = tf.shape(x)[2], x.shape[-1]
    inv = tf.pow(base, -tf.range(0, d, 2, dtype=tf.float32) / d)  # SAFE: positive base, exponent in (-1, 0]
    ang = tf.range(t, dtype=tf.float32)[:, None] * inv[None]
    c, s = tf.cast(tf.cos(ang), x.dtype), tf.cast(tf.sin(ang), x.dtype)
    a, b = x[..., ::2], x[..., 1::2]
    return tf.reshape(tf.stack([a * c - b * s, a * s + b * c], -1), tf.shape(x))


class RMSNorm(layers.Layer):
    def build(self, shape):
        self.scale = self.add_weight(name="scale", shape=(shape[-1],), initializer="ones")

    def call(self, x):
        f = tf.cast(x, tf.float32)
        f = f * tf.math.rsqrt(tf.reduce_mean(f * f, -1, keepdims=True) + 1e-6)  # SAFE: computed in float32 with offset
        return tf.cast(f, x.dtype) * tf.cast(self.scale, x.dtype)


class Attention(layers.Layer):
    def __init__(self, hp, **kw):
        super().__init__(**kw)
        self.hp = hp
        self.qkv = layers.Dense(3 * hp.dim, use_bias=False)
        self.proj = layers.Dense(hp.dim, use_bias=False)

    def call(self, x, real):
        hp = self.hp
        b, t = tf.shape(x)[0], tf.shape(x)[1]
        q, k, v = tf.unstack(tf.transpose(tf.reshape(self.qkv(x), [b, t, 3, hp.heads, hp.dim // hp.heads]), [2, 0, 3, 1, 4]))
        q, k = rotary(q), rotary(k)
        s = tf.matmul(q, k, transpose_b=True) * (hp.dim // hp.heads) ** -0.5  # SAFE: head width is a positive constant
        causal = tf.linalg.band_part(tf.ones([t, t], tf.bool), -1, 0)
        allow = tf.logical_and(causal[None, None], real[:, None, None, :])
        s = tf.where(allow, s, tf.cast(hp.neg, s.dtype))
        p = tf.nn.softmax(s)  # BUG: half, -1e9 is -inf in float16 and rows of left padding are masked everywhere
        y = tf.reshape(tf.transpose(tf.matmul(p, v), [0, 2, 1, 3]), [b, t, hp.dim])
        return self.proj(y)


class Block(layers.Layer):
    def __init__(self, hp, **kw):
        super().__init__(**kw)
        self.n1, self.n2 = RMSNorm(), RMSNorm()
        self.att = Attention(hp)
        hid = int(hp.dim * 8 / 3) // 8 * 8  # SAFE: integer width, not a numeric guard
        self.w1, self.w3 = layers.Dense(hid, use_bias=False), layers.Dense(hid, use_bias=False)
        self.w2 = layers.Dense(hp.dim, use_bias=False)
        self.drop = layers.Dropout(hp.drop)

    def call(self, x, real, training=False):
        x = x + self.drop(self.att(self.n1(x), real), training=training)
        h = self.n2(x)
        return x + self.drop(self.w2(tf.nn.silu(self.w1(h)) * self.w3(h)), training=training)


class Decoder(tf.keras.Model):
    def __init__(self, hp):
        super().__init__()
        self.hp = hp
        self.emb = layers.Embedding(hp.vocab, hp.dim, embeddings_initializer=tf.keras.initializers.RandomNormal(stddev=0.02))
        self.blocks = [Block(hp) for _ in range(hp.depth)]
        self.norm = RMSNorm()
        self.head = layers.Dense(hp.vocab, use_bias=False, dtype="float32")

    def call(self, ids, training=False):
        real = ids != self.hp.pad
        x = self.emb(ids)
        for b in self.blocks:
            x = b(x, real, training=training)
        return self.head(self.norm(x))
