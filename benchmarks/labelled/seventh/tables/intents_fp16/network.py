import keras
import tensorflow as tf
from keras import layers


class MaskedPool(layers.Layer):

    def call(self, x, mask):
        m = tf.cast(mask, x.dtype)[..., None]
        return tf.reduce_sum(x * m, 1) / tf.maximum(tf.reduce_sum(m, 1), 1.0)  # SAFE: floor of one token


class CosineIntents(layers.Layer):
    """Scores are cosines with a learned prototype per intent."""

    def __init__(self, n, dim, scale=12.0):
        super().__init__()
        self.n, self.dim, self.scale = n, dim, scale

    def build(self, _):
        self.proto = self.add_weight(shape=(self.n, self.dim), initializer="glorot_uniform", name="proto")

    def call(self, x):
        h = tf.cast(x, tf.float32)
        h = h / tf.sqrt(tf.reduce_sum(tf.square(h), -1, keepdims=True) + 1e-6)  # SAFE: computed in float32 with the epsilon inside the root
        p = tf.math.l2_normalize(tf.cast(self.proto, tf.float32), -1)  # SAFE: float32 and an epsilon in l2_normalize
        return self.scale * tf.matmul(h, p, transpose_b=True)


class JointModel(keras.Model):

    def __init__(self, opt):
        super().__init__()
        self.emb = layers.Embedding(opt.vocab, opt.dim)
        self.conv = [layers.Conv1D(opt.dim, 3, padding="same", activation="relu") for _ in range(2)]
        self.pool = MaskedPool()
        self.intent = CosineIntents(opt.intents, opt.dim)
        self.slot = layers.Dense(opt.slots)

    def call(self, ids):
        mask = ids > 0
        x = self.emb(ids)
        for c in self.conv:
            x = x + c(x)
        return tf.nn.softmax(self.intent(self.pool(x, mask))), tf.nn.softmax(self.slot(x))  # SAFE: softmax subtracts the maximum, cosines are bounded
