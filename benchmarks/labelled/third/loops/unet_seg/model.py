import tensorflow as tf
from tensorflow.keras import layers


def double_conv(x, f):
    for _ in range(2):
        x = layers.Conv2D(f, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    return x


def attention_gate(skip, g, f):
    a = layers.Add()([layers.Conv2D(f, 1)(skip), layers.Conv2D(f, 1)(g)])
    a = layers.Conv2D(1, 1, activation="sigmoid")(layers.ReLU()(a))
    return layers.Multiply()([skip, a])


def unet(base, depth=3):
    x = inp = layers.Input((None, None, 3))
    skips = []
    for d in range(depth):
        x = double_conv(x, base * 2 ** d)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = double_conv(x, base * 2 ** depth)
    for d in reversed(range(depth)):
        x = layers.UpSampling2D()(x)
        s = attention_gate(skips[d], layers.Conv2D(base * 2 ** d, 1)(x), base * 2 ** d)
        x = double_conv(layers.Concatenate()([x, s]), base * 2 ** d)
    return tf.keras.Model(inp, layers.Conv2D(1, 1)(x))
