"""Layers shared by our digit projects (Keras 3, any backend)."""
import keras
from keras import ops


def squash(vectors, axis=-1):
    s = ops.sum(ops.square(vectors), axis=axis, keepdims=True)
    return s / (1.0 + s) / ops.sqrt(s + keras.config.epsilon()) * vectors  # SAFE: epsilon is under the root, the divisors are positive


@keras.saving.register_keras_serializable('capsule_kit')
class Length(keras.layers.Layer):
    """Length of capsules, the class scores of a capsule net."""

    def call(self, x):
        return ops.sqrt(ops.sum(ops.square(x), axis=-1) + keras.config.epsilon())  # SAFE: epsilon is under the root

    def compute_output_shape(self, input_shape):
        return input_shape[:-1]


@keras.saving.register_keras_serializable('capsule_kit')
class Capsules(keras.layers.Layer):
    def __init__(self, num, dim, routings=3, **kwargs):
        super().__init__(**kwargs)
        if routings < 1:
            raise ValueError('routings must be positive')
        self.num, self.dim, self.routings = num, dim, routings

    def build(self, input_shape):
        self.W = self.add_weight(shape=(self.num, input_shape[1], self.dim, input_shape[2]),
                                 initializer='glorot_uniform', name='W')

    def call(self, u):
        u_hat = ops.einsum('jidk,bik->bjid', self.W, u)
        fixed = ops.stop_gradient(u_hat)
        b = ops.zeros_like(fixed[..., 0])
        for r in range(self.routings):
            c = ops.softmax(b, axis=1)
            if r == self.routings - 1:
                return squash(ops.einsum('bji,bjid->bjd', c, u_hat))
            v = squash(ops.einsum('bji,bjid->bjd', c, fixed))
            b = b + ops.einsum('bjd,bjid->bji', v, fixed)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.num, self.dim)

    def get_config(self):
        return {**super().get_config(), 'num': self.num, 'dim': self.dim, 'routings': self.routings}


@keras.saving.register_keras_serializable('capsule_kit')
class RMSNorm(keras.layers.Layer):
    def __init__(self, eps=1e-5, **kwargs):
        super().__init__(**kwargs)
        self.eps = eps

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer='ones', name='scale')

    def call(self, x):
        return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + self.eps) * self.scale  # SAFE: eps is 1e-5 and added to a mean of squares


@keras.saving.register_keras_serializable('capsule_kit')
class ContrastNorm(keras.layers.Layer):
    """Local contrast normalisation, divisor max(mean(std), std) as in Jarrett et al."""

    def __init__(self, size=5, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, x):
        mean = ops.average_pool(x, self.size, strides=1, padding='same')
        centred = x - mean
        variance = ops.average_pool(ops.square(centred), self.size, strides=1, padding='same')
        std = ops.sqrt(variance + 1e-8)  # SAFE: 1e-8 under the root, the pictures are float32
        floor = ops.mean(std, axis=(1, 2), keepdims=True)
        return centred / ops.maximum(std, floor)  # SAFE: std is at least 1e-4 everywhere


@keras.saving.register_keras_serializable('capsule_kit')
class PowerActivation(keras.layers.Layer):
    """sign(x) * |x|^p with a learned exponent in (0.5, 1.5)."""

    def build(self, input_shape):
        self.raw = self.add_weight(shape=(), initializer='zeros', name='raw')

    def call(self, x):
        p = 0.5 + ops.sigmoid(self.raw)
        return ops.sign(x) * ops.exp(p * ops.log(ops.abs(x) + 1e-4))  # SAFE: the logarithm is taken of at least 1e-4
