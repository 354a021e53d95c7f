import tensorflow as tf
from tensorflow.keras import layers


class RevIN(layers.Layer):
    """Reversible instance normalisation of each window."""

    def __init__(self, eps, **kw):
        super().__init__(**kw)
        self.eps = eps

    def build(self, shape):
        self.gamma = self.add_weight(name="gamma", shape=(shape[-1],), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(shape[-1],), initializer="zeros")

    def call(self, x):
        mean, var = tf.nn.moments(x, axes=[1], keepdims=True)
        std = tf.sqrt(var + self.eps)  # SAFE: eps is 1e-5 in settings.py
        return (x - mean) / std * self.gamma + self.beta  # SAFE: std is at least 3e-3 for a flat window


class GatedBlock(layers.Layer):
    def __init__(self, filters, dilation, **kw):
        super().__init__(**kw)
        self.a = layers.Conv1D(filters, 3, dilation_rate=dilation, padding="causal")
        self.b = layers.Conv1D(filters, 3, dilation_rate=dilation, padding="causal")
        self.skip = layers.Dense(filters)

    def call(self, x):
        return self.skip(x) + tf.tanh(self.a(x)) * tf.sigmoid(self.b(x))


class Forecaster(tf.keras.Model):
    def __init__(self, horizon, eps, filters=32):
        super().__init__()
        self.revin = RevIN(eps)
        self.blocks = [GatedBlock(filters, 2 ** i) for i in range(4)]
        self.score = layers.Dense(1)
        self.out = layers.Dense(horizon)

    def call(self, x, training=False):
        h = self.revin(x)
        for block in self.blocks:
            h = block(h)
        w = tf.exp(-tf.nn.softplus(self.score(h)))  # SAFE: softplus makes the exponent non positive
        pooled = tf.reduce_sum(w * h, axis=1) / (tf.reduce_sum(w, axis=1) + 1e-6)  # SAFE: weights non negative, 1e-6 added
        return self.out(pooled)
