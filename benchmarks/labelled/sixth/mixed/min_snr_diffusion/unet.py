import math
import tensorflow as tf
from tensorflow.keras import layers


class TimeEmbedding(layers.Layer):
    def __init__(self, dim, **kw):
        super().__init__(**kw)
        self.dim = dim
        half = dim // 2
        self.freqs = tf.exp(-math.log(10000.0) * tf.range(half, dtype=tf.float32) / (half - 1))  # SAFE: exponent in [-9.2, 0], half is 16 or more

    def call(self, t):
        a = tf.cast(t, tf.float32)[:, None] * self.freqs[None]
        return tf.concat([tf.sin(a), tf.cos(a)], -1)


def res_block(x, emb, ch):
    h = layers.GroupNormalization(groups=8)(x)
    h = layers.Conv2D(ch, 3, padding="same")(layers.Activation("swish")(h))
    e = layers.Dense(ch)(layers.Activation("swish")(emb))
    h = h + layers.Reshape((1, 1, ch))(e)
    h = layers.GroupNormalization(groups=8)(h)
    h = layers.Conv2D(ch, 3, padding="same", kernel_initializer="zeros")(layers.Activation("swish")(h))
    if x.shape[-1] != ch:
        x = layers.Conv2D(ch, 1)(x)
    return x + h


def build(size=32, ch=32):
    x_in = layers.Input((size, size, 3))
    t_in = layers.Input((), dtype=tf.int32)
    emb = layers.Dense(ch * 4)(TimeEmbedding(ch)(t_in))
    h1 = res_block(layers.Conv2D(ch, 3, padding="same")(x_in), emb, ch)
    h2 = res_block(layers.AveragePooling2D(2)(h1), emb, ch * 2)
    h3 = res_block(h2, emb, ch * 2)
    u = layers.Concatenate()([layers.UpSampling2D()(h3), h1])
    u = res_block(u, emb, ch)
    out = layers.Conv2D(3, 3, padding="same")(layers.Activation("swish")(u))
    return tf.keras.Model([x_in, t_in], out)
