import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


class Block(layers.Layer):
    def __init__(self, width, backcast, horizon, **kw):
        super().__init__(**kw)
        self.fc = [layers.Dense(width, activation="relu") for _ in range(3)]
        self.back = layers.Dense(backcast)
        self.fore = layers.Dense(horizon)

    def call(self, x):
        for f in self.fc:
            x = f(x)
        return self.back(x), self.fore(x)


class TrendBlock(Block):
    """Polynomial basis, degree p."""

    def __init__(self, width, backcast, horizon, degree=3, **kw):
        super().__init__(width, degree + 1, degree + 1, **kw)
        tb = np.arange(backcast, dtype=np.float32) / backcast  # SAFE: backcast is a positive window length
        tf_ = np.arange(horizon, dtype=np.float32) / horizon  # SAFE: horizon is a positive window length
        self.basis_b = tf.constant(np.stack([tb ** i for i in range(degree + 1)]))
        self.basis_f = tf.constant(np.stack([tf_ ** i for i in range(degree + 1)]))

    def call(self, x):
        tb, tf_ = super().call(x)
        return tf.matmul(tb, self.basis_b), tf.matmul(tf_, self.basis_f)


class NBeats(tf.keras.Model):
    def __init__(self, backcast, horizon, width=64, stacks=2):
        super().__init__()
        self.blocks = []
        for _ in range(stacks):
            self.blocks.append(TrendBlock(width, backcast, horizon))
            self.blocks.append(Block(width, backcast, horizon))

    def call(self, x):
        total = 0.0
        residual = x
        for b in self.blocks:
            back, fore = b(residual)
            residual = residual - back
            total = total + fore
        return tf.nn.relu(total)
