import math

import keras
import tensorflow as tf
from keras import layers, ops


@keras.saving.register_keras_serializable("pcg")
class SincBank(layers.Layer):
    """Band-pass filters with learned cut-off frequencies (SincNet)."""

    def __init__(self, filters=16, taps=129, rate=2000, **kw):
        super().__init__(**kw)
        self.filters, self.taps, self.rate = filters, taps, rate

    def build(self, shape):
        edges = [25.0 + i * (400.0 / self.filters) for i in range(self.filters)]  # SAFE: number of filters, default 16
        self.low = self.add_weight(shape=(self.filters,), initializer=lambda s, dtype=None: tf.constant(edges, dtype), name="low")
        self.band = self.add_weight(shape=(self.filters,), initializer=keras.initializers.Constant(40.0), name="band")
        half = self.taps // 2
        self.t = tf.constant([[k / self.rate] for k in range(1, half + 1)], tf.float32)  # SAFE: the time axis starts at one sample, never 0
        self.win = tf.signal.hamming_window(self.taps)[:, None]

    def lowpass(self, f):
        side = ops.sin(2.0 * math.pi * f * self.t) / (math.pi * self.t)  # SAFE: t >= 1 / rate, the centre tap is written separately
        mid = 2.0 * f[None]
        return tf.concat([side[::-1], mid, side], 0)

    def call(self, x):
        lo = ops.clip(5.0 + ops.abs(self.low), 5.0, self.rate / 2 - 10.0)
        hi = ops.clip(lo + 5.0 + ops.abs(self.band), 10.0, self.rate / 2)
        k = (self.lowpass(hi) - self.lowpass(lo)) * self.win
        k = k / (2.0 * (hi - lo) + 1.0)  # SAFE: lo is kept 10 Hz below rate/2 and hi is lo + 5 or more, so the denominator is at least 11
        return tf.nn.conv1d(x, k[:, None, :], 1, "SAME")


@keras.saving.register_keras_serializable("pcg")
class LogEnergy(layers.Layer):
    def __init__(self, frame=40, **kw):
        super().__init__(**kw)
        self.frame = frame

    def call(self, x):
        e = ops.average_pool(ops.square(x), self.frame, strides=self.frame // 2)
        return ops.log(e + 1e-6)  # SAFE: mean of squares plus 1e-6 in float32


@keras.saving.register_keras_serializable("pcg")
class StatsPool(layers.Layer):
    """Mean and standard deviation over time, x-vector style."""

    def call(self, x):
        mean = ops.mean(x, axis=1)
        var = ops.mean(ops.square(x - mean[:, None]), axis=1)
        return ops.concatenate([mean, ops.sqrt(var + 1e-5)], axis=-1)  # SAFE: variance plus 1e-5 inside the root


def build(samples, width=32, dropout=0.3):
    x = inp = keras.Input((samples, 1))
    x = SincBank()(x)
    x = LogEnergy()(x)
    for d in (1, 2, 4):
        y = layers.Conv1D(width, 5, dilation_rate=d, padding="same", use_bias=False)(x)
        y = layers.BatchNormalization()(y)
        y = layers.ReLU()(y)
        x = layers.Concatenate()([x, y])
    x = StatsPool()(x)
    x = layers.Dropout(dropout)(layers.Dense(width, activation="relu")(x))
    return keras.Model(inp, layers.Dense(1, activation="sigmoid")(x))
