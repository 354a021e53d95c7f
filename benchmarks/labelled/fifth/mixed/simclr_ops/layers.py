import keras
from keras import ops


class UnitNorm(keras.layers.Layer):
    """Projects vectors on the sphere."""

    def __init__(self, axis=-1, eps=1e-6, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis
        self.eps = eps

    def call(self, x):
        sq = ops.sum(ops.square(x), axis=self.axis, keepdims=True)
        return x * ops.rsqrt(ops.maximum(sq, self.eps ** 2))  # SAFE: maximum with 1e-12 before the root


class GeM(keras.layers.Layer):
    """Generalised mean pooling with a trained exponent."""

    def __init__(self, p=3.0, eps=1e-3, **kwargs):
        super().__init__(**kwargs)
        self.p0 = p
        self.eps = eps

    def build(self, input_shape):
        self.p = self.add_weight(name="p", shape=(), initializer=keras.initializers.Constant(self.p0))

    def call(self, x):
        p = ops.clip(self.p, 1.0, 6.0)
        x = ops.clip(x, self.eps, 1e3)
        m = ops.mean(ops.power(x, p), axis=(1, 2))  # SAFE: the base is between 1e-3 and 1e3 and p at most 6, so at most 1e18
        return ops.power(m, 1.0 / p)  # SAFE: m is at least 1e-18 and p at least 1


class ScaleNorm(keras.layers.Layer):
    def build(self, input_shape):
        self.g = self.add_weight(name="g", shape=(), initializer="ones")

    def call(self, x):
        n = ops.sqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-5)  # SAFE: 1e-5 inside the root
        return self.g * x / n  # SAFE: n is at least sqrt(1e-5)


def build_encoder(cfg):
    inp = keras.Input((cfg.image_size, cfg.image_size, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inp)
    for i in range(3):
        x = keras.layers.Conv2D(cfg.width * 2 ** i, 3, strides=2, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.Activation("relu")(x)
    feat = GeM()(x)
    h = keras.layers.Dense(cfg.projection * 2, activation="gelu")(ScaleNorm()(feat))
    z = UnitNorm()(keras.layers.Dense(cfg.projection)(h))
    return keras.Model(inp, z, name="encoder")
