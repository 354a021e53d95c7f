import tensorflow as tf
from tensorflow import keras

import options as opt


class RMSNorm(keras.layers.Layer):
    def build(self, shape):
        self.gain = self.add_weight(shape=(shape[-1],), initializer="ones", name="gain")

    def call(self, x):
        ms = tf.reduce_mean(tf.square(x), -1, keepdims=True)
        return x * tf.math.rsqrt(ms + opt.NORM_EPS) * self.gain  # BUG: weak-guard, 1e-8 is 0 in float16 and padding rows are zero: 0 * inf

    def compute_output_shape(self, shape):
        return shape


class SelfAttention(keras.layers.Layer):
    def __init__(self, dim, heads, **kw):
        super().__init__(**kw)
        self.heads, self.size = heads, dim // heads
        self.qkv = keras.layers.Dense(3 * dim, use_bias=False)
        self.out = keras.layers.Dense(dim)

    def call(self, x, keep):
        b, t = tf.shape(x)[0], tf.shape(x)[1]
        q, k, v = tf.unstack(tf.reshape(self.qkv(x), [b, t, 3, self.heads, self.size]), axis=2)
        q *= self.size ** -0.5
        s = tf.einsum("bihd,bjhd->bhij", q, k)
        s += (1.0 - tf.cast(keep, s.dtype))[:, None, None, :] * opt.NEG  # BUG: half, -1e9 is -inf in float16 and 0 * -inf is NaN for the kept tokens
        w = tf.nn.softmax(tf.cast(s, tf.float32))  # SAFE: softmax in float32
        y = tf.einsum("bhij,bjhd->bihd", tf.cast(w, v.dtype), v)
        return self.out(tf.reshape(y, [b, t, self.heads * self.size]))

    def compute_output_shape(self, shape, *a):
        return shape


class TokenEmbedding(keras.layers.Layer):
    """Embeddings where padding (id 0) is a zero vector."""

    def __init__(self, vocab, dim, **kw):
        super().__init__(**kw)
        self.tok = keras.layers.Embedding(vocab, dim)

    def call(self, ids):
        e = self.tok(ids)
        return e * tf.cast(ids > 0, e.dtype)[..., None]
