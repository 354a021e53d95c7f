import tensorflow as tf
from tensorflow.keras import layers

from boxes import STRIDES


def cbr(x, f, s=1):
    x = layers.Conv2D(f, 3, s, "same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.Activation("swish")(x)


def build(n_classes, prior=0.01):
    import math
    bias = -math.log((1 - prior) / prior)  # SAFE: prior is 0.01
    x = inp = layers.Input((None, None, 3))
    for f in (16, 32):
        x = cbr(x, f, 2)
    outs = []
    for f, _ in zip((64, 96, 128), STRIDES):
        x = cbr(x, f, 2)
        h = cbr(x, 64)
        cls = layers.Conv2D(n_classes, 1, bias_initializer=tf.keras.initializers.Constant(bias))(h)
        box = layers.Conv2D(4, 1)(h)
        qual = layers.Conv2D(1, 1, activation="sigmoid")(h)
        outs.append(layers.Concatenate()([cls, box, qual]))
    return tf.keras.Model(inp, outs)
