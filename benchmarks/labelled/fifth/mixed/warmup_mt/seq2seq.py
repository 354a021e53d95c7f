import math

import tensorflow as tf
from tensorflow.keras import layers


def sinusoid(length, dim):
    p = tf.range(length, dtype=tf.float32)[:, None]
    k = tf.range(dim, dtype=tf.float32)[None]
    angle = p / tf.pow(10000.0, 2.0 * tf.floor(k / 2.0) / dim)  # SAFE: the power is at least 1, dim is the model width
    return tf.where(tf.cast(k, tf.int32) % 2 == 0, tf.sin(angle), tf.cos(angle))


def attend(q, k, v, mask):
    logits = tf.matmul(q, k, transpose_b=True) * (1.0 / math.sqrt(q.shape[-1]))  # SAFE: the head size is a positive constant
    if mask is not None:
        logits = tf.where(mask, logits, tf.fill(tf.shape(logits), logits.dtype.min / 2))
    return tf.matmul(tf.nn.softmax(logits, axis=-1), v)  # SAFE: the mask value is finite, also for rows that see nothing


class MultiHead(layers.Layer):
    def __init__(self, dim, heads, **kw):
        super().__init__(**kw)
        self.heads, self.dim = heads, dim
        self.q, self.k, self.v, self.o = (layers.Dense(dim) for _ in range(4))

    def _split(self, x):
        s = tf.shape(x)
        return tf.transpose(tf.reshape(x, [s[0], s[1], self.heads, self.dim // self.heads]), [0, 2, 1, 3])

    def call(self, x, ctx, mask=None):
        y = attend(self._split(self.q(x)), self._split(self.k(ctx)), self._split(self.v(ctx)), mask)
        y = tf.transpose(y, [0, 2, 1, 3])
        s = tf.shape(y)
        return self.o(tf.reshape(y, [s[0], s[1], self.dim]))


class Block(layers.Layer):
    def __init__(self, dim, heads, dropout, cross, **kw):
        super().__init__(**kw)
        self.att = MultiHead(dim, heads)
        self.cross = MultiHead(dim, heads) if cross else None
        self.f1, self.f2 = layers.Dense(4 * dim, activation="relu"), layers.Dense(dim)
        self.norms = [layers.LayerNormalization(epsilon=1e-6) for _ in range(3)]
        self.drop = layers.Dropout(dropout)

    def call(self, x, self_mask, ctx=None, ctx_mask=None, training=None):
        h = self.norms[0](x)
        x = x + self.drop(self.att(h, h, self_mask), training=training)
        if self.cross is not None:
            x = x + self.drop(self.cross(self.norms[1](x), ctx, ctx_mask), training=training)
        return x + self.drop(self.f2(self.f1(self.norms[2](x))), training=training)


class Translator(tf.keras.Model):
    def __init__(self, n_src, n_tgt, opt, **kw):
        super().__init__(**kw)
        d = opt.d_model
        self.src, self.tgt = layers.Embedding(n_src, d), layers.Embedding(n_tgt, d)
        self.pos = sinusoid(opt.max_len, d)
        self.enc = [Block(d, opt.heads, opt.dropout, False) for _ in range(opt.depth)]
        self.dec = [Block(d, opt.heads, opt.dropout, True) for _ in range(opt.depth)]
        self.out = layers.Dense(n_tgt)

    def call(self, inputs, training=None):
        src, tgt = inputs
        smask = (src > 0)[:, None, None, :]
        lt = tf.shape(tgt)[1]
        causal = tf.linalg.band_part(tf.ones([lt, lt], tf.int32), -1, 0) > 0
        tmask = tf.logical_and((tgt > 0)[:, None, None, :], causal[None, None])
        x = self.src(src) + self.pos[None, :tf.shape(src)[1]]
        for b in self.enc:
            x = b(x, smask, training=training)
        y = self.tgt(tgt) + self.pos[None, :lt]
        for b in self.dec:
            y = b(y, tmask, x, smask, training=training)
        return self.out(y)
