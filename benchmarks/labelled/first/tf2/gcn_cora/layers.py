import tensorflow as tf
from tensorflow.keras import layers


class GCN(layers.Layer):
    def __init__(self, units, act=None, **kw):
        super().__init__(**kw)
        self.lin = layers.Dense(units, use_bias=False)
        self.act = layers.Activation(act) if act else (lambda v: v)

    def call(self, A, x):
        return self.act(tf.sparse.sparse_dense_matmul(A, self.lin(x)))


class GAT(layers.Layer):
    """edge list attention; src, dst sorted by dst"""

    def __init__(self, units, stable=True, **kw):
        super().__init__(**kw)
        self.lin = layers.Dense(units)
        self.a1, self.a2 = layers.Dense(1), layers.Dense(1)
        self.stable = stable

    def call(self, x, src, dst):
        n = tf.shape(x)[0]
        h = self.lin(x)
        s = tf.nn.leaky_relu(tf.gather(self.a1(h), src) + tf.gather(self.a2(h), dst))
        if self.stable:
            s = s - tf.gather(tf.math.unsorted_segment_max(s, dst, n), dst)
            e = tf.exp(s)  # SAFE: segment maximum subtracted
        else:
            e = tf.exp(tf.clip_by_value(s, -30.0, 30.0))  # SAFE: clipped
        z = tf.math.unsorted_segment_sum(e, dst, n)
        w = e / tf.gather(z, dst)  # SAFE: gathered at an edge, so the segment has at least this edge
        return tf.math.unsorted_segment_sum(w * tf.gather(h, src), dst, n)


class MeanSage(layers.Layer):
    def __init__(self, units, **kw):
        super().__init__(**kw)
        self.w = layers.Dense(units, activation="relu")

    def call(self, x, src, dst):
        n = tf.shape(x)[0]
        tot = tf.math.unsorted_segment_sum(tf.gather(x, src), dst, n)
        deg = tf.math.unsorted_segment_sum(tf.ones_like(dst, tf.float32), dst, n)
        m = tot / deg[:, None]  # BUG: div-zero, nodes without an incoming edge have degree 0
        h = self.w(tf.concat([x, m], 1))
        return tf.math.l2_normalize(h, axis=1)  # SAFE: epsilon inside


class PairNorm(layers.Layer):
    def __init__(self, eps=1e-6):
        super().__init__()
        self.eps = eps

    def call(self, x):
        x = x - tf.reduce_mean(x, 0, keepdims=True)
        return x / tf.sqrt(self.eps + tf.reduce_mean(tf.reduce_sum(x * x, 1)))  # SAFE: eps from the constructor
