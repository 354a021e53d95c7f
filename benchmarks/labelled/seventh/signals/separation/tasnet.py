import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


class GlobalNorm(layers.Layer):
    """gLN over time and channels."""

    def build(self, shape):
        self.gamma = self.add_weight(shape=(shape[-1],), initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=(shape[-1],), initializer="zeros", name="beta")

    def call(self, x):
        mean, var = tf.nn.moments(x, axes=[1, 2], keepdims=True)
        return (x - mean) / tf.sqrt(var + 1e-8) * self.gamma + self.beta  # SAFE: float32, variance >= 0 and 1e-8 inside the root


class CumulativeNorm(layers.Layer):
    """Causal version: statistics of the past only."""

    def call(self, x):
        t = tf.cast(tf.range(1, tf.shape(x)[1] + 1), x.dtype)[None, :, None]
        c = float(x.shape[-1])
        s = tf.cumsum(tf.reduce_sum(x, -1, keepdims=True), axis=1)
        q = tf.cumsum(tf.reduce_sum(tf.square(x), -1, keepdims=True), axis=1)
        mean = s / (t * c)  # SAFE: t counts from 1, c is the number of channels
        var = tf.nn.relu(q / (t * c) - tf.square(mean))
        return (x - mean) * tf.math.rsqrt(var + 1e-6)  # SAFE: cancellation below zero is cut by relu, then plus 1e-6


def conv_block(x, hp, dilation, causal):
    y = layers.Conv1D(hp.hidden, 1)(x)
    y = layers.PReLU(shared_axes=[1])(y)
    y = CumulativeNorm()(y) if causal else GlobalNorm()(y)
    y = layers.Conv1D(hp.hidden, 3, dilation_rate=dilation, padding="causal" if causal else "same", groups=hp.hidden)(y)
    y = layers.PReLU(shared_axes=[1])(y)
    y = CumulativeNorm()(y) if causal else GlobalNorm()(y)
    res = layers.Conv1D(hp.bottleneck, 1)(y)
    return layers.Add()([x, res])


class MaskApply(layers.Layer):
    def __init__(self, n_src, **kw):
        super().__init__(**kw)
        self.n_src = n_src

    def call(self, inputs):
        code, score = inputs
        shape = tf.shape(code)
        score = tf.reshape(score, [shape[0], shape[1], self.n_src, -1])
        mask = tf.nn.softmax(score, axis=2)
        out = code[:, :, None, :] * mask
        return tf.transpose(out, [0, 2, 1, 3])


def build(hp, causal=False):
    n = int(hp.seconds * hp.sample_rate)
    mix = keras.Input((n, 1))
    code = layers.Conv1D(hp.filters, hp.kernel, strides=hp.kernel // 2, activation="relu", padding="same")(mix)
    x = CumulativeNorm()(code) if causal else GlobalNorm()(code)
    x = layers.Conv1D(hp.bottleneck, 1)(x)
    for _ in range(hp.repeats):
        for b in range(hp.blocks):
            x = conv_block(x, hp, 2 ** b, causal)
    score = layers.Conv1D(hp.filters * hp.n_src, 1)(x)
    y = MaskApply(hp.n_src)([code, score])
    y = layers.TimeDistributed(layers.Conv1DTranspose(1, hp.kernel, strides=hp.kernel // 2, padding="same"))(y)
    return keras.Model(mix, layers.Reshape((hp.n_src, -1))(y))
