import tensorflow as tf
from tensorflow.keras import layers as L
import config as C


def block(x, f, norm=True):
    for _ in range(2):
        x = L.Conv2D(f, 3, padding="same", use_bias=not norm)(x)
        if norm:
            x = L.BatchNormalization()(x)
        x = L.Activation("relu")(x)
    return x


class AttentionGate(L.Layer):
    def __init__(self, f, **kw):
        super().__init__(**kw)
        self.wx, self.wg = L.Conv2D(f, 1), L.Conv2D(f, 1)
        self.psi = L.Conv2D(1, 1, activation="sigmoid")

    def call(self, x, g):
        return x * self.psi(tf.nn.relu(self.wx(x) + self.wg(g)))


def unet(base=32, depth=4):
    inp = L.Input((C.IMG_SIZE, C.IMG_SIZE, 3))
    x, skips = inp, []
    for d in range(depth):
        x = block(x, base * 2 ** d)
        skips.append(x)
        x = L.MaxPooling2D()(x)
    x = block(x, base * 2 ** depth)
    for d in reversed(range(depth)):
        x = L.Conv2DTranspose(base * 2 ** d, 2, 2, padding="same")(x)
        x = L.Concatenate()([AttentionGate(base)(skips[d], x), x])
        x = block(x, base * 2 ** d)
    out = L.Conv2D(C.N_CLASSES, 1, activation="sigmoid")(x)
    return tf.keras.Model(inp, out)
