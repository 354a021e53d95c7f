import tensorflow as tf
from tensorflow.keras import layers


class Pooling(layers.Layer):
    """Weighted mean of word vectors over the real tokens."""

    def __init__(self, token_weights, **kw):
        super().__init__(**kw)
        self.token_weights = tf.constant(token_weights)

    def call(self, ids, vectors):
        w = tf.gather(self.token_weights, ids)[..., None]
        return tf.reduce_sum(w * vectors, 1) / tf.reduce_sum(w, 1)  # BUG: div-zero, a query of stop words or unknown words has no token left, 0/0


class AttentionPooling(layers.Layer):
    def build(self, shape):
        self.u = self.add_weight(name="u", shape=(shape[-1], 1))

    def call(self, vectors, mask):
        s = tf.matmul(tf.tanh(vectors), self.u) + (1.0 - mask[..., None]) * -1e9
        a = tf.nn.softmax(s, axis=1)  # SAFE: float32 and a finite mask value, a fully masked row becomes uniform
        return tf.reduce_sum(a * vectors, 1)


class Tower(tf.keras.Model):
    def __init__(self, vocab_size, dim, out, token_weights=None, dropout=0.1):
        super().__init__()
        self.emb = layers.Embedding(vocab_size, dim)
        self.pool = Pooling(token_weights) if token_weights is not None else AttentionPooling()
        self.drop = layers.Dropout(dropout)
        self.fc = layers.Dense(out, activation="tanh")
        self.proj = layers.Dense(out)

    def call(self, ids, training=False):
        e = self.emb(ids)
        if isinstance(self.pool, Pooling):
            p = self.pool(ids, e)
        else:
            p = self.pool(e, tf.cast(ids > 0, tf.float32))
        h = self.drop(p, training=training)
        return tf.math.l2_normalize(self.proj(self.fc(h)), -1)  # SAFE: l2_normalize has its own epsilon


class LearnedScale(layers.Layer):
    """CLIP-style logit scale."""

    def build(self, _):
        self.log_scale = self.add_weight(name="log_scale", shape=(), initializer=tf.keras.initializers.Constant(2.66))

    def call(self, x):
        return x * tf.exp(tf.minimum(self.log_scale, 4.6052))  # SAFE: exponent capped at log(100)
