import tensorflow as tf
from tensorflow.keras import layers

from config import section


class Residual(layers.Layer):
    def __init__(self, filters, eps, **kw):
        super().__init__(**kw)
        self.a = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)
        self.bn_a = layers.BatchNormalization(epsilon=eps)
        self.b = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)
        self.bn_b = layers.BatchNormalization(epsilon=eps)
        self.short = layers.Conv2D(filters, 1)

    def call(self, x, training=None):
        h = tf.nn.relu(self.bn_a(self.a(x), training=training))
        h = self.bn_b(self.b(h), training=training)
        return tf.nn.relu(h + self.short(x))


class SpatialStat(layers.Layer):
    """Concatenates mean and deviation of every feature map."""

    def call(self, x):
        mean, var = tf.nn.moments(x, axes=[1, 2])
        return tf.concat([mean, tf.sqrt(var + 1e-4)], axis=-1)  # SAFE: variance plus 1e-4 inside the root


def build(num_classes=None):
    cfg = section("model")
    size = section("data")["size"]
    inp = tf.keras.Input((size, size, 3))
    x = layers.Conv2D(cfg["widths"][0], 3, strides=2, padding="same")(inp)
    for w in cfg["widths"]:
        x = Residual(w, cfg["bn_eps"])(x)
        x = layers.MaxPooling2D()(x)
    x = SpatialStat()(x)
    x = layers.Dropout(cfg["dropout"])(x)
    out = layers.Dense(num_classes or cfg["classes"], activation=cfg["head"])(x)
    return tf.keras.Model(inp, out)
