import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from config import CFG


def conv_block(x, filters, stride=1):
    shortcut = x
    x = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    if stride != 1 or shortcut.shape[-1] != filters:
        shortcut = layers.Conv2D(filters, 1, strides=stride, use_bias=False)(shortcut)
    return layers.ReLU()(layers.add([x, shortcut]))


class GeM(layers.Layer):
    """Generalised mean pooling."""

    def __init__(self, p=3.0, **kw):
        super().__init__(**kw)
        self.p = p

    def call(self, x):
        x = tf.maximum(x, 1e-4)
        pooled = tf.reduce_mean(x ** self.p, axis=[1, 2])
        return pooled ** (1.0 / self.p)  # SAFE: base is at least 1e-12, root has a finite slope there


def member_head(x, i):
    h = layers.Dropout(CFG.dropout, name=f"drop_{i}")(x)
    h = layers.Dense(128, activation="relu", name=f"fc_{i}")(h)
    return layers.Dense(CFG.num_classes, activation="softmax", name=f"member_{i}")(h)


def build_model():
    inp = keras.Input((CFG.image_size, CFG.image_size, 3))
    x = layers.Conv2D(32, 3, strides=2, padding="same")(inp)
    for f in (32, 64, 128):
        x = conv_block(x, f, stride=2)
    x = GeM()(x)
    members = [member_head(x, i) for i in range(CFG.num_members)]
    out = layers.Average(name="vote")(members)
    return keras.Model(inp, out, name="pets")
