import tensorflow as tf
from tensorflow.keras import layers


def build_generator(noise_dim, channels=3, base=64):
    init = tf.keras.initializers.RandomNormal(stddev=0.02)
    return tf.keras.Sequential([
        layers.Input((noise_dim,)),
        layers.Dense(4 * 4 * base * 4, use_bias=False, kernel_initializer=init),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Reshape((4, 4, base * 4)),
        layers.Conv2DTranspose(base * 2, 5, 2, "same", use_bias=False, kernel_initializer=init),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Conv2DTranspose(base, 5, 2, "same", use_bias=False, kernel_initializer=init),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Conv2DTranspose(channels, 5, 2, "same", activation="tanh", kernel_initializer=init),
    ], name="generator")


class MinibatchStd(layers.Layer):
    """Append the mean std of the batch as an extra feature map."""

    def __init__(self, eps=1e-8, **kw):
        super().__init__(**kw)
        self.eps = eps

    def call(self, x):
        centred = x - tf.reduce_mean(x, axis=0, keepdims=True)
        var = tf.reduce_mean(tf.square(centred), axis=0, keepdims=True)
        std = tf.sqrt(var + self.eps)  # SAFE: eps 1e-8 keeps the root and its gradient finite
        stat = tf.reduce_mean(std)
        shape = tf.shape(x)
        fmap = tf.fill([shape[0], shape[1], shape[2], 1], 1.0) * stat
        return tf.concat([x, fmap], axis=-1)


def build_discriminator(image_size=32, channels=3, base=64):
    init = tf.keras.initializers.RandomNormal(stddev=0.02)
    inp = layers.Input((image_size, image_size, channels))
    x = inp
    for mult in (1, 2, 4):
        x = layers.Conv2D(base * mult, 5, 2, "same", kernel_initializer=init)(x)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
        x = layers.Dropout(0.3)(x)
    x = MinibatchStd()(x)
    x = layers.Flatten()(x)
    out = layers.Dense(1, activation="sigmoid", kernel_initializer=init)(x)
    return tf.keras.Model(inp, out, name="discriminator")
