import keras
from keras import layers, ops

from config import TAGS, TOPICS


class MaskedMean(layers.Layer):

    def call(self, inputs):
        x, ids = inputs
        m = ops.cast(ops.not_equal(ids, 0), x.dtype)
        m = ops.expand_dims(m, -1)
        return ops.sum(x * m, axis=1) / ops.maximum(ops.sum(m, axis=1), 1.0)  # SAFE: floor of one token


class AttentionPool(layers.Layer):

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[0][-1], 1), initializer="glorot_uniform", name="w")

    def call(self, inputs):
        x, ids = inputs
        s = ops.squeeze(ops.matmul(ops.tanh(x), self.w), -1)
        s = ops.where(ops.equal(ids, 0), -1e9, s)
        s = s - ops.max(s, axis=1, keepdims=True)
        e = ops.exp(s)  # SAFE: the maximum was subtracted
        a = e / ops.sum(e, axis=1, keepdims=True)  # SAFE: the largest term is one
        return ops.sum(x * ops.expand_dims(a, -1), axis=1)


def build(hp):
    ids = keras.Input((hp["max_len"],), dtype="int32", name="ids")
    x = layers.Embedding(hp["vocab"], hp["embed_dim"])(ids)
    x = layers.SpatialDropout1D(hp["dropout"])(x)
    seq = layers.Bidirectional(layers.GRU(hp["rnn_units"], return_sequences=True))(x)
    h = layers.Concatenate()([MaskedMean()([seq, ids]), AttentionPool()([seq, ids])])
    h = layers.Dropout(hp["dropout"])(layers.Dense(128, activation="relu")(h))
    topic = layers.Dense(len(TOPICS), name="topic")(h)  # BUG: loss-pairing, raw scores into the string categorical_crossentropy, which wants probabilities
    urgent = layers.Dense(1, activation="softmax", name="urgent")(h)  # BUG: loss-pairing, softmax over one unit is always 1
    tags = layers.Dense(len(TAGS), activation="sigmoid", name="tags")(h)  # SAFE: sigmoid with binary_crossentropy, which clips
    stars = layers.Dense(1, name="stars")(h)  # SAFE: linear output with mse on scaled targets
    return keras.Model(ids, {"topic": topic, "urgent": urgent, "tags": tags, "stars": stars})
