import math

import tensorflow as tf
from tensorflow.keras import layers


class GatedResidual(layers.Layer):
    def __init__(self, units, **kw):
        super().__init__(**kw)
        self.a, self.b = layers.Dense(units, activation="elu"), layers.Dense(2 * units)
        self.skip = layers.Dense(units)
        self.norm = layers.LayerNormalization(epsilon=1e-5)

    def call(self, x):
        v, g = tf.split(self.b(self.a(x)), 2, axis=-1)
        return self.norm(self.skip(x) + v * tf.sigmoid(g))


class SoftBinning(layers.Layer):
    """Differentiable membership of every feature in a few bins."""

    def __init__(self, bins=4, **kw):
        super().__init__(**kw)
        self.bins = bins

    def build(self, shape):
        self.c = self.add_weight(name="c", shape=(shape[-1], self.bins),
                                 initializer=tf.keras.initializers.RandomUniform(-2.0, 2.0))
        self.log_w = self.add_weight(name="log_w", shape=(shape[-1], self.bins), initializer="zeros")

    def call(self, x):
        width = tf.exp(tf.clip_by_value(self.log_w, -3.0, 3.0))  # SAFE: the exponent is clipped to [-3, 3]
        z = -0.5 * tf.square((x[..., None] - self.c) / width)  # SAFE: the width is at least exp(-3)
        m = tf.nn.softmax(z, axis=-1)
        return tf.reshape(m, [-1, x.shape[-1] * self.bins])


def build(n, opt):
    inp = tf.keras.Input((n,))
    x = layers.Concatenate()([inp, SoftBinning()(inp)])
    for u in opt.hidden:
        x = GatedResidual(u)(x)
        x = layers.Dropout(0.2)(x)
    return tf.keras.Model(inp, layers.Dense(1)(x))


def focal_loss(gamma, smooth):
    def loss(y_true, logits):
        y = tf.cast(y_true, logits.dtype) * (1.0 - smooth) + 0.5 * smooth
        p = tf.clip_by_value(tf.sigmoid(logits), 1e-5, 1.0 - 1e-5)
        pos = y * tf.pow(1.0 - p, gamma) * tf.math.log(p)  # SAFE: p is clipped to [1e-5, 1 - 1e-5]
        neg = (1.0 - y) * tf.pow(p, gamma) * tf.math.log(1.0 - p)  # SAFE: p is clipped and 1 - 1e-5 is below 1 in float32
        return -tf.reduce_mean(pos + neg, axis=-1)
    return loss


class OneCycle(tf.keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak, total, pct):
        super().__init__()
        self.peak, self.total = peak, float(max(total, 2))
        self.up = min(max(pct, 0.05), 0.95) * self.total

    def __call__(self, step):
        s = tf.minimum(tf.cast(step, tf.float32), self.total)
        rise = s / self.up  # SAFE: at least 5 percent of at least 2 steps
        fall = (self.total - s) / (self.total - self.up)  # SAFE: up is at most 95 percent of total
        phase = tf.clip_by_value(tf.minimum(rise, fall), 0.0, 1.0)
        return self.peak * (0.02 + 0.49 * (1.0 - tf.cos(math.pi * phase)))


class Temperature(tf.Module):
    """Calibration on held out logits."""

    def __init__(self):
        super().__init__()
        self.raw = tf.Variable(0.5413, dtype=tf.float32)

    @property
    def value(self):
        return tf.nn.softplus(self.raw) + 0.05

    def fit(self, logits, y, steps):
        opt = tf.keras.optimizers.Adam(0.02)
        for _ in range(steps):
            with tf.GradientTape() as tape:
                z = logits / self.value  # SAFE: softplus plus 0.05
                nll = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(y, z))
            opt.apply_gradients([(tape.gradient(nll, self.raw), self.raw)])
        return float(self.value)
