"""word2vec with negative sampling on text8, TensorFlow 1 graph code."""
from __future__ import absolute_import, division, print_function

import argparse
import collections
import math
import random
import zipfile

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()


def read_words(path):
    with zipfile.ZipFile(path) as z:
        return z.read(z.namelist()[0]).decode("ascii").split()


def build_vocab(words, size):
    count = [("UNK", 0)] + collections.Counter(words).most_common(size - 1)
    index = {w: i for i, (w, _) in enumerate(count)}
    data = [index.get(w, 0) for w in words]
    freq = np.array([c for _, c in count], np.float64)
    freq[0] = data.count(0)
    return data, freq, index


def subsample(data, freq, t=1e-4, seed=1):
    rng = random.Random(seed)
    f = freq / max(freq.sum(), 1.0)  # SAFE: maximum with 1
    keep = np.minimum(1.0, np.sqrt(t / np.maximum(f, 1e-12)))  # SAFE: maximum with 1e-12 before the division
    return [w for w in data if rng.random() < keep[w]]


class SkipGramReader(object):
    def __init__(self, data, window, freq, negatives, seed=0):
        self.data, self.window, self.k = data, window, negatives
        self.pos = 0
        self.rng = np.random.RandomState(seed)
        p = freq ** 0.75
        self.cdf = np.cumsum(p / p.sum())  # SAFE: the vocabulary has at least one counted word

    def negative(self, n):
        return np.minimum(np.searchsorted(self.cdf, self.rng.rand(n, self.k)), len(self.cdf) - 1)

    def batch(self, n):
        c, o = [], []
        while len(c) < n:
            i = self.pos
            self.pos = (self.pos + 1) % len(self.data)
            w = self.rng.randint(1, self.window + 1)
            for j in range(max(0, i - w), min(len(self.data), i + w + 1)):
                if j != i:
                    c.append(self.data[i])
                    o.append(self.data[j])
        return np.array(c[:n]), np.array(o[:n]), self.negative(n)


class SkipGram(object):
    def __init__(self, vocab, dim, negatives, lr, total_steps):
        self.centers = tf.placeholder(tf.int32, [None])
        self.contexts = tf.placeholder(tf.int32, [None])
        self.negatives = tf.placeholder(tf.int32, [None, negatives])
        bound = 0.5 / dim
        self.emb = tf.get_variable("emb", [vocab, dim], initializer=tf.random_uniform_initializer(-bound, bound))
        self.ctx = tf.get_variable("ctx", [vocab, dim],
                                   initializer=tf.truncated_normal_initializer(stddev=1.0 / math.sqrt(dim)))  # SAFE: dim is a positive constant
        self.bias = tf.get_variable("bias", [vocab], initializer=tf.zeros_initializer())
        self._scores()
        self._loss()
        self._train(lr, total_steps)
        self._similar()

    def _scores(self):
        c = tf.nn.embedding_lookup(self.emb, self.centers)
        o = tf.nn.embedding_lookup(self.ctx, self.contexts)
        n = tf.nn.embedding_lookup(self.ctx, self.negatives)
        self.pos_score = tf.reduce_sum(c * o, axis=1) + tf.nn.embedding_lookup(self.bias, self.contexts)
        self.neg_score = tf.reduce_sum(tf.expand_dims(c, 1) * n, axis=2) + tf.nn.embedding_lookup(self.bias, self.negatives)

    def _loss(self):
        pos = tf.log_sigmoid(self.pos_score)  # SAFE: the stable form
        neg = tf.reduce_sum(tf.log(1.0 - tf.sigmoid(self.neg_score)), axis=1)  # BUG: log-sigmoid, the sigmoid rounds to 1 from a score of 17 on, log(0)
        self.nll = -(pos + neg)
        self.loss = tf.reduce_sum(self.nll)

    def _train(self, lr, total):
        self.step = tf.train.get_or_create_global_step()
        frac = tf.cast(self.step, tf.float32) / float(max(total, 1))  # SAFE: maximum with 1
        self.lr = lr * tf.maximum(1.0 - frac, 1e-3)
        self.train_op = tf.train.GradientDescentOptimizer(self.lr).minimize(self.loss, global_step=self.step)

    def _similar(self):
        self.query = tf.placeholder(tf.int32, [None])
        norm = tf.sqrt(tf.reduce_sum(tf.square(self.emb), 1, keepdims=True))  # SAFE: only for the printed neighbours, not in the loss
        unit = self.emb / tf.maximum(norm, 1e-8)  # SAFE: maximum with 1e-8
        self.sim = tf.matmul(tf.nn.embedding_lookup(unit, self.query), unit, transpose_b=True)


def analogy_score(emb, index, questions):
    unit = emb / (np.linalg.norm(emb, axis=1, keepdims=True) + 1e-9)  # SAFE: 1e-9 added to a norm
    right = total = 0
    for a, b, c, d in questions:
        if all(w in index for w in (a, b, c, d)):
            v = unit[index[b]] - unit[index[a]] + unit[index[c]]
            s = unit @ v
            s[[index[a], index[b], index[c]]] = -np.inf  # SAFE: excludes the question words from argmax
            right += int(np.argmax(s) == index[d])
            total += 1
    return right / total if total else 0.0  # SAFE: total checked


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--text", default="text8.zip")
    ap.add_argument("--vocab", type=int, default=30000)
    ap.add_argument("--dim", type=int, default=128)
    ap.add_argument("--window", type=int, default=4)
    ap.add_argument("--negatives", type=int, default=8)
    ap.add_argument("--batch", type=int, default=256)
    ap.add_argument("--lr", type=float, default=0.2)
    ap.add_argument("--steps", type=int, default=300000)
    args = ap.parse_args()
    data, freq, index = build_vocab(read_words(args.text), args.vocab)
    data = subsample(data, freq)
    reader = SkipGramReader(data, args.window, freq, args.negatives)
    m = SkipGram(len(freq), args.dim, args.negatives, args.lr, args.steps)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        avg = 0.0
        for i in range(1, args.steps + 1):
            c, o, n = reader.batch(args.batch)
            _, loss = sess.run([m.train_op, m.loss], {m.centers: c, m.contexts: o, m.negatives: n})
            avg += loss / args.batch
            if i % 2000 == 0:
                print("step %d loss %.4f lr %.4f" % (i, avg / 2000, sess.run(m.lr)))
                avg = 0.0
        np.save("embeddings.npy", sess.run(m.emb))


if __name__ == "__main__":
    main()
