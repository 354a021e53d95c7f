import tensorflow as tf
from tensorflow.keras import layers


def block(x, ch, stride):
    s = x if stride == 1 and x.shape[-1] == ch else layers.Conv2D(ch, 1, stride, padding="same", use_bias=False)(x)
    h = layers.Conv2D(ch, 3, stride, padding="same", use_bias=False)(x)
    h = layers.BatchNormalization()(h)
    h = layers.ReLU()(h)
    h = layers.Conv2D(ch, 3, padding="same", use_bias=False)(h)
    h = layers.BatchNormalization(gamma_initializer="zeros")(h)  # SAFE: residual branch starts at zero, shortcut carries the signal
    return layers.ReLU()(layers.Add()([s, h]))


def encoder(width, size=64):
    inp = tf.keras.Input((size, size, 4))
    x = layers.Conv2D(width, 5, 2, padding="same")(inp)
    for ch, st in ((width, 1), (width * 2, 2), (width * 4, 2)):
        x = block(x, ch, st)
    return tf.keras.Model(inp, layers.GlobalAveragePooling2D()(x), name="encoder")


def projector(dim_in, dim):
    return tf.keras.Sequential([
        tf.keras.Input((dim_in,)),
        layers.Dense(dim_in, activation="relu"),
        layers.Dense(dim),
    ], name="projector")
