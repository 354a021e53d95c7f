import tensorflow as tf
from tensorflow.keras import layers


class WSConv(layers.Conv2D):
    """Convolution with weight standardisation."""

    def call(self, x):
        m, v = tf.nn.moments(self.kernel, axes=[0, 1, 2], keepdims=True)
        fan = float(self.kernel.shape[0] * self.kernel.shape[1] * self.kernel.shape[2])
        k = (self.kernel - m) * tf.math.rsqrt(tf.maximum(v * fan, 1e-4))  # SAFE: variance floored at 1e-4 before rsqrt
        y = tf.nn.conv2d(x, k, strides=self.strides, padding=self.padding.upper())
        return tf.nn.bias_add(y, self.bias)


class Affine(layers.Layer):
    def build(self, shape):
        self.g = self.add_weight(name="g", shape=(shape[-1],), initializer="zeros")

    def call(self, x):
        return x * self.g


def stage(x, f, stride):
    s = layers.AveragePooling2D(stride)(x) if stride > 1 else x
    s = WSConv(f, 1, padding="same")(s)
    y = layers.Activation("relu")(x)
    y = WSConv(f, 3, strides=stride, padding="same")(y)
    y = layers.Activation("relu")(y)
    y = WSConv(f, 3, padding="same")(y)
    return layers.Add()([s, Affine()(y)])


def build(size, classes, widths=(32, 64, 128)):
    inp = layers.Input((size, size, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inp)  # SAFE: raw pixels rescaled inside the model
    x = WSConv(widths[0], 3, strides=2, padding="same")(x)
    for w in widths:
        x = stage(x, w, 2)
    x = layers.GlobalAveragePooling2D()(layers.Activation("relu")(x))
    return tf.keras.Model(inp, layers.Dense(classes)(x))
