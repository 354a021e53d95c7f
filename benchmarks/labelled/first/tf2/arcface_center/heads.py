import math
import tensorflow as tf
from tensorflow.keras import layers


class ArcFaceNaive(layers.Layer):
    def __init__(self, n, s=30.0, m=0.5, **kw):
        super().__init__(**kw)
        self.n, self.s, self.m = n, s, m

    def build(self, shp):
        self.W = self.add_weight(name="W", shape=(shp[0][-1], self.n), initializer="glorot_uniform")

    def call(self, inputs):
        x, y = inputs
        x = tf.nn.l2_normalize(x, axis=1)  # SAFE: epsilon inside
        W = tf.nn.l2_normalize(self.W, axis=0)  # SAFE: epsilon inside
        cos = x @ W
        theta = tf.acos(cos)  # BUG: domain, the rounded cosine goes to 1.0000001, and at 1 the gradient is infinite
        onehot = tf.one_hot(y, self.n)
        return self.s * (cos * (1 - onehot) + tf.cos(theta + self.m) * onehot)


class ArcFaceClipped(ArcFaceNaive):
    EPS = 1e-7

    def call(self, inputs):
        x, y = inputs
        cos = tf.matmul(tf.math.l2_normalize(x, axis=1), tf.math.l2_normalize(self.W, axis=0))
        theta = tf.acos(tf.clip_by_value(cos, -1.0 + self.EPS, 1.0 - self.EPS))  # SAFE: 1e-7 moves float32 off 1
        onehot = tf.one_hot(y, self.n)
        logits = tf.where(onehot > 0, tf.cos(theta + self.m), cos)
        return logits * self.s


class ArcFaceEasy(ArcFaceNaive):
    """cos(t+m) by the addition formula"""

    def call(self, inputs):
        x, y = inputs
        cos = tf.matmul(tf.nn.l2_normalize(x, 1), tf.nn.l2_normalize(self.W, 0))
        sin = tf.sqrt(1.0 - tf.square(cos))  # BUG: domain, 1 - cos^2 is negative by rounding, or 0 with an infinite gradient
        phi = cos * math.cos(self.m) - sin * math.sin(self.m)
        phi = tf.where(cos > math.cos(math.pi - self.m), phi, cos - math.sin(math.pi - self.m) * self.m)
        onehot = tf.one_hot(y, self.n)
        return self.s * (onehot * phi + (1 - onehot) * cos)


class CosFace(ArcFaceNaive):
    def call(self, inputs):
        x, y = inputs
        cos = tf.matmul(tf.nn.l2_normalize(x, 1), tf.nn.l2_normalize(self.W, 0))
        return self.s * (cos - self.m * tf.one_hot(y, self.n))  # SAFE: no acos in this one


class AdaCos(CosFace):
    def __init__(self, n, **kw):
        super().__init__(n, s=math.sqrt(2) * math.log(n - 1), m=0.0, **kw)  # SAFE: python numbers, more than two identities
