import keras
from keras import ops


class MaskedMean(keras.layers.Layer):
    """Mean of the embeddings of a padded history, item 0 is padding."""

    def call(self, vectors, ids):
        mask = ops.cast(ids > 0, vectors.dtype)[..., None]
        total = ops.sum(vectors * mask, axis=1)
        count = ops.sum(mask, axis=1)
        return total / ops.maximum(count, 1.0)  # SAFE: the divisor is at least 1 for an empty history


class L2Normalise(keras.layers.Layer):
    def __init__(self, eps, **kwargs):
        super().__init__(**kwargs)
        self.eps = eps

    def call(self, x):
        return x * ops.rsqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + self.eps)  # BUG: half, the policy is mixed_float16 and eps 1e-12 is 0 in float16, a user without history gives a zero vector and 0 * Inf


class LogPopularity(keras.layers.Layer):
    """Log of the sampling probability of each item, for the in-batch correction."""

    def __init__(self, counts, **kwargs):
        super().__init__(dtype='float32', trainable=False, **kwargs)
        self.table = ops.convert_to_tensor(counts, dtype='float32')

    def call(self, ids):
        p = (ops.take(self.table, ids, axis=0) + 1.0) / (ops.sum(self.table) + 1.0)  # SAFE: one is added to counts >= 0
        return ops.log(p)  # SAFE: counts are raised by one, p > 0
