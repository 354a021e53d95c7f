import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from criteria import MAX_DEPTH, MIN_DEPTH


def sep(x, n, stride=1):
    x = layers.SeparableConv2D(n, 3, strides=stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.Activation("swish")(x)


class DepthHead(layers.Layer):
    """Depth in metres, MIN_DEPTH .. MAX_DEPTH."""

    def __init__(self, **kw):
        super().__init__(**kw)
        self.conv = layers.Conv2D(1, 3, padding="same")

    def call(self, x):
        return MIN_DEPTH + (MAX_DEPTH - MIN_DEPTH) * tf.sigmoid(self.conv(x))


def build(height, width, n_classes):
    img = keras.Input((height, width, 3))
    x = layers.Rescaling(1.0 / 255)(img)  # SAFE: camera frames 0..255 are scaled in the network
    a = sep(x, 16, 2)
    b = sep(a, 32, 2)
    c = sep(sep(b, 64, 2), 64)
    ctx = layers.GlobalAveragePooling2D()(c)
    u = layers.UpSampling2D(2)(c)
    u = sep(layers.Concatenate()([u, b]), 32)
    u = layers.UpSampling2D(2)(u)
    u = sep(layers.Concatenate()([u, a]), 16)
    u = layers.UpSampling2D(2)(u)
    h = layers.Dense(32, activation="swish")(ctx)
    return keras.Model(img, {
        "depth": DepthHead(name="depth")(u),
        "seg": layers.Conv2D(n_classes, 1, name="seg")(u),
        "normals": layers.Conv2D(3, 1, name="normals")(u),
        "steer": layers.Dense(2, name="steer")(h),
    })
