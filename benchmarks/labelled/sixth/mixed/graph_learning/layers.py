import tensorflow as tf


def dense_renorm(adj):
    """Kipf & Welling renormalisation of the fixed citation graph."""
    adj = adj + tf.eye(tf.shape(adj)[0])
    deg = tf.reduce_sum(adj, -1)
    r = tf.math.rsqrt(deg)  # SAFE: the identity was added, every degree is at least 1
    return adj * r[:, None] * r[None, :]


def symmetric_norm(adj):
    deg = tf.reduce_sum(adj, axis=-1)
    inv = tf.where(deg > 0, tf.pow(deg, -0.5), tf.zeros_like(deg))  # BUG: where-grad, deg depends on trainable weights and is 0 for isolated nodes, pow'(0) = inf times 0
    return adj * inv[:, None] * inv[None, :]


class GraphConv(tf.keras.layers.Layer):
    def __init__(self, units, activation=None, rate=0.5, **kw):
        super().__init__(**kw)
        self.lin = tf.keras.layers.Dense(units, use_bias=False)
        self.act = tf.keras.activations.get(activation)
        self.drop = tf.keras.layers.Dropout(rate)

    def call(self, x, adj, training=False):
        return self.act(tf.matmul(adj, self.lin(self.drop(x, training=training))))


class GraphAttention(tf.keras.layers.Layer):
    """Dense GAT head with additive scores, neighbours only."""

    def __init__(self, units, **kw):
        super().__init__(**kw)
        self.lin = tf.keras.layers.Dense(units, use_bias=False)
        self.src = tf.keras.layers.Dense(1, use_bias=False)
        self.dst = tf.keras.layers.Dense(1, use_bias=False)

    def call(self, x, adj):
        h = self.lin(x)
        e = tf.nn.leaky_relu(self.src(h) + tf.transpose(self.dst(h)), 0.2)
        e = tf.where(adj > 0, e, -1e9 * tf.ones_like(e))
        e = e - tf.reduce_max(e, -1, keepdims=True)
        w = tf.exp(e)  # SAFE: the row maximum was subtracted, exponents are at most 0
        att = w / tf.reduce_sum(w, -1, keepdims=True)  # SAFE: the row maximum contributes exp(0) = 1 even when all neighbours are masked
        return tf.matmul(att, h)


class SimilarityGraph(tf.keras.layers.Layer):
    """Learns an adjacency: thresholded weighted cosine between node features."""

    def __init__(self, dim, threshold=0.3, heads=4, **kw):
        super().__init__(**kw)
        self.dim, self.threshold, self.heads = dim, threshold, heads

    def build(self, shape):
        self.w = self.add_weight(name="w", shape=(self.heads, shape[-1]), initializer="glorot_uniform")

    def call(self, x):
        sims = []
        for k in range(self.heads):
            z = x * self.w[k]
            z = z / tf.sqrt(tf.reduce_sum(z * z, -1, keepdims=True) + 1e-6)  # SAFE: epsilon inside the root, zero rows stay zero
            sims.append(tf.matmul(z, z, transpose_b=True))
        s = tf.add_n(sims) / float(self.heads)  # SAFE: heads is a positive constructor constant
        s = tf.nn.relu(s - self.threshold)
        return tf.linalg.set_diag(s, tf.zeros(tf.shape(s)[0]))
