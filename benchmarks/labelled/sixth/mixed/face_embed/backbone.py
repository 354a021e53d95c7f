import tensorflow as tf
from tensorflow.keras import layers


def block(x, f, stride):
    y = layers.Conv2D(f, 3, strides=stride, padding="same", use_bias=False)(x)
    y = layers.BatchNormalization()(y)
    y = layers.PReLU(shared_axes=[1, 2])(y)
    y = layers.Conv2D(f, 3, padding="same", use_bias=False)(y)
    y = layers.BatchNormalization()(y)
    if stride != 1 or x.shape[-1] != f:
        x = layers.Conv2D(f, 1, strides=stride, use_bias=False)(x)
    return layers.Add()([x, y])


def build_backbone(size=112, dim=128, widths=(32, 64, 128)):
    inp = layers.Input((size, size, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(inp)  # SAFE: constant rescaling of raw pixels inside the model
    for w in widths:
        x = block(x, w, 2)
    x = layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(inp, layers.Dense(dim, use_bias=False)(x))
