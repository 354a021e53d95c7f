import keras
import tensorflow as tf
from keras import layers

import settings as S


class PrototypeHead(layers.Layer):
    """Bottleneck, L2 normalisation, weight-normalised prototypes."""

    def __init__(self, **kw):
        super().__init__(**kw)
        self.mlp = keras.Sequential([layers.Dense(64, activation="gelu"), layers.Dense(S.BOTTLENECK)])

    def build(self, shape):
        self.mlp.build(shape)
        self.v = self.add_weight(shape=(S.BOTTLENECK, S.PROTOTYPES), initializer="orthogonal", name="v")
        self.gain = self.add_weight(shape=(S.PROTOTYPES,), initializer="ones", name="gain")

    def call(self, x):
        z = tf.math.l2_normalize(self.mlp(x), axis=-1)  # SAFE: squared norm floored at 1e-12
        w = tf.math.l2_normalize(self.v, axis=0) * self.gain  # SAFE: squared norm floored at 1e-12
        return tf.matmul(z, w)


def backbone():
    x = inp = keras.Input((S.SIZE, S.SIZE, 1))
    for f in (S.WIDTH // 2, S.WIDTH, S.WIDTH * 2):
        x = layers.Conv2D(f, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    return keras.Model(inp, layers.GlobalAveragePooling2D()(x))


def pair():
    def one():
        b = backbone()
        return keras.Model(b.input, PrototypeHead()(b.output))
    student, teacher = one(), one()
    teacher.set_weights(student.get_weights())
    return student, teacher


def linear_probe(features):
    return keras.Sequential([keras.Input((features,)), layers.Dense(S.PROBE_CLASSES, activation="softmax")])
