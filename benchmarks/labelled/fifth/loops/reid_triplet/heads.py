import math

import tensorflow as tf


class ArcMargin(tf.keras.layers.Layer):
    """Additive angular margin (Deng et al.), version with arccos."""

    def __init__(self, n_classes, s=30.0, m=0.3, **kw):
        super().__init__(**kw)
        self.n_classes, self.s, self.m = n_classes, s, m

    def build(self, shape):
        self.w = self.add_weight(name="w", shape=(shape[-1], self.n_classes), initializer="glorot_uniform")

    def call(self, emb, labels):
        x = tf.math.l2_normalize(emb, axis=1)  # SAFE: l2_normalize has an epsilon of 1e-12 inside the rsqrt
        w = tf.math.l2_normalize(self.w, axis=0)  # SAFE: same, epsilon 1e-12
        cos = tf.clip_by_value(tf.matmul(x, w), -1.0 + 1e-6, 1.0 - 1e-6)
        theta = tf.acos(cos)  # SAFE: clipped inside (-1, 1) by 1e-6, which float32 keeps
        with_margin = tf.cos(tf.minimum(theta + self.m, math.pi))
        hot = tf.one_hot(labels, self.n_classes)
        return self.s * (hot * with_margin + (1.0 - hot) * cos)


def gem_pool(fmap, p):
    """Generalised-mean pooling, p is trained."""
    x = tf.pow(tf.maximum(fmap, 1e-6), p)  # SAFE: base is at least 1e-6
    x = tf.reduce_mean(x, axis=[1, 2])
    return tf.pow(x, 1.0 / p)  # SAFE: mean of positive values; p is constrained to [1, 6] by the layer that owns it


class GeM(tf.keras.layers.Layer):
    def build(self, shape):
        self.p = self.add_weight(
            name="p", shape=(), initializer=tf.keras.initializers.Constant(3.0),
            constraint=lambda v: tf.clip_by_value(v, 1.0, 6.0))

    def call(self, fmap):
        return gem_pool(fmap, tf.clip_by_value(self.p, 1.0, 6.0))
