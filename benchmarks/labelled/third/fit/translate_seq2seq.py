"""Date translation ("3rd of May 1999" -> "1999-05-03") with a GRU encoder/decoder and Luong attention."""
import argparse
import csv
import os
import time

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

PAD, BOS, EOS = 0, 1, 2


class Chars:
    def __init__(self, texts):
        self.symbols = ["<pad>", "<s>", "</s>"] + sorted({c for t in texts for c in t})
        self.index = {c: i for i, c in enumerate(self.symbols)}

    def __len__(self):
        return len(self.symbols)

    def encode(self, texts, length):
        out = np.zeros((len(texts), length), "int32")
        for r, t in enumerate(texts):
            ids = [BOS] + [self.index[c] for c in t if c in self.index][: length - 2] + [EOS]
            out[r, :len(ids)] = ids
        return out

    def decode(self, row):
        s = ""
        for i in row:
            if i == EOS:
                break
            if i > EOS:
                s += self.symbols[i]
        return s


class Encoder(layers.Layer):
    def __init__(self, vocab, units, **kw):
        super().__init__(**kw)
        self.emb = layers.Embedding(vocab, units)
        self.rnn = layers.Bidirectional(layers.GRU(units // 2, return_sequences=True))
        self.bridge = layers.Dense(units, activation="tanh")

    def call(self, ids, training=False):
        mask = tf.not_equal(ids, PAD)
        h = self.rnn(self.emb(ids), mask=mask, training=training)
        w = tf.cast(mask, tf.float32)[..., None]
        pooled = tf.reduce_sum(h * w, axis=1) / tf.reduce_sum(w, axis=1)  # SAFE: every row has BOS and EOS, so there are at least two tokens
        return h, mask, self.bridge(pooled)


class LuongAttention(layers.Layer):
    def __init__(self, units, **kw):
        super().__init__(**kw)
        self.w = layers.Dense(units, use_bias=False)
        self.mix = layers.Dense(units, activation="tanh")
        self.units = units

    def call(self, query, memory, mask):
        score = tf.matmul(self.w(query), memory, transpose_b=True) / np.sqrt(self.units)  # SAFE: units is a positive constant
        score = tf.where(mask[:, None, :], score, tf.fill(tf.shape(score), -1e9))
        score -= tf.reduce_max(score, axis=-1, keepdims=True)
        e = tf.exp(score)  # SAFE: the row maximum is subtracted above
        a = e / tf.reduce_sum(e, axis=-1, keepdims=True)  # SAFE: the largest term is exp(0) = 1
        return self.mix(tf.concat([query, tf.matmul(a, memory)], -1)), a


class Decoder(layers.Layer):
    def __init__(self, vocab, units, **kw):
        super().__init__(**kw)
        self.emb = layers.Embedding(vocab, units)
        self.rnn = layers.GRU(units, return_sequences=True, return_state=True)
        self.att = LuongAttention(units)
        self.out = layers.Dense(vocab)

    def call(self, ids, memory, mask, state, training=False):
        y, state = self.rnn(self.emb(ids), initial_state=state, training=training)
        y, a = self.att(y, memory, mask)
        return self.out(y), state, a


def smoothed_ce(targets, logits, vocab, eps=0.1):
    """Label smoothing with the uniform part spread over the other symbols."""
    logp = tf.nn.log_softmax(logits)  # SAFE: log_softmax on raw logits
    off = eps / (vocab - 1)  # SAFE: vocab counts three special symbols and the characters
    q = tf.one_hot(targets, vocab, on_value=1.0 - eps, off_value=off)
    floor = (1.0 - eps) * np.log(1.0 - eps) + eps * np.log(off + 1e-20)  # SAFE: eps is 0.1, constants in float64
    ce = -tf.reduce_sum(q * logp, -1) + floor
    w = tf.cast(targets != PAD, tf.float32)
    return tf.reduce_sum(ce * w) / tf.reduce_sum(w)  # SAFE: each target row holds at least EOS


class Translator(keras.Model):
    def __init__(self, src_vocab, tgt_vocab, units):
        super().__init__()
        self.encoder = Encoder(src_vocab, units)
        self.decoder = Decoder(tgt_vocab, units)
        self.vocab = tgt_vocab
        self.tracker = keras.metrics.Mean(name="loss")
        self.ppl = keras.metrics.Mean(name="ppl")

    @property
    def metrics(self):
        return [self.tracker, self.ppl]

    def call(self, inputs, training=False):
        src, tgt = inputs
        memory, mask, state = self.encoder(src, training=training)
        return self.decoder(tgt, memory, mask, state, training=training)[0]

    def train_step(self, data):
        src, tgt = data
        with tf.GradientTape() as tape:
            logits = self((src, tgt[:, :-1]), training=True)
            loss = smoothed_ce(tgt[:, 1:], logits, self.vocab)
        v = self.trainable_variables
        g, _ = tf.clip_by_global_norm(tape.gradient(loss, v), 1.0)
        self.optimizer.apply_gradients(zip(g, v))
        self.tracker.update_state(loss)
        self.ppl.update_state(tf.exp(tf.minimum(loss, 20.0)))  # SAFE: capped at 20 and not part of the loss
        return {m.name: m.result() for m in self.metrics}

    def greedy(self, src, max_len):
        memory, mask, state = self.encoder(src)
        tok = tf.fill((tf.shape(src)[0], 1), BOS)
        out, logp = [], 0.0
        for _ in range(max_len):
            logits, state, _ = self.decoder(tok, memory, mask, state)
            tok = tf.argmax(logits, -1, output_type=tf.int32)
            logp += tf.reduce_max(tf.nn.log_softmax(logits), -1)  # SAFE: log_softmax on raw logits
            out.append(tok)
        return tf.concat(out, 1), logp / max_len  # SAFE: max_len is a positive argument


def edit_distance(a, b):
    d = list(range(len(b) + 1))
    for i, ca in enumerate(a, 1):
        prev, d[0] = d[0], i
        for j, cb in enumerate(b, 1):
            prev, d[j] = d[j], min(d[j] + 1, d[j - 1] + 1, prev + (ca != cb))
    return d[-1]


def cer(hyps, refs):
    n = sum(len(r) for r in refs)
    return sum(edit_distance(h, r) for h, r in zip(hyps, refs)) / max(n, 1)  # SAFE: at least 1


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("pairs")
    ap.add_argument("--units", type=int, default=128)
    ap.add_argument("--lr", type=float, default=2e-3)
    ap.add_argument("--epochs", type=int, default=15)
    a = ap.parse_args()
    with open(a.pairs, encoding="utf8") as f:
        pairs = [(r[0], r[1]) for r in csv.reader(f, delimiter="\t")]
    src_v, tgt_v = Chars([s for s, _ in pairs]), Chars([t for _, t in pairs])
    src = src_v.encode([s for s, _ in pairs], 40)
    tgt = tgt_v.encode([t for _, t in pairs], 14)
    n = int(len(pairs) * 0.9)
    ds = tf.data.Dataset.from_tensor_slices((src[:n], tgt[:n])).shuffle(n).batch(128)
    model = Translator(len(src_v), len(tgt_v), a.units)
    model.compile(optimizer=keras.optimizers.Adam(a.lr))
    start = time.time()
    model.fit(ds, epochs=a.epochs)
    ids, _ = model.greedy(src[n:], 13)
    print("CER", cer([tgt_v.decode(r) for r in ids.numpy()], [t for _, t in pairs[n:]]), "in", time.time() - start)


if __name__ == "__main__":
    main()
