"""Hierarchical attention network for Yelp reviews (words -> sentences -> document)."""
import argparse
import json
import re
import numpy as np
import tensorflow as tf

MAX_SENTS, MAX_WORDS = 12, 30
PAD, UNK = 0, 1


def tokenize(text):
    sents = re.split(r"[.!?]+", text.lower())
    return [re.findall(r"[a-z']+", s) for s in sents if s.strip()]


def build_vocab(docs, size=20000):
    counts = {}
    for d in docs:
        for s in d:
            for w in s:
                counts[w] = counts.get(w, 0) + 1
    keep = sorted(counts, key=counts.get, reverse=True)[:size - 2]
    return {w: i + 2 for i, w in enumerate(keep)}


def idf_weights(docs, vocab):
    n = len(docs)
    df = np.zeros(len(vocab) + 2)
    for d in docs:
        for w in {w for s in d for w in s if w in vocab}:
            df[vocab[w]] += 1
    return np.log((1.0 + n) / (1.0 + df)).astype("float32") + 1.0  # SAFE: both counts have one added


def encode(docs, vocab):
    out = np.zeros((len(docs), MAX_SENTS, MAX_WORDS), "int32")
    for i, d in enumerate(docs):
        for j, s in enumerate(d[:MAX_SENTS]):
            for k, w in enumerate(s[:MAX_WORDS]):
                out[i, j, k] = vocab.get(w, UNK)
    return out


class AttentionPool(tf.keras.layers.Layer):
    def __init__(self, units, **kw):
        super().__init__(**kw)
        self.proj = tf.keras.layers.Dense(units, activation="tanh")
        self.context = tf.keras.layers.Dense(1, use_bias=False)

    def scores(self, h, mask):
        s = tf.squeeze(self.context(self.proj(h)), -1)
        return tf.where(mask, s, tf.fill(tf.shape(s), float("-inf")))

    def call(self, h, mask):
        a = tf.nn.softmax(self.scores(h, mask), axis=-1)  # BUG: other, padded sentences have every word masked with -inf, softmax of an all -inf row is NaN
        return tf.einsum("bt,btd->bd", a, h), a


class MeanPool(tf.keras.layers.Layer):
    def call(self, h, mask):
        m = tf.cast(mask, h.dtype)[..., None]
        return tf.reduce_sum(h * m, 1) / tf.maximum(tf.reduce_sum(m, 1), 1.0)  # SAFE: token count is floored at one


class HAN(tf.keras.Model):
    def __init__(self, vocab_size, dim=64, units=32, classes=5):
        super().__init__()
        self.emb = tf.keras.layers.Embedding(vocab_size, dim)
        self.word_rnn = tf.keras.layers.Bidirectional(tf.keras.layers.GRU(units, return_sequences=True))
        self.word_att = AttentionPool(units)
        self.sent_rnn = tf.keras.layers.Bidirectional(tf.keras.layers.GRU(units, return_sequences=True))
        self.sent_pool = MeanPool()
        self.head = tf.keras.layers.Dense(classes)

    def call(self, ids, training=False):
        b = tf.shape(ids)[0]
        flat = tf.reshape(ids, [-1, MAX_WORDS])
        h = self.word_rnn(self.emb(flat), training=training)
        sents, _ = self.word_att(h, mask=flat > PAD)
        sents = tf.reshape(sents, [b, MAX_SENTS, sents.shape[-1]])
        sent_mask = tf.reduce_any(ids > PAD, axis=-1)
        hs = self.sent_rnn(sents, training=training)
        return self.head(self.sent_pool(hs, mask=sent_mask))


def class_weights(y, classes=5):
    cnt = np.bincount(y, minlength=classes)
    w = len(y) / (classes * np.maximum(cnt, 1))  # SAFE: empty classes count as one
    return {i: float(v) for i, v in enumerate(w)}


def macro_f1(y, p, classes=5):
    f = []
    for c in range(classes):
        tp = np.sum((y == c) & (p == c))
        den = np.sum(y == c) + np.sum(p == c)
        f.append(2 * tp / den if den else 0.0)  # SAFE: conditional on the denominator, evaluation only
    return float(np.mean(f))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="yelp_train.jsonl")
    ap.add_argument("--epochs", type=int, default=4)
    args = ap.parse_args()
    rows = [json.loads(l) for l in open(args.train)]
    docs = [tokenize(r["text"]) for r in rows]
    y = np.array([int(r["stars"]) - 1 for r in rows])
    vocab = build_vocab(docs)
    x = encode(docs, vocab)
    n = int(len(x) * 0.9)
    model = HAN(len(vocab) + 2)
    model.compile(tf.keras.optimizers.Adam(1e-3, clipnorm=5.0),
                  loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),  # SAFE: head has no activation, logits are right here
                  metrics=["accuracy"])
    model.fit(x[:n], y[:n], epochs=args.epochs, batch_size=64, class_weight=class_weights(y[:n]))
    pred = model.predict(x[n:]).argmax(-1)
    print("macro f1", macro_f1(y[n:], pred))


if __name__ == "__main__":
    main()
