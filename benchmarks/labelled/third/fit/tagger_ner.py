"""BiLSTM tagger for CoNLL files with confidence penalty and per-tag weights."""
import argparse
import collections

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


def read_conll(path):
    sents, words, tags = [], [], []
    with open(path, encoding="utf8") as f:
        for line in f:
            line = line.strip()
            if not line or line.startswith("-DOCSTART-"):
                if words:
                    sents.append((words, tags))
                words, tags = [], []
                continue
            cols = line.split()
            words.append(cols[0].lower())
            tags.append(cols[-1])
    if words:
        sents.append((words, tags))
    return sents


def encode(sents, word_index, tag_index, length):
    x = np.zeros((len(sents), length), "int32")
    y = np.zeros((len(sents), length), "int32")
    m = np.zeros((len(sents), length), "float32")
    for r, (w, t) in enumerate(sents):
        n = min(len(w), length)
        x[r, :n] = [word_index.get(i, 1) for i in w[:n]]
        y[r, :n] = [tag_index.get(i, 0) for i in t[:n]]
        m[r, :n] = 1.0
    return x, y, m


def tag_weights(y, m, k, power=0.5):
    c = np.bincount(y[m > 0], minlength=k).astype("float64")
    w = (c.sum() / np.maximum(c, 1.0)) ** power  # SAFE: counts floored at 1
    return (w / w.mean()).astype("float32")  # SAFE: all weights are positive when there is at least one token


class Tagger(keras.Model):
    def __init__(self, n_words, n_tags, weights, dim=100, units=100, penalty=0.1):
        super().__init__()
        self.emb = layers.Embedding(n_words, dim, mask_zero=False)
        self.drop = layers.Dropout(0.4)
        self.rnn = layers.Bidirectional(layers.LSTM(units, return_sequences=True))
        self.head = layers.Dense(n_tags)
        self.tag_w = tf.constant(weights)
        self.penalty = penalty
        self.tracker = keras.metrics.Mean(name="loss")
        self.acc = keras.metrics.SparseCategoricalAccuracy(name="acc")

    @property
    def metrics(self):
        return [self.tracker, self.acc]

    def call(self, x, training=False):
        h = self.rnn(self.drop(self.emb(x), training=training), mask=tf.not_equal(x, 0), training=training)
        return self.head(h)

    def confidence_penalty(self, logits):
        """Negative entropy of the predictions (Pereyra et al.)."""
        return tf.reduce_sum(tf.nn.softmax(logits) * tf.math.log(tf.nn.softmax(logits)), -1)  # BUG: log-softmax, a sure tagger gives probabilities that underflow to 0, 0 * log(0)

    def objective(self, y, m, logits):
        ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)  # SAFE: fused op on raw logits
        w = tf.gather(self.tag_w, y) * m
        ce = tf.reduce_sum(ce * w) / tf.maximum(tf.reduce_sum(w), 1e-3)  # SAFE: weight sum floored
        pen = tf.reduce_sum(self.confidence_penalty(logits) * m) / tf.maximum(tf.reduce_sum(m), 1.0)  # SAFE: number of tokens floored at 1
        return ce + self.penalty * pen

    def train_step(self, data):
        x, (y, m) = data
        with tf.GradientTape() as tape:
            logits = self(x, training=True)
            loss = self.objective(y, m, logits)
        v = self.trainable_variables
        g, _ = tf.clip_by_global_norm(tape.gradient(loss, v), 5.0)
        self.optimizer.apply_gradients(zip(g, v))
        self.tracker.update_state(loss)
        self.acc.update_state(y, logits, sample_weight=m)
        return {k.name: k.result() for k in self.metrics}

    def test_step(self, data):
        x, (y, m) = data
        logits = self(x, training=False)
        logp = tf.nn.log_softmax(logits)  # SAFE: log_softmax on raw logits
        nll = -tf.gather(logp, y, batch_dims=2)
        self.tracker.update_state(tf.reduce_sum(nll * m) / tf.maximum(tf.reduce_sum(m), 1.0))  # SAFE: number of tokens floored at 1
        self.acc.update_state(y, logits, sample_weight=m)
        return {k.name: k.result() for k in self.metrics}


def spans(tags):
    out, start, kind = set(), None, None
    for i, t in enumerate(list(tags) + ["O"]):
        if start is not None and (not t.startswith("I-") or t[2:] != kind):
            out.add((start, i, kind))
            start = None
        if t.startswith("B-") or (t.startswith("I-") and start is None):
            start, kind = i, t[2:]
    return out


def span_f1(true, pred):
    tp = fp = fn = 0
    for a, b in zip(true, pred):
        a, b = spans(a), spans(b)
        tp, fp, fn = tp + len(a & b), fp + len(b - a), fn + len(a - b)
    return 2.0 * tp / max(2 * tp + fp + fn, 1)  # SAFE: at least 1


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("train")
    ap.add_argument("dev")
    ap.add_argument("--length", type=int, default=80)
    ap.add_argument("--penalty", type=float, default=0.1)
    ap.add_argument("--epochs", type=int, default=20)
    a = ap.parse_args()
    train, dev = read_conll(a.train), read_conll(a.dev)
    count = collections.Counter(w for s, _ in train for w in s)
    words = {w: i + 2 for i, w in enumerate(sorted(w for w, c in count.items() if c > 1))}
    names = sorted({t for _, ts in train for t in ts})
    tags = {t: i for i, t in enumerate(names)}
    x, y, m = encode(train, words, tags, a.length)
    xd, yd, md = encode(dev, words, tags, a.length)
    model = Tagger(len(words) + 2, len(names), tag_weights(y, m, len(names)), penalty=a.penalty)
    model.compile(optimizer=keras.optimizers.Nadam(1e-3))
    model.fit(x, (y, m), validation_data=(xd, (yd, md)), batch_size=32, epochs=a.epochs)
    pred = model.predict(xd).argmax(-1)
    n = md.sum(1).astype(int)
    print("F1", span_f1([[names[t] for t in r[:k]] for r, k in zip(yd, n)],
                        [[names[t] for t in r[:k]] for r, k in zip(pred, n)]))


if __name__ == "__main__":
    main()
