import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


class InstanceNorm(layers.Layer):
    def __init__(self, epsilon=1e-5, **kw):
        super().__init__(**kw)
        self.epsilon = epsilon

    def build(self, shape):
        self.gamma = self.add_weight(name="gamma", shape=(shape[-1],), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(shape[-1],), initializer="zeros")

    def call(self, x):
        mean, var = tf.nn.moments(x, axes=[1, 2, 3], keepdims=True)
        return self.gamma * (x - mean) * tf.math.rsqrt(var + self.epsilon) + self.beta  # SAFE: epsilon 1e-5 under the root

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}


def unit(x, filters):
    for _ in range(2):
        x = layers.Conv3D(filters, 3, padding="same", use_bias=False)(x)
        x = InstanceNorm()(x)
        x = layers.LeakyReLU(0.01)(x)
    return x


def unet3d(patch, channels, n_classes, base, depth):
    inp = keras.Input(tuple(patch) + (channels,))
    x, skips = inp, []
    for d in range(depth):
        x = unit(x, base * 2 ** d)
        skips.append(x)
        x = layers.MaxPooling3D()(x)
    x = unit(x, base * 2 ** depth)
    for d in reversed(range(depth)):
        x = layers.Conv3DTranspose(base * 2 ** d, 2, strides=2)(x)
        x = layers.Concatenate()([x, skips[d]])
        x = unit(x, base * 2 ** d)
    bias = keras.initializers.Constant(-4.6)
    out = layers.Conv3D(n_classes, 1, activation="sigmoid", bias_initializer=bias)(x)
    return keras.Model(inp, out)
