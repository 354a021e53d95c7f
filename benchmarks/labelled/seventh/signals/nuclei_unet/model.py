from tensorflow import keras
from tensorflow.keras import layers


def conv_block(x, filters):
    for _ in range(2):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    return x


def build_unet(size, base=16, depth=3):
    inp = keras.Input((size, size, 1))
    skips, x = [], inp
    for i in range(depth):
        x = conv_block(x, base * 2 ** i)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = conv_block(x, base * 2 ** depth)
    for i in reversed(range(depth)):
        x = layers.Conv2DTranspose(base * 2 ** i, 2, strides=2)(x)
        x = layers.Concatenate()([x, skips[i]])
        x = conv_block(x, base * 2 ** i)
    out = layers.Conv2D(1, 1)(x)
    return keras.Model(inp, out, name="unet")
