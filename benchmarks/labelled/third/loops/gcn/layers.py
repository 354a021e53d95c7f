import tensorflow as tf


class GraphConv(tf.keras.layers.Layer):
    def __init__(self, units, activation=None, dropout=0.5):
        super().__init__()
        self.units = units
        self.act = tf.keras.activations.get(activation)
        self.drop = tf.keras.layers.Dropout(dropout)

    def build(self, shape):
        self.kernel = self.add_weight(name="kernel", shape=(shape[-1], self.units), initializer="glorot_uniform")
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def propagate(self, adj, x):
        return tf.matmul(adj, tf.matmul(self.drop(x, training=self._training), self.kernel))

    def call(self, x, adj=None, training=False):
        self._training = training
        return self.act(self.propagate(adj, x) + self.bias)


class PairNorm(tf.keras.layers.Layer):
    """Zhao & Akoglu 2020"""

    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale

    def call(self, x):
        x = x - tf.reduce_mean(x, axis=0, keepdims=True)
        rms = tf.sqrt(1e-6 + tf.reduce_mean(tf.reduce_sum(tf.square(x), axis=1)))  # SAFE: 1e-6 inside the root
        return self.scale * x / rms  # SAFE: rms >= 1e-3


class GCN(tf.keras.Model):
    def __init__(self, hidden, n_classes, pairnorm=False):
        super().__init__()
        self.c1 = GraphConv(hidden, "relu")
        self.c2 = GraphConv(n_classes)
        self.norm = PairNorm() if pairnorm else None

    def call(self, x, adj=None, training=False):
        h = self.c1(x, adj=adj, training=training)
        if self.norm is not None:
            h = self.norm(h)
        return self.c2(h, adj=adj, training=training)
