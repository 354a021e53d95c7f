import math
import tensorflow as tf
from tensorflow.keras import layers


class TimeEmb(layers.Layer):
    def __init__(self, dim, **kw):
        super().__init__(**kw)
        half = dim // 2
        self.freq = tf.exp(-math.log(10000.0) * tf.range(half, dtype=tf.float32) / (half - 1))  # SAFE: constants, exponent not positive

    def call(self, t):
        a = tf.cast(t, tf.float32)[:, None] * self.freq[None]
        return tf.concat([tf.sin(a), tf.cos(a)], -1)


class GroupNorm(layers.Layer):
    def __init__(self, groups=8, eps=1e-5, **kw):
        super().__init__(**kw)
        self.groups, self.eps = groups, eps

    def build(self, s):
        self.gamma = self.add_weight(shape=(s[-1],), initializer="ones")
        self.beta = self.add_weight(shape=(s[-1],), initializer="zeros")

    def call(self, x):
        s = tf.shape(x)
        y = tf.reshape(x, [s[0], s[1], s[2], self.groups, s[3] // self.groups])
        m, v = tf.nn.moments(y, [1, 2, 4], keepdims=True)
        y = (y - m) / tf.sqrt(v + self.eps)  # SAFE: constructor default 1e-5
        return tf.reshape(y, s) * self.gamma + self.beta


class WeightStd(layers.Layer):
    """weight standardised convolution"""

    def __init__(self, f, **kw):
        super().__init__(**kw)
        self.f = f

    def build(self, s):
        self.k = self.add_weight(shape=(3, 3, s[-1], self.f), initializer="zeros" if self.name == "last" else "he_normal")

    def call(self, x):
        m = tf.reduce_mean(self.k, [0, 1, 2], keepdims=True)
        sd = tf.math.reduce_std(self.k, [0, 1, 2], keepdims=True)
        return tf.nn.conv2d(x, (self.k - m) / sd, 1, "SAME")  # BUG: div-zero, the layer called "last" starts with a kernel of zeros, deviation 0, 0/0 in the first step


def res(x, t, f):
    h = GroupNorm()(x)
    h = layers.Conv2D(f, 3, padding="same")(tf.nn.silu(h))
    h = h + layers.Dense(f)(tf.nn.silu(t))[:, None, None, :]
    h = layers.Conv2D(f, 3, padding="same", kernel_initializer="zeros")(tf.nn.silu(GroupNorm()(h)))  # SAFE: plain convolution with zero kernel, meant so
    if x.shape[-1] != f:
        x = layers.Conv2D(f, 1)(x)
    return (x + h) / math.sqrt(2.0)  # SAFE: constant


def unet(size=32, base=64, weight_std=False):
    x0 = layers.Input((size, size, 3))
    ti = layers.Input((), dtype="int32")
    t = layers.Dense(4 * base, activation="swish")(TimeEmb(base)(ti))
    h = layers.Conv2D(base, 3, padding="same")(x0)
    sk = [h]
    for m in (1, 2, 4):
        h = res(h, t, base * m)
        sk.append(h)
        h = layers.AveragePooling2D()(h)
    h = res(h, t, base * 4)
    for m in (4, 2, 1):
        h = layers.UpSampling2D()(h)
        h = res(layers.Concatenate()([h, sk.pop()]), t, base * m)
    if weight_std:
        out = WeightStd(3, name="last")(h)
    else:
        out = layers.Conv2D(3, 3, padding="same", kernel_initializer="zeros")(h)
    return tf.keras.Model([x0, ti], out)
