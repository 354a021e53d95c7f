"""Layers of the lane network. They compute in the dtype of the global policy."""
import keras
import tensorflow as tf
from keras import layers

from conf import CFG


@keras.saving.register_keras_serializable("lanes")
class ResponseNorm(layers.Layer):
    """x / rms(x) over channels, with a learned gain."""

    def build(self, shape):
        self.gain = self.add_weight(shape=(shape[-1],), initializer="ones", name="gain")

    def call(self, x):
        ms = tf.reduce_mean(tf.square(x), axis=-1, keepdims=True)  # MAYBE: half squares overflow for activations above 256
        return x * tf.math.rsqrt(ms + CFG.eps) * self.gain  # BUG: weak-guard, under mixed_float16 x is half and 1e-8 rounds to 0: a pixel with all channels zero gives 0 * inf


@keras.saving.register_keras_serializable("lanes")
class ChannelNorm32(layers.Layer):
    """Same idea, statistics in float32."""

    def call(self, x):
        y = tf.cast(x, tf.float32)
        mean, var = tf.nn.moments(y, axes=[-1], keepdims=True)
        y = (y - mean) * tf.math.rsqrt(var + CFG.eps)  # SAFE: computed in float32 where 1e-8 is representable
        return tf.cast(y, x.dtype)


@keras.saving.register_keras_serializable("lanes")
class RowAttention(layers.Layer):
    """Every image row attends to itself; columns outside the drivable area are masked."""

    def __init__(self, dim, **kw):
        super().__init__(**kw)
        self.dim = dim
        self.q = layers.Dense(dim)
        self.k = layers.Dense(dim)
        self.v = layers.Dense(dim)
        self.out = layers.Dense(dim)

    def call(self, x, valid):
        q, k, v = self.q(x), self.k(x), self.v(x)
        score = tf.matmul(q, k, transpose_b=True) * (self.dim ** -0.5)  # SAFE: dim is the channel count, a positive constant
        bias = (1.0 - tf.cast(valid, score.dtype)) * tf.cast(CFG.mask_value, score.dtype)  # BUG: half, -1e9 is -inf in float16 and 0 * -inf is NaN for the valid columns
        att = tf.nn.softmax(score + bias[:, :, None, :], axis=-1)
        return x + self.out(tf.matmul(att, v))


@keras.saving.register_keras_serializable("lanes")
class SqueezeGate(layers.Layer):
    def build(self, shape):
        self.fc1 = layers.Dense(max(shape[-1] // 4, 1), activation="relu")
        self.fc2 = layers.Dense(shape[-1], activation="sigmoid")
        self.fc1.build((None, shape[-1]))
        self.fc2.build((None, max(shape[-1] // 4, 1)))

    def call(self, x):
        s = tf.reduce_mean(tf.cast(x, tf.float32), axis=[1, 2])
        s = self.fc2(self.fc1(s))
        return x * s[:, None, None, :]
