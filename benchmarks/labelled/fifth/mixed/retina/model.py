import math

import tensorflow as tf
from tensorflow.keras import layers

import params as P


class WeightStandardConv(layers.Layer):
    def __init__(self, filters, stride=1, **kw):
        super().__init__(**kw)
        self.filters, self.stride = filters, stride

    def build(self, shape):
        self.k = self.add_weight(name="k", shape=(3, 3, shape[-1], self.filters), initializer="he_normal")
        self.b = self.add_weight(name="b", shape=(self.filters,), initializer="zeros")

    def call(self, x):
        k = tf.convert_to_tensor(self.k)
        mean, var = tf.nn.moments(k, axes=[0, 1, 2], keepdims=True)
        k = (k - mean) * tf.math.rsqrt(var * tf.cast(tf.size(k[..., 0]), k.dtype) + 1e-4)  # SAFE: variance plus 1e-4
        return tf.nn.conv2d(x, k, self.stride, "SAME") + self.b


class GroupNorm(layers.Layer):
    def __init__(self, groups=8, eps=1e-5, **kw):
        super().__init__(**kw)
        self.groups, self.eps = groups, eps

    def build(self, shape):
        self.g = self.add_weight(name="g", shape=(shape[-1],), initializer="ones")
        self.b = self.add_weight(name="b", shape=(shape[-1],), initializer="zeros")

    def call(self, x):
        s = tf.shape(x)
        y = tf.reshape(x, [s[0], s[1] * s[2], self.groups, x.shape[-1] // self.groups])
        m, v = tf.nn.moments(y, axes=[1, 3], keepdims=True)
        y = (y - m) / tf.sqrt(v + self.eps)  # SAFE: variance plus 1e-5
        return tf.reshape(y, s) * self.g + self.b


def stage(filters):
    return tf.keras.Sequential([WeightStandardConv(filters, 2), GroupNorm(), layers.ReLU(),
                                WeightStandardConv(filters), GroupNorm(), layers.ReLU()])


class FastFusion(layers.Layer):
    """Normalised fusion weights as in EfficientDet."""

    def build(self, shape):
        self.w = self.add_weight(name="w", shape=(2,), initializer="ones")

    def call(self, inputs):
        w = tf.nn.relu(self.w)
        w = w / (tf.reduce_sum(w) + 1e-4)  # SAFE: relu weights plus 1e-4
        return w[0] * inputs[0] + w[1] * inputs[1]


class RetinaNet(tf.keras.Model):
    def __init__(self, num_classes=P.NUM_CLASSES, width=48, **kw):
        super().__init__(**kw)
        n = len(P.SCALES) * len(P.RATIOS)
        self.num_classes = num_classes
        self.scale = layers.Rescaling(1 / 127.5, offset=-1)
        self.stem = stage(16)
        self.s2 = stage(32)
        self.stages = [stage(width) for _ in P.LEVELS]
        self.up = layers.UpSampling2D()
        self.fuse = [FastFusion() for _ in P.LEVELS[:-1]]
        bias = tf.keras.initializers.Constant(-math.log((1 - P.PRIOR) / P.PRIOR))  # SAFE: the prior is the constant 0.01
        self.cls = layers.Conv2D(n * num_classes, 3, padding="same", bias_initializer=bias,
                                 kernel_initializer=tf.keras.initializers.RandomNormal(stddev=0.01))
        self.box = layers.Conv2D(n * 4, 3, padding="same",
                                 kernel_initializer=tf.keras.initializers.RandomNormal(stddev=0.01))

    def call(self, images, training=None):
        x = self.s2(self.stem(self.scale(images)))
        feats = []
        for s in self.stages:
            x = s(x)
            feats.append(x)
        for i in reversed(range(len(self.fuse))):
            feats[i] = self.fuse[i]([feats[i], self.up(feats[i + 1])])
        b = tf.shape(images)[0]
        c = [tf.reshape(self.cls(f), [b, -1, self.num_classes]) for f in feats]
        d = [tf.reshape(self.box(f), [b, -1, 4]) for f in feats]
        return tf.concat(c, 1), tf.concat(d, 1)
