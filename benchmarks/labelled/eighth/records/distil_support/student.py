import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


class GatedBlock(layers.Layer):
    """Depthwise separable convolution with a gate, cheap enough for the CPU servers."""

    def __init__(self, dim, kernel=5, **kw):
        super().__init__(**kw)
        self.norm = layers.LayerNormalization(epsilon=1e-3)  # SAFE: 1e-3 is representable in float16
        self.conv = layers.SeparableConv1D(2 * dim, kernel, padding="same")
        self.out = layers.Dense(dim)

    def call(self, x):
        a, g = tf.split(self.conv(self.norm(x)), 2, axis=-1)
        return x + self.out(a * tf.sigmoid(g))


class Student(keras.Model):
    def __init__(self, cfg):
        super().__init__()
        self.emb = layers.Embedding(cfg["vocab"], cfg["dim"])
        self.blocks = [GatedBlock(cfg["dim"]) for _ in range(cfg["blocks"])]
        self.queue = layers.Dense(cfg["queues"])

    def call(self, ids, training=False):
        keep = tf.cast(ids > 0, tf.float32)[..., None]
        x = self.emb(ids)
        for b in self.blocks:
            x = b(x)
        total = tf.reduce_sum(tf.cast(x, tf.float32) * keep, axis=1)
        pooled = total / tf.maximum(tf.reduce_sum(keep, axis=1), 1.0)  # SAFE: summed in float32 and floored at one
        return self.queue(pooled)


class Distillation(keras.losses.Loss):
    """Cross entropy against the teacher at a temperature. Student logits arrive in the compute dtype."""

    def __init__(self, temperature, smooth, hard_weight, **kw):
        super().__init__(**kw)
        self.t, self.smooth, self.hard = temperature, smooth, hard_weight

    def soften(self, probs):
        p = tf.pow(tf.maximum(probs, 1e-6), 1.0 / self.t)  # SAFE: floored in float32, temperature is at least one
        return p / tf.reduce_sum(p, axis=-1, keepdims=True)  # SAFE: a sum of floored probabilities

    def __call__(self, labels, teacher, logits):
        soft = tf.cast(self.soften(teacher), logits.dtype)
        q = tf.nn.softmax(logits / self.t)  # SAFE: temperature is validated to be at least one
        per_row = -tf.reduce_sum(soft * tf.math.log(q + self.smooth), axis=-1)  # BUG: weak-guard, 1e-8 rounds to 0 in float16 and the reciprocal of a small probability overflows
        kd = tf.reduce_mean(tf.cast(per_row, tf.float32)) * self.t ** 2
        ce = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tf.cast(logits, tf.float32)))  # SAFE: cast to float32 logits
        return self.hard * ce + (1.0 - self.hard) * kd
