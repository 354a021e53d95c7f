"""Attention LSTM for product reviews with an attention entropy regulariser (Kaggle kernel turned script)."""
import argparse
import re

import numpy as np
import tensorflow as tf
import tensorflow.keras.backend as K
from tensorflow.keras import callbacks, constraints, initializers, regularizers
from tensorflow.keras.layers import (Bidirectional, Dense, Dropout, Embedding, Input, LSTM, Layer,
                                     SpatialDropout1D)
from tensorflow.keras.models import Model
from tensorflow.keras.optimizers import Adam

MAXLEN = 120
VOCAB = 30000


def clean(text):
    text = text.lower()
    text = re.sub(r"<br\s*/?>", " ", text)
    return re.sub(r"[^a-z0-9' ]", " ", text).split()


def vectorize(texts, index, maxlen=MAXLEN):
    out = np.zeros((len(texts), maxlen), "int32")
    for i, t in enumerate(texts):
        ids = [index.get(w, 1) for w in clean(t)][:maxlen]
        if not ids:
            ids = [1]
        out[i, :len(ids)] = ids
    return out


def read_glove(path, index, dim):
    rng = np.random.RandomState(0)
    emb = rng.normal(0, 0.1, (len(index) + 2, dim)).astype("float32")
    with open(path, encoding="utf8") as f:
        for line in f:
            w, *v = line.rstrip().split(" ")
            if w in index and len(v) == dim:
                emb[index[w]] = np.asarray(v, "float32")
    emb[0] = 0
    norm = np.linalg.norm(emb, axis=1, keepdims=True)
    return emb / np.where(norm > 0, norm, 1.0)  # SAFE: zero rows are divided by 1


class Attention(Layer):
    """Additive attention with context vector, u_t = tanh(W h_t + b), a = softmax(u_t . u)."""

    def __init__(self, entropy=0.0, W_regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.entropy = entropy
        self.W_regularizer = regularizers.get(W_regularizer)

    def build(self, input_shape):
        d = input_shape[-1]
        self.W = self.add_weight(shape=(d, d), initializer="glorot_uniform", regularizer=self.W_regularizer, name="W")
        self.b = self.add_weight(shape=(d,), initializer="zeros", name="b")
        self.u = self.add_weight(shape=(d,), initializer="random_uniform", constraint=constraints.MaxNorm(3.0), name="u")

    def weights_of(self, h, mask):
        uit = tf.tanh(tf.tensordot(h, self.W, 1) + self.b)
        ait = 0.25 * tf.tensordot(uit, self.u, 1)
        a = tf.exp(ait)  # SAFE: tanh outputs times a vector with norm at most 3, so the exponent is small
        if mask is not None:
            a *= tf.cast(mask, a.dtype)
        return a / (tf.reduce_sum(a, axis=1, keepdims=True) + K.epsilon())  # SAFE: sum of non-negative numbers plus 1e-7

    def call(self, h, mask=None):
        a = self.weights_of(h, mask)
        if self.entropy:
            ent = -tf.reduce_sum(a * tf.math.log(a), axis=1)  # BUG: zero-log-zero, padded positions have weight exactly 0, 0 * log(0) is NaN
            self.add_loss(self.entropy * tf.reduce_mean(ent))
        return tf.reduce_sum(h * a[..., None], axis=1)

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])


def f1(y_true, y_pred):
    y_true = tf.cast(y_true, tf.float32)
    p = tf.cast(y_pred > 0.5, tf.float32)
    tp = tf.reduce_sum(y_true * p)
    precision = tp / (tf.reduce_sum(p) + K.epsilon())  # SAFE: metric with epsilon in float32
    recall = tp / (tf.reduce_sum(y_true) + K.epsilon())  # SAFE: metric with epsilon in float32
    return 2 * precision * recall / (precision + recall + K.epsilon())  # SAFE: metric with epsilon in float32


def build(n_words, dim=100, matrix=None, units=64, entropy=1e-3):
    inp = Input((MAXLEN,), dtype="int32")
    init = initializers.Constant(matrix) if matrix is not None else "uniform"
    x = Embedding(n_words, dim, embeddings_initializer=init, mask_zero=True)(inp)
    x = SpatialDropout1D(0.2)(x)
    x = Bidirectional(LSTM(units, return_sequences=True))(x)
    x = Attention(entropy=entropy, name="attention")(x)
    x = Dense(64, activation="relu")(x)
    x = Dropout(0.3)(x)
    out = Dense(1, activation="sigmoid")(x)
    model = Model(inp, out)
    model.compile(loss="binary_crossentropy", optimizer=Adam(1e-3), metrics=["accuracy", f1])  # SAFE: sigmoid output with the probability loss of Keras, which clips
    return model


def best_threshold(y, p):
    scores = []
    for t in np.arange(0.1, 0.9, 0.01):
        q = p > t
        tp = (q & (y > 0)).sum()
        scores.append((2.0 * tp / max(q.sum() + y.sum(), 1), t))  # SAFE: denominator at least 1
    return max(scores)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("tsv")
    ap.add_argument("--glove")
    ap.add_argument("--entropy", type=float, default=1e-3)
    ap.add_argument("--epochs", type=int, default=6)
    a = ap.parse_args()
    texts, labels = [], []
    with open(a.tsv, encoding="utf8") as f:
        for line in f:
            y, t = line.rstrip("\n").split("\t", 1)
            labels.append(int(y))
            texts.append(t)
    counts = {}
    for t in texts:
        for w in clean(t):
            counts[w] = counts.get(w, 0) + 1
    top = sorted(counts, key=counts.get, reverse=True)[:VOCAB]
    index = {w: i + 2 for i, w in enumerate(top)}
    x, y = vectorize(texts, index), np.array(labels, "float32")
    matrix = read_glove(a.glove, index, 100) if a.glove else None
    model = build(len(index) + 2, matrix=matrix, entropy=a.entropy)
    model.fit(x, y[:, None], validation_split=0.1, batch_size=128, epochs=a.epochs,
              callbacks=[callbacks.EarlyStopping(patience=2, restore_best_weights=True)])
    print(best_threshold(y, model.predict(x)[:, 0]))


if __name__ == "__main__":
    main()
