import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from pipeline import padding_mask


def sinusoid(length, dim):
    pos = np.arange(length)[:, None]
    i = np.arange(dim)[None, :]
    angle = pos / np.power(10000.0, 2 * (i // 2) / dim)  # SAFE: power of a constant above 1
    table = np.where(i % 2 == 0, np.sin(angle), np.cos(angle))
    return table.astype("float32")


class SelfAttention(layers.Layer):
    def __init__(self, dim, heads, **kw):
        super().__init__(**kw)
        assert dim % heads == 0 and dim >= heads > 0
        self.dim, self.heads = dim, heads
        self.depth = dim // heads
        self.qkv = layers.Dense(3 * dim)
        self.out = layers.Dense(dim)

    def call(self, x, mask):
        b, t = tf.shape(x)[0], tf.shape(x)[1]
        q, k, v = tf.split(self.qkv(x), 3, axis=-1)
        split = lambda z: tf.transpose(tf.reshape(z, (b, t, self.heads, self.depth)), (0, 2, 1, 3))
        q, k, v = split(q), split(k), split(v)
        logits = tf.matmul(q, k, transpose_b=True) / tf.sqrt(float(self.depth))  # SAFE: depth is a positive constant by the assert
        logits += (1.0 - mask[:, None, None, :]) * -1e9
        w = tf.nn.softmax(logits, axis=-1)  # SAFE: -1e9 is finite, a fully padded row gives uniform weights and the CLS token is always kept
        y = tf.transpose(tf.matmul(w, v), (0, 2, 1, 3))
        return self.out(tf.reshape(y, (b, t, self.dim)))


class Block(layers.Layer):
    def __init__(self, dim, heads, drop=0.1, **kw):
        super().__init__(**kw)
        self.att = SelfAttention(dim, heads)
        self.ff = keras.Sequential([layers.Dense(4 * dim, activation="gelu"), layers.Dense(dim)])
        self.n1 = layers.LayerNormalization(epsilon=1e-6)  # SAFE: float32, variance plus 1e-6
        self.n2 = layers.LayerNormalization(epsilon=1e-6)  # SAFE: float32, variance plus 1e-6
        self.drop = layers.Dropout(drop)

    def call(self, x, mask, training=False):
        x = x + self.drop(self.att(self.n1(x), mask), training=training)
        return x + self.drop(self.ff(self.n2(x)), training=training)


class MaskedLM(keras.Model):
    def __init__(self, vocab, length, dim=128, heads=4, depth=4):
        super().__init__()
        self.emb = layers.Embedding(vocab, dim)
        self.pos = tf.constant(sinusoid(length, dim))
        self.blocks = [Block(dim, heads) for _ in range(depth)]
        self.norm = layers.LayerNormalization(epsilon=1e-6)
        self.head = layers.Dense(vocab)
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.acc = keras.metrics.SparseCategoricalAccuracy(name="acc")

    @property
    def metrics(self):
        return [self.loss_tracker, self.acc]

    def call(self, ids, training=False):
        mask = padding_mask(ids)
        x = self.emb(ids) * tf.sqrt(float(self.pos.shape[-1])) + self.pos[None, : tf.shape(ids)[1]]  # SAFE: root of a positive constant
        for b in self.blocks:
            x = b(x, mask, training=training)
        return self.head(self.norm(x))

    def masked_loss(self, targets, logits, weights):
        ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits)  # SAFE: fused op on raw logits
        return tf.reduce_sum(ce * weights) / tf.reduce_sum(weights)  # BUG: div-zero, a batch of short lines (the last one may hold one line) can have no masked token, 0/0

    def train_step(self, data):
        x, y, w = data
        with tf.GradientTape() as tape:
            logits = self(x, training=True)
            loss = self.masked_loss(y, logits, w)
        v = self.trainable_variables
        grads = tape.gradient(loss, v)
        grads, _ = tf.clip_by_global_norm(grads, 1.0)
        self.optimizer.apply_gradients(zip(grads, v))
        self.loss_tracker.update_state(loss)
        self.acc.update_state(y, logits, sample_weight=w)
        return {m.name: m.result() for m in self.metrics}

    def test_step(self, data):
        x, y, w = data
        logits = self(x, training=False)
        n = tf.maximum(tf.reduce_sum(w), 1.0)
        ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
        self.loss_tracker.update_state(tf.reduce_sum(ce * w) / n)  # SAFE: count floored at 1
        self.acc.update_state(y, logits, sample_weight=w)
        return {m.name: m.result() for m in self.metrics}
