import math

import keras
from keras import layers

from anchors import RATIOS, SCALES

PRIOR = 0.01


def head(depth, out, bias):
    m = [layers.Conv2D(depth, 3, padding="same", activation="relu", kernel_initializer=keras.initializers.RandomNormal(stddev=0.03)) for _ in range(2)]
    m.append(layers.Conv2D(out, 3, padding="same", bias_initializer=keras.initializers.Constant(bias)))

    def apply(x):
        for layer in m:
            x = layer(x)
        return x

    return apply


def build(height, width, classes, depth=32):
    n = len(RATIOS) * len(SCALES)
    img = keras.Input((height, width, 3))
    x = layers.Rescaling(1.0 / 127.5, offset=-1.0)(img)  # SAFE: raw bytes are mapped to [-1, 1] here
    feats = []
    for i, f in enumerate((16, 32, 64, 64, 64)):
        x = layers.Conv2D(f, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        if i >= 2:
            feats.append(layers.Conv2D(depth, 1)(x))
    for i in (1, 0):
        feats[i] = layers.Add()([feats[i], layers.UpSampling2D()(feats[i + 1])])
    cls = head(depth, n * classes, -math.log((1 - PRIOR) / PRIOR))  # SAFE: PRIOR is the constant 0.01
    reg = head(depth, n * 4, 0.0)
    c = layers.Concatenate(axis=1)([layers.Reshape((-1, classes))(cls(f)) for f in feats])
    r = layers.Concatenate(axis=1)([layers.Reshape((-1, 4))(reg(f)) for f in feats])
    return keras.Model(img, [c, r])
