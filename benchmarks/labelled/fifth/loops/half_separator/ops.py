import tensorflow as tf

import hyper

DT = tf.as_dtype(hyper.COMPUTE)


class Kernel(tf.Module):
    def __init__(self, k, i, o):
        super().__init__()
        self.w = tf.Variable(tf.random.normal([k, i, o], stddev=(k * i) ** -0.5))  # SAFE: kernel and channel sizes are positive
        self.b = tf.Variable(tf.zeros([o]))

    def __call__(self, x):
        return tf.nn.conv1d(x, tf.cast(self.w, DT), 1, "SAME") + tf.cast(self.b, DT)


class ChannelNorm(tf.Module):
    """Normalises every frame over its channels."""

    def __init__(self, c):
        super().__init__()
        self.g, self.b = tf.Variable(tf.ones([c])), tf.Variable(tf.zeros([c]))

    def __call__(self, x):
        mean = tf.reduce_mean(x, -1, keepdims=True)
        var = tf.reduce_mean(tf.square(x - mean), -1, keepdims=True)
        y = (x - mean) * tf.math.rsqrt(var + hyper.NORM_EPS)  # BUG: weak-guard, 1e-8 rounds to 0 in float16 and silent frames have variance 0: 0 * inf
        return y * tf.cast(self.g, DT) + tf.cast(self.b, DT)


class GlobalNorm(tf.Module):
    """Normalises over time and channels, statistics in float32."""

    def __init__(self, c):
        super().__init__()
        self.g, self.b = tf.Variable(tf.ones([c])), tf.Variable(tf.zeros([c]))

    def __call__(self, x):
        z = tf.cast(x, tf.float32)
        mean, var = tf.nn.moments(z, [1, 2], keepdims=True)
        z = (z - mean) / tf.sqrt(var + hyper.NORM_EPS)  # SAFE: the statistics are float32 here, 1e-8 is representable
        return tf.cast(z * self.g + self.b, DT)


def prelu(x, a):
    return tf.maximum(x, 0.0) + tf.cast(a, x.dtype) * tf.minimum(x, 0.0)
