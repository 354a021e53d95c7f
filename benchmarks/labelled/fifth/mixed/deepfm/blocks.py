import tensorflow as tf
from tensorflow.keras import layers


class FieldEmbedding(layers.Layer):
    def __init__(self, sizes, dim, l2=1e-6, **kw):
        super().__init__(**kw)
        reg = tf.keras.regularizers.l2(l2)
        self.tables = [layers.Embedding(n, dim, embeddings_regularizer=reg) for n in sizes]
        self.linear = [layers.Embedding(n, 1) for n in sizes]

    def call(self, ids):
        cols = tf.unstack(ids, axis=1)
        v = tf.stack([t(c) for t, c in zip(self.tables, cols)], axis=1)
        w = tf.add_n([t(c) for t, c in zip(self.linear, cols)])
        return v, w


class FMInteraction(layers.Layer):
    """0.5 * ((sum v)^2 - sum v^2)"""

    def call(self, v):
        s = tf.square(tf.reduce_sum(v, axis=1))
        q = tf.reduce_sum(tf.square(v), axis=1)
        return 0.5 * tf.reduce_sum(s - q, axis=1, keepdims=True)


class CosineInteraction(layers.Layer):
    """Pairwise cosines between fields."""

    def call(self, v):
        n2 = tf.reduce_sum(tf.square(v), axis=-1, keepdims=True)
        u = v * tf.math.rsqrt(n2 + 1e-6)  # SAFE: square sum plus 1e-6, also for a zero embedding
        g = tf.matmul(u, u, transpose_b=True)
        f = v.shape[1]
        idx = [i * f + j for i in range(f) for j in range(i + 1, f)]
        return tf.gather(tf.reshape(g, [-1, f * f]), idx, axis=1)


class Dice(layers.Layer):
    """Data adaptive activation."""

    def __init__(self, eps=1e-6, momentum=0.99, **kw):
        super().__init__(**kw)
        self.eps, self.momentum = eps, momentum

    def build(self, shape):
        d = shape[-1]
        self.alpha = self.add_weight(name="alpha", shape=(d,), initializer="zeros")
        self.mean = self.add_weight(name="mean", shape=(d,), initializer="zeros", trainable=False)
        self.var = self.add_weight(name="var", shape=(d,), initializer="ones", trainable=False)

    def call(self, x, training=None):
        if training:
            m, v = tf.nn.moments(x, axes=[0])
            self.mean.assign(self.momentum * self.mean + (1 - self.momentum) * m)
            self.var.assign(self.momentum * self.var + (1 - self.momentum) * v)
        else:
            m, v = tf.convert_to_tensor(self.mean), tf.convert_to_tensor(self.var)
        p = tf.sigmoid((x - m) / tf.sqrt(v + self.eps))  # SAFE: variance is not negative, 1e-6 inside the root
        return p * x + (1.0 - p) * self.alpha * x


class DeepFM(tf.keras.Model):
    def __init__(self, sizes, dim=8, hidden=(64, 32), **kw):
        super().__init__(**kw)
        self.fields = FieldEmbedding(sizes, dim)
        self.fm, self.cos = FMInteraction(), CosineInteraction()
        self.deep = [(layers.Dense(h), Dice()) for h in hidden]
        self.out = layers.Dense(1)

    def call(self, inputs, training=None):
        ids, num = inputs["ids"], inputs["num"]
        v, w = self.fields(ids)
        h = tf.concat([tf.reshape(v, [-1, v.shape[1] * v.shape[2]]), num, self.cos(v)], axis=1)
        for dense, act in self.deep:
            h = act(dense(h), training=training)
        return w + self.fm(v) + self.out(h)
