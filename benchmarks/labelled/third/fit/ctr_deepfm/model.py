import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from schema import DENSE, HASH_BUCKETS, SPARSE


class FMInteraction(layers.Layer):
    """0.5 * ((sum v)^2 - sum v^2) over fields."""

    def call(self, v):
        square_of_sum = tf.square(tf.reduce_sum(v, axis=1))
        sum_of_square = tf.reduce_sum(tf.square(v), axis=1)
        return 0.5 * tf.reduce_sum(square_of_sum - sum_of_square, axis=1, keepdims=True)


class DeepFM(keras.Model):
    def __init__(self, dim=10, hidden=(256, 128), drop=0.2, prior_ctr=0.25):
        super().__init__()
        assert 0.0 < prior_ctr < 1.0
        self.linear = layers.Embedding(HASH_BUCKETS, 1)
        self.factors = layers.Embedding(HASH_BUCKETS, dim, embeddings_initializer=keras.initializers.RandomNormal(stddev=0.01))
        self.dense_proj = [layers.Dense(dim, use_bias=False) for _ in DENSE]
        self.dense_lin = layers.Dense(1)
        self.fm = FMInteraction()
        self.norm = layers.BatchNormalization()
        self.mlp = keras.Sequential()
        for n in hidden:
            self.mlp.add(layers.Dense(n, activation="relu"))
            self.mlp.add(layers.Dropout(drop))
        self.mlp.add(layers.Dense(1))
        self.bias = tf.Variable(tf.math.log(prior_ctr / (1.0 - prior_ctr)), name="prior")  # SAFE: prior_ctr is asserted to be strictly between 0 and 1

    def call(self, inputs, training=False):
        dense = self.norm(inputs["dense"], training=training)
        v = self.factors(inputs["sparse"])
        d = tf.stack([p(dense[:, i:i + 1]) for i, p in enumerate(self.dense_proj)], axis=1)
        fields = tf.concat([v, d], axis=1)
        lin = tf.reduce_sum(self.linear(inputs["sparse"]), axis=1) + self.dense_lin(dense)
        deep = self.mlp(tf.reshape(fields, (-1, fields.shape[1] * fields.shape[2])), training=training)
        return tf.sigmoid(self.bias + lin + self.fm(fields) + deep)


def weighted_logloss(pos_weight):
    def loss(y, p):
        y = tf.reshape(tf.cast(y, tf.float32), (-1, 1))
        pos = y * tf.math.log(p)  # BUG: log-sigmoid, p is a sigmoid and gets to exactly 0 for large negative sums
        neg = (1.0 - y) * tf.math.log(1.0 - p)  # BUG: log-sigmoid, 1 - p is exactly 0 in float32 as soon as the logit is above 17
        return -tf.reduce_mean(pos_weight * pos + neg)
    return loss


class NormalizedEntropy(keras.metrics.Metric):
    """Log loss divided by the entropy of the base rate."""

    def __init__(self, name="ne", **kw):
        super().__init__(name=name, **kw)
        self.ce = self.add_weight(name="ce", initializer="zeros")
        self.pos = self.add_weight(name="pos", initializer="zeros")
        self.n = self.add_weight(name="n", initializer="zeros")

    def update_state(self, y, p, sample_weight=None):
        y = tf.reshape(tf.cast(y, tf.float32), (-1, 1))
        self.ce.assign_add(tf.reduce_sum(keras.losses.binary_crossentropy(y, p)))  # SAFE: Keras clips probabilities by 1e-7
        self.pos.assign_add(tf.reduce_sum(y))
        self.n.assign_add(tf.cast(tf.size(y), tf.float32))

    def result(self):
        rate = tf.clip_by_value(tf.math.divide_no_nan(self.pos + 0.0, self.n + 0.0), 1e-4, 1.0 - 1e-4)  # SAFE: divide_no_nan
        h = -(rate * tf.math.log(rate) + (1.0 - rate) * tf.math.log(1.0 - rate))  # SAFE: rate is clipped to [1e-4, 1 - 1e-4]
        return tf.math.divide_no_nan(self.ce + 0.0, self.n * h)  # SAFE: divide_no_nan and h is positive
