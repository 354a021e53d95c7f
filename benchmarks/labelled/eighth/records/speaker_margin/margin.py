import tensorflow as tf
from tensorflow import keras

from hparams import hp


class StatsPool(keras.layers.Layer):
    """Mean and standard deviation over time."""

    def call(self, h):
        mean, var = tf.nn.moments(h, axes=[1])
        return tf.concat([mean, tf.sqrt(var + 1e-4)], axis=-1)  # SAFE: the floor is inside of the root


class AngularHead(keras.layers.Layer):
    """Additive angular margin over speaker prototypes."""

    def __init__(self, n_speakers, **kw):
        super().__init__(**kw)
        self.n = n_speakers

    def build(self, shape):
        self.proto = self.add_weight(name="proto", shape=(shape[-1], self.n), initializer="glorot_normal")

    def call(self, emb, labels=None):
        e = tf.math.l2_normalize(emb, axis=1)  # SAFE: l2_normalize has its own floor
        w = tf.math.l2_normalize(self.proto, axis=0)  # SAFE: l2_normalize has its own floor
        cos = tf.matmul(e, w)
        if labels is None:
            return hp.scale * cos
        theta = tf.acos(cos)  # BUG: domain, rounding puts cosines of fitted speakers above one
        shifted = tf.cos(theta + hp.margin)
        hot = tf.one_hot(labels, self.n)
        return hp.scale * (hot * shifted + (1.0 - hot) * cos)


class SpeakerNet(keras.Model):
    def __init__(self, n_speakers):
        super().__init__()
        self.blocks = []
        for c in hp.channels:
            self.blocks.append([keras.layers.Conv1D(c, 5, padding="same", use_bias=False,
                                                    kernel_regularizer=keras.regularizers.l2(hp.weight_decay)),
                                keras.layers.BatchNormalization()])
        self.pool = StatsPool()
        self.embed = keras.layers.Dense(hp.embed)
        self.head = AngularHead(n_speakers)

    def embedding(self, mel, training=False):
        h = mel
        for conv, bn in self.blocks:
            h = tf.nn.leaky_relu(bn(conv(h), training=training), 0.1)
        return self.embed(self.pool(h))

    def call(self, mel, labels=None, training=False):
        return self.head(self.embedding(mel, training), labels)
