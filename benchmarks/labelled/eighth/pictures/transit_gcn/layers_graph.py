import tensorflow as tf


class GraphConv(tf.keras.layers.Layer):
    def __init__(self, units, **kw):
        super().__init__(**kw)
        self.lin = tf.keras.layers.Dense(units, use_bias=False)
        self.units = units

    def build(self, shape):
        self.b = self.add_weight(name="b", shape=(self.units,), initializer="zeros")

    def call(self, x, g):
        h = self.lin(x)
        msg = tf.gather(h, g["src"]) * g["w"][:, None]
        return tf.math.unsorted_segment_sum(msg, g["dst"], g["n"]) + self.b


class MeanSage(tf.keras.layers.Layer):
    def __init__(self, units, **kw):
        super().__init__(**kw)
        self.me, self.nb = tf.keras.layers.Dense(units), tf.keras.layers.Dense(units)

    def call(self, x, g):
        s = tf.math.unsorted_segment_sum(tf.gather(x, g["src"]), g["dst"], g["n"])
        cnt = tf.math.unsorted_segment_sum(tf.ones_like(g["w"]), g["dst"], g["n"])
        h = self.me(x) + self.nb(s / tf.maximum(cnt, 1.0)[:, None])  # SAFE: neighbour count floored at one
        return tf.math.l2_normalize(h, -1, epsilon=1e-6)  # SAFE: float32 l2_normalize with its epsilon


class PairNorm(tf.keras.layers.Layer):
    def __init__(self, scale=1.0, **kw):
        super().__init__(**kw)
        self.scale = scale

    def call(self, x):
        x = x - tf.reduce_mean(x, 0, keepdims=True)
        return self.scale * x / tf.sqrt(1e-6 + tf.reduce_mean(tf.reduce_sum(x * x, -1)))  # SAFE: offset under the root


KINDS = {"gcn": GraphConv, "sage": MeanSage}


class DemandNet(tf.keras.Model):
    def __init__(self, hidden, layers, dropout, kind):
        super().__init__()
        self.inp = tf.keras.layers.Dense(hidden, activation="relu")
        self.convs = [KINDS[kind](hidden) for _ in range(layers)]
        self.norms = [PairNorm() for _ in range(layers)]
        self.drop = tf.keras.layers.Dropout(dropout)
        self.out = tf.keras.layers.Dense(2)

    def call(self, x, g, training=False):
        h = self.inp(x)
        for c, n in zip(self.convs, self.norms):
            h = h + tf.nn.relu(n(c(self.drop(h, training=training), g)))
        return tf.split(self.out(h), 2, -1)
