"""GRU4Rec style next item model on click sessions with BPR and TOP1 losses."""
import argparse
import collections
import csv

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


def read_sessions(path, min_len=2, min_support=5):
    sessions = collections.defaultdict(list)
    with open(path) as f:
        for r in csv.DictReader(f):
            sessions[r["session"]].append((float(r["ts"]), r["item"]))
    count = collections.Counter(i for s in sessions.values() for _, i in s)
    index = {i: k + 1 for k, (i, c) in enumerate(sorted(count.items())) if c >= min_support}
    out = [[index[i] for _, i in sorted(s) if i in index] for s in sessions.values()]
    return [s for s in out if len(s) >= min_len], len(index) + 1


def pad(sessions, length):
    x = np.zeros((len(sessions), length), "int32")
    for r, s in enumerate(sessions):
        s = s[-length:]
        x[r, :len(s)] = s
    return x


def popularity(sessions, n_items, alpha=0.75):
    c = np.zeros(n_items)
    for s in sessions:
        np.add.at(c, s, 1)
    p = c ** alpha
    return (p / p.sum()).astype("float64")  # SAFE: sessions have at least two items so the sum is positive


class SessionData:
    def __init__(self, sessions, n_items, length, negatives):
        self.x = pad(sessions, length + 1)
        self.p = popularity(sessions, n_items)
        self.n_items, self.negatives = n_items, negatives

    def dataset(self, batch):
        ds = tf.data.Dataset.from_tensor_slices(self.x).shuffle(10000).batch(batch)
        logits = tf.constant(np.log(self.p + 1e-12)[None], tf.float32)  # SAFE: float64 with 1e-12 added
        def split(b):
            neg = tf.random.categorical(logits, self.negatives, dtype=tf.int32)[0]
            return b[:, :-1], (b[:, 1:], neg)
        return ds.map(split).prefetch(2)


class GRU4Rec(keras.Model):
    def __init__(self, n_items, dim=64, loss="bpr", l2=1e-5):
        super().__init__()
        self.emb = layers.Embedding(n_items, dim)
        self.rnn = layers.GRU(dim, return_sequences=True)
        self.out = layers.Embedding(n_items, dim)
        self.kind, self.l2 = loss, l2
        self.tracker = keras.metrics.Mean(name="loss")
        self.auc = keras.metrics.Mean(name="pair_auc")

    @property
    def metrics(self):
        return [self.tracker, self.auc]

    def call(self, x, training=False):
        return self.rnn(self.emb(x), mask=tf.not_equal(x, 0), training=training)

    def scores(self, h, pos, neg):
        s_pos = tf.reduce_sum(h * self.out(pos), -1, keepdims=True)
        return s_pos, tf.einsum("btd,nd->btn", h, self.out(neg))

    def pair_loss(self, s_pos, s_neg):
        d = s_pos - s_neg
        if self.kind == "bpr":
            return -tf.reduce_mean(tf.math.log(tf.sigmoid(d)), -1)  # BUG: log-sigmoid, sigmoid of a difference below -104 is exactly 0 in float32 (scores are unbounded dot products)
        if self.kind == "bpr-max":
            w = tf.nn.softmax(s_neg, axis=-1)  # SAFE: stable softmax
            return -tf.math.log(tf.reduce_sum(w * tf.sigmoid(d), -1) + 1e-24)  # SAFE: 1e-24 is representable in float32 and keeps the log finite
        if self.kind == "top1":
            return tf.reduce_mean(tf.sigmoid(-d) + tf.sigmoid(tf.square(s_neg)), -1)  # SAFE: sigmoid saturates without overflow
        if self.kind == "ce":
            logits = tf.concat([s_pos, s_neg], -1)
            return tf.reduce_logsumexp(logits, -1) - s_pos[..., 0]  # SAFE: stable logsumexp
        raise ValueError(self.kind)

    def train_step(self, data):
        x, (y, neg) = data
        mask = tf.cast(y > 0, tf.float32)
        with tf.GradientTape() as tape:
            h = self(x, training=True)
            s_pos, s_neg = self.scores(h, y, neg)
            per_step = self.pair_loss(s_pos, s_neg)
            loss = tf.reduce_sum(per_step * mask) / tf.maximum(tf.reduce_sum(mask), 1.0)  # SAFE: number of steps floored at 1
            loss += self.l2 * tf.reduce_mean(tf.reduce_sum(tf.square(self.out(neg)), -1))
        v = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, v), v))
        self.tracker.update_state(loss)
        right = tf.reduce_mean(tf.cast(s_pos > s_neg, tf.float32), -1)
        self.auc.update_state(right, sample_weight=mask)
        return {m.name: m.result() for m in self.metrics}


def evaluate(model, sessions, length, k=20):
    hits = mrr = n = 0
    table = model.out.get_weights()[0]
    for s in sessions:
        x = pad([s[:-1]], length)
        h = model(x).numpy()[0, min(len(s) - 1, length) - 1]
        rank = 1 + int((table @ h > table[s[-1]] @ h).sum())
        hits += rank <= k
        mrr += 1.0 / rank if rank <= k else 0.0  # SAFE: rank starts at 1
        n += 1
    return hits / max(n, 1), mrr / max(n, 1)  # SAFE: at least 1


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("clicks")
    ap.add_argument("--loss", default="bpr", choices=["bpr", "bpr-max", "top1", "ce"])
    ap.add_argument("--length", type=int, default=20)
    ap.add_argument("--dim", type=int, default=100)
    ap.add_argument("--negatives", type=int, default=256)
    ap.add_argument("--lr", type=float, default=5e-3)
    ap.add_argument("--epochs", type=int, default=10)
    a = ap.parse_args()
    sessions, n = read_sessions(a.clicks)
    cut = int(0.9 * len(sessions))
    data = SessionData(sessions[:cut], n, a.length, a.negatives)
    model = GRU4Rec(n, a.dim, a.loss)
    model.compile(optimizer=keras.optimizers.Adagrad(a.lr))
    model.fit(data.dataset(128), epochs=a.epochs)
    print("recall@20, mrr@20", evaluate(model, sessions[cut:], a.length))


if __name__ == "__main__":
    main()
