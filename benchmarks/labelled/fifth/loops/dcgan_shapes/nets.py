import tensorflow as tf
from tensorflow.keras import layers


class PixelNorm(layers.Layer):
    def call(self, x):
        return x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), -1, keepdims=True) + 1e-8)  # SAFE: float32 and the epsilon is inside the rsqrt


class MinibatchStd(layers.Layer):
    """Standard deviation over the batch as an additional channel."""

    def call(self, x):
        mean = tf.reduce_mean(x, 0, keepdims=True)
        var = tf.reduce_mean(tf.square(x - mean), 0, keepdims=True)
        s = tf.reduce_mean(tf.sqrt(var + 1e-8))  # SAFE: epsilon inside the sqrt, identical samples give a finite slope
        shape = tf.shape(x)
        return tf.concat([x, tf.fill([shape[0], shape[1], shape[2], 1], s)], -1)


def generator(s):
    z = tf.keras.Input((s.z_dim,))
    n = s.image_size // 8
    x = PixelNorm()(z)
    x = layers.Dense(n * n * s.base * 4, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.LeakyReLU(0.2)(x)
    x = layers.Reshape((n, n, s.base * 4))(x)
    for f in (s.base * 2, s.base, s.base // 2):
        x = layers.Conv2DTranspose(f, 4, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU(0.2)(x)
    out = layers.Conv2D(s.channels, 3, padding="same", activation="tanh")(x)
    return tf.keras.Model(z, out, name="generator")


def discriminator(s):
    inp = tf.keras.Input((s.image_size, s.image_size, s.channels))
    x = inp
    for f in (s.base, s.base * 2, s.base * 4):
        x = layers.Conv2D(f, 4, strides=2, padding="same")(x)
        x = layers.LeakyReLU(0.2)(x)
        x = layers.Dropout(0.2)(x)
    x = MinibatchStd()(x)
    patches = layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x)
    out = layers.Reshape((1,))(layers.GlobalAveragePooling2D()(patches))
    return tf.keras.Model(inp, out, name="discriminator")
