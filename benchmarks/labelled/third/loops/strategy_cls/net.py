import tensorflow as tf
from tensorflow.keras import layers


class GeM(layers.Layer):
    """generalised mean pooling with a trained power, always float32"""

    def __init__(self, p=3.0, eps=1e-6):
        super().__init__(dtype="float32")
        self.p0, self.eps = p, eps

    def build(self, shape):
        self.p = self.add_weight(name="p", shape=(), initializer=tf.keras.initializers.Constant(self.p0))

    def call(self, x):
        p = tf.clip_by_value(self.p, 1.0, 8.0)
        x = tf.clip_by_value(tf.cast(x, tf.float32), self.eps, 1e3)
        m = tf.reduce_mean(tf.pow(x / 10.0, p), axis=[1, 2])
        return 10.0 * tf.pow(m + 1e-30, 1.0 / p)  # SAFE: base positive (1e-30 is normal in float32 and (1e-7) ** 8 only underflows to 0 before it is added), p in [1, 8]


class CosineHead(layers.Layer):
    def __init__(self, n, scale=16.0):
        super().__init__(dtype="float32")
        self.n, self.scale = n, scale

    def build(self, shape):
        self.w = self.add_weight(name="w", shape=(shape[-1], self.n), initializer="glorot_uniform")

    def call(self, x):
        x = tf.cast(x, tf.float32)
        x = x * tf.math.rsqrt(tf.reduce_sum(tf.square(x), -1, keepdims=True) + 1e-6)  # SAFE: float32 layer, epsilon inside the root
        w = tf.math.l2_normalize(self.w, axis=0)  # SAFE: l2_normalize has an epsilon
        return self.scale * tf.matmul(x, w)


def block(x, f, stride):
    y = layers.Conv2D(f, 3, stride, "same", use_bias=False)(x)
    y = layers.BatchNormalization()(y)
    y = layers.Activation("relu")(y)
    y = layers.Conv2D(f, 3, 1, "same", use_bias=False)(y)
    y = layers.BatchNormalization(gamma_initializer="zeros")(y)  # SAFE: zero gamma in the residual branch only, the shortcut carries the gradient
    s = x if stride == 1 and x.shape[-1] == f else layers.Conv2D(f, 1, stride, use_bias=False)(x)
    return layers.Activation("relu")(layers.Add()([y, s]))


def resnet(size, n_classes, widths=(32, 64, 128)):
    x = inp = layers.Input((size, size, 3))
    for f in widths:
        x = block(x, f, 2)
    x = GeM()(x)
    return tf.keras.Model(inp, CosineHead(n_classes)(x))
