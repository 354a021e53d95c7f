from tensorflow import keras
from tensorflow.keras import layers

import settings as S


def conv(x, f, k, s=1):
    x = layers.Conv2D(f, k, strides=s, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.LeakyReLU(negative_slope=0.1)(x)


def build():
    inp = keras.Input((S.IMAGE, S.IMAGE, 3))
    x = inp
    for f in (16, 32, 64, 64, 128):
        x = conv(x, f, 3, 2)
    x = conv(x, 128, 3)
    depth = S.BOXES * 5 + S.CLASSES
    x = layers.Conv2D(depth, 1, activation=S.HEAD_ACTIVATION)(x)
    return keras.Model(inp, x)


def unpack(raw):
    """raw: [N, G, G, B*5 + C] -> boxes, confidence, class scores"""
    n = S.BOXES * 5
    b = layers.Reshape((S.GRID, S.GRID, S.BOXES, 5))(raw[..., :n])
    return b[..., :4], b[..., 4], raw[..., n:]
