import tensorflow as tf
from tensorflow.keras import layers


def generator(cfg, side):
    start = side // 8
    return tf.keras.Sequential([
        tf.keras.Input((cfg.latent,)),
        layers.Dense(start * start * cfg.base * 4, use_bias=False),
        layers.BatchNormalization(),
        layers.LeakyReLU(),
        layers.Reshape((start, start, cfg.base * 4)),
        layers.Conv2DTranspose(cfg.base * 2, 5, 2, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.LeakyReLU(),
        layers.Conv2DTranspose(cfg.base, 5, 2, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.LeakyReLU(),
        layers.Conv2DTranspose(1, 5, 2, padding="same", activation="tanh"),
    ], name="G")


class MinibatchSpread(layers.Layer):
    """Appends the mean feature deviation over the batch as one more map."""

    def __init__(self, eps=1e-6, **kw):
        super().__init__(**kw)
        self.eps = eps

    def call(self, x):
        var = tf.reduce_mean(tf.square(x - tf.reduce_mean(x, 0, keepdims=True)), 0, keepdims=True)
        dev = tf.reduce_mean(tf.sqrt(var + self.eps))  # SAFE: eps added under the root, float32 only
        shape = tf.shape(x)
        return tf.concat([x, tf.fill([shape[0], shape[1], shape[2], 1], dev)], -1)


def discriminator(cfg, side):
    inp = tf.keras.Input((side, side, 1))
    x = inp
    for mult in (1, 2, 4):
        x = layers.Conv2D(cfg.base * mult, 5, 2, padding="same")(x)
        x = layers.LeakyReLU(negative_slope=cfg.leak)(x)
        x = layers.Dropout(cfg.dropout)(x)
    x = MinibatchSpread()(x)
    x = layers.Flatten()(x)
    prob = layers.Dense(1, activation="sigmoid")(x)
    return tf.keras.Model(inp, prob, name="D")
