import math

import keras
import tensorflow as tf
from keras import layers

from settings import PAD


class SelfAttention(layers.Layer):

    def __init__(self, cfg, **kw):
        super().__init__(**kw)
        self.h = cfg.n_heads
        self.dk = cfg.d_model // cfg.n_heads
        self.fill = cfg.attn_fill
        self.qkv = layers.Dense(3 * cfg.d_model)
        self.out = layers.Dense(cfg.d_model)
        self.drop = layers.Dropout(cfg.dropout)

    def call(self, x, valid, training=False):
        b, t = tf.shape(x)[0], tf.shape(x)[1]
        qkv = tf.reshape(self.qkv(x), [b, t, 3, self.h, self.dk])
        q, k, v = tf.unstack(tf.transpose(qkv, [2, 0, 3, 1, 4]))
        q = q / math.sqrt(self.dk)  # SAFE: dk is d_model // n_heads = 64, positive
        scores = tf.matmul(q, k, transpose_b=True)
        keep = tf.cast(valid, scores.dtype)[:, None, None, :]
        scores += (1.0 - keep) * self.fill  # BUG: half, under mixed_float16 the fill is -inf and 0 * inf is NaN for the tokens that are kept
        probs = tf.nn.softmax(tf.cast(scores, tf.float32), axis=-1)  # SAFE: computed in float32, tf.nn.softmax subtracts the maximum, and CLS is always kept
        probs = self.drop(tf.cast(probs, v.dtype), training=training)
        ctx = tf.transpose(tf.matmul(probs, v), [0, 2, 1, 3])
        return self.out(tf.reshape(ctx, [b, t, self.h * self.dk]))


class Block(layers.Layer):

    def __init__(self, cfg, **kw):
        super().__init__(**kw)
        self.attn = SelfAttention(cfg)
        self.ln1 = layers.LayerNormalization(epsilon=cfg.norm_eps)  # SAFE: 1e-3 is well inside float16, and Keras normalises float16 in float32
        self.ln2 = layers.LayerNormalization(epsilon=cfg.norm_eps)
        self.ff1 = layers.Dense(cfg.d_ff, activation="gelu")
        self.ff2 = layers.Dense(cfg.d_model)
        self.drop = layers.Dropout(cfg.dropout)

    def call(self, x, valid, training=False):
        x = x + self.drop(self.attn(self.ln1(x), valid, training=training), training=training)
        return x + self.drop(self.ff2(self.ff1(self.ln2(x))), training=training)


class MaskedLM(keras.Model):

    def __init__(self, cfg):
        super().__init__()
        init = keras.initializers.TruncatedNormal(stddev=0.02)
        self.tok = layers.Embedding(cfg.vocab_size, cfg.d_model, embeddings_initializer=init)
        self.pos = layers.Embedding(cfg.max_len, cfg.d_model, embeddings_initializer=init)
        self.blocks = [Block(cfg) for _ in range(cfg.n_layers)]
        self.ln = layers.LayerNormalization(epsilon=cfg.norm_eps)
        self.head = layers.Dense(cfg.vocab_size, dtype="float32")

    def call(self, ids, training=False):
        valid = tf.not_equal(ids, PAD)
        x = self.tok(ids) + self.pos(tf.range(tf.shape(ids)[1]))[None]
        for block in self.blocks:
            x = block(x, valid, training=training)
        return self.head(self.ln(x))

    def sentence_vector(self, ids):
        x = self.tok(ids)
        w = tf.cast(tf.not_equal(ids, PAD), x.dtype)[..., None]
        pooled = tf.reduce_sum(x * w, 1) / tf.reduce_sum(w, 1)  # SAFE: every sequence has CLS and SEP, the count is at least two
        return tf.math.l2_normalize(tf.cast(pooled, tf.float32), axis=-1)  # SAFE: l2_normalize has an epsilon and the input is float32
