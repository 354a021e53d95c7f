# Jigsaw toxic comments, bidirectional GRU with pooled attention (kernel exported from notebook)
import csv
import re

import numpy as np
import tensorflow as tf
from tensorflow.keras import Model, Input, callbacks, layers, optimizers

LABELS = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
MAX_LEN = 150
VOCAB = 20000
EMB = 64


def clean(s):
    s = s.lower()
    s = re.sub(r"https?://\S+", " url ", s)
    return re.sub(r"[^a-z' ]+", " ", s)


def read_train(path):
    texts, ys = [], []
    with open(path, encoding="utf8", newline="") as f:
        for row in csv.DictReader(f):
            texts.append(clean(row["comment_text"]))
            ys.append([float(row[c]) for c in LABELS])
    return texts, np.array(ys, "float32")


def fit_vocab(texts):
    freq = {}
    for t in texts:
        for w in t.split():
            freq[w] = freq.get(w, 0) + 1
    words = sorted(freq, key=freq.get, reverse=True)[:VOCAB - 2]
    return {w: i + 2 for i, w in enumerate(words)}, freq


def idf_table(vocab, texts):
    df = np.zeros(VOCAB, "float32")
    for t in texts:
        for w in set(t.split()):
            if w in vocab:
                df[vocab[w]] += 1
    return np.log((1.0 + len(texts)) / (1.0 + df)) + 1.0  # SAFE: smoothed, numerator and denominator at least 1


def to_ids(texts, vocab):
    out = np.zeros((len(texts), MAX_LEN), "int32")
    for i, t in enumerate(texts):
        ids = [vocab.get(w, 1) for w in t.split()][:MAX_LEN]
        out[i, :len(ids)] = ids
    return out


class AttentionPool(layers.Layer):
    def build(self, shape):
        self.v = self.add_weight(shape=(shape[0][-1], 1), initializer="glorot_uniform", name="v")

    def call(self, inputs):
        h, keep = inputs
        e = tf.squeeze(tf.matmul(tf.tanh(h), self.v), -1)
        e += (1.0 - keep) * -1e9  # SAFE: finite mask value in float32, an empty comment gives a uniform softmax
        a = tf.nn.softmax(e)
        return tf.reduce_sum(a[..., None] * h, 1)


def weighted_mean(args):
    x, w = args
    total = tf.reduce_sum(w, 1, keepdims=True)
    return tf.reduce_sum(x * w[..., None], 1) / tf.maximum(total, 1.0)  # SAFE: floored at 1 for empty comments


def build_model(idf):
    tok = Input((MAX_LEN,), dtype="int32")
    keep = layers.Lambda(lambda t: tf.cast(t > 0, tf.float32), output_shape=(MAX_LEN,))(tok)
    emb = layers.Embedding(VOCAB, EMB)(tok)
    emb = layers.SpatialDropout1D(0.2)(emb)
    table = tf.constant(idf.astype("float32"))
    w = layers.Lambda(lambda a: tf.gather(table, a[0]) * a[1], output_shape=(MAX_LEN,))([tok, keep])
    bow = layers.Lambda(weighted_mean, output_shape=(EMB,))([emb, w])
    h = layers.Bidirectional(layers.GRU(48, return_sequences=True))(emb)
    att = AttentionPool()([h, keep])
    z = layers.concatenate([att, bow])
    z = layers.Dense(64, activation="relu")(z)
    z = layers.Dropout(0.2)(z)
    out = layers.Dense(len(LABELS))(z)
    return Model(tok, out)


def column_auc(y, s):
    order = np.argsort(s)
    rank = np.empty(len(s))
    rank[order] = np.arange(1, len(s) + 1)
    p = y.sum()
    n = len(y) - p
    if p == 0 or n == 0:
        return 0.5
    return (rank[y > 0].sum() - p * (p + 1) / 2) / (p * n)  # SAFE: empty classes return above


def main(path="train.csv"):
    tf.keras.utils.set_random_seed(1)
    texts, y = read_train(path)
    vocab, _ = fit_vocab(texts)
    x = to_ids(texts, vocab)
    model = build_model(idf_table(vocab, texts))
    model.compile(optimizer=optimizers.Adam(1e-3, clipnorm=1.0),
                  loss="binary_crossentropy",  # BUG: loss-pairing, last Dense has no activation, the string loss wants probabilities and clips
                  metrics=["accuracy"])
    cut = int(0.9 * len(x))
    model.fit(x[:cut], y[:cut], validation_data=(x[cut:], y[cut:]), batch_size=256, epochs=3,
              callbacks=[callbacks.ModelCheckpoint("toxic.keras", save_best_only=True)])
    pred = model.predict(x[cut:], batch_size=512)
    print("mean auc", np.mean([column_auc(y[cut:, i], pred[:, i]) for i in range(len(LABELS))]))


if __name__ == "__main__":
    main()
