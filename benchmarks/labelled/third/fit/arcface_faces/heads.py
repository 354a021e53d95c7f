"""Margin heads for face recognition (CosFace, ArcFace)."""
import math

import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


class CosineLogits(layers.Layer):
    """Cosine between the embedding and one prototype for each identity."""

    def __init__(self, n_classes, **kw):
        super().__init__(**kw)
        self.n_classes = n_classes

    def build(self, shape):
        self.w = self.add_weight(name="w", shape=(shape[-1], self.n_classes), initializer="glorot_uniform")

    def call(self, emb):
        w = tf.math.l2_normalize(self.w, axis=0)  # SAFE: epsilon inside l2_normalize
        return tf.matmul(tf.math.l2_normalize(emb, axis=1), w)  # SAFE: epsilon inside l2_normalize


class CosFace(layers.Layer):
    def __init__(self, scale=30.0, margin=0.35, **kw):
        super().__init__(**kw)
        self.scale, self.margin = scale, margin

    def call(self, cos, labels):
        return self.scale * (cos - self.margin * tf.one_hot(labels, tf.shape(cos)[1]))


class ArcFace(layers.Layer):
    def __init__(self, scale=64.0, margin=0.5, **kw):
        super().__init__(**kw)
        self.scale, self.margin = scale, margin

    def call(self, cos, labels):
        theta = tf.acos(cos)  # BUG: domain, cos is a product of normalised vectors and rounds above 1 (NaN), and the slope at 1 is infinite
        hot = tf.one_hot(labels, tf.shape(cos)[1])
        return self.scale * tf.cos(theta + self.margin * hot)


class EasyArcFace(layers.Layer):
    """ArcFace with the addition theorem instead of the arc cosine."""

    def __init__(self, scale=64.0, margin=0.5, **kw):
        super().__init__(**kw)
        self.scale = scale
        self.cos_m, self.sin_m = math.cos(margin), math.sin(margin)
        self.threshold = math.cos(math.pi - margin)
        self.fallback = math.sin(math.pi - margin) * margin

    def call(self, cos, labels):
        cos = tf.clip_by_value(cos, -1.0 + 1e-6, 1.0 - 1e-6)
        sin = tf.sqrt(1.0 - tf.square(cos))  # SAFE: cos is clipped so the argument is at least about 2e-6
        phi = cos * self.cos_m - sin * self.sin_m
        phi = tf.where(cos > self.threshold, phi, cos - self.fallback)  # SAFE: both branches are finite with finite gradients
        hot = tf.one_hot(labels, tf.shape(cos)[1])
        return self.scale * (hot * phi + (1.0 - hot) * cos)


HEADS = {"arcface": ArcFace, "cosface": CosFace, "easy": EasyArcFace}


def get_head(name, **kw):
    return HEADS[name](**kw)
