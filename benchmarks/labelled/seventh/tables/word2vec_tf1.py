"""Skip-gram with negative sampling and subsampling of frequent words (TensorFlow 1.x)."""
import argparse
import collections
import math
import os
import random

import numpy as np
import tensorflow as tf


def read_words(path):
    with open(path, encoding='utf-8') as fh:
        return fh.read().split()


def build_dataset(words, vocabulary_size):
    count = [['UNK', 0]] + [[w, c] for w, c in collections.Counter(words).most_common(vocabulary_size - 1)]
    index = {w: i for i, (w, _) in enumerate(count)}
    data = [index.get(w, 0) for w in words]
    count[0][1] = max(data.count(0), 1)
    return np.array(data, np.int32), np.array([c for _, c in count], np.float64), index


def subsample(data, freq, threshold, rng):
    f = freq / freq.sum()  # SAFE: counts are at least one
    keep = np.minimum(np.sqrt(threshold / f), 1.0)  # SAFE: every frequency is positive
    return data[rng.rand(len(data)) < keep[data]]


def skipgram_batches(data, batch, window, rng):
    xs, ys = [], []
    while True:
        start = rng.randint(0, max(len(data) - 1000, 1))
        chunk = data[start:start + 1000]
        for i in range(len(chunk)):
            w = rng.randint(1, window + 1)
            for j in range(max(0, i - w), min(len(chunk), i + w + 1)):
                if j != i:
                    xs.append(chunk[i])
                    ys.append(chunk[j])
                    if len(xs) == batch:
                        yield np.array(xs), np.array(ys)
                        xs, ys = [], []


class SkipGram(object):

    def __init__(self, vocab, freq, args):
        self.args = args
        self.x = tf.placeholder(tf.int32, [None])
        self.y = tf.placeholder(tf.int32, [None])
        bound = 0.5 / args.dim  # SAFE: dim is 128
        self.emb = tf.get_variable('emb', [vocab, args.dim], initializer=tf.random_uniform_initializer(-bound, bound))
        self.ctx = tf.get_variable('ctx', [vocab, args.dim], initializer=tf.zeros_initializer())  # SAFE: as in word2vec.c, the input vectors are random so the zero output vectors get a gradient
        self.bias = tf.get_variable('bias', [vocab], initializer=tf.zeros_initializer())
        unigram = freq ** 0.75
        self.log_q = tf.constant(np.log(unigram / unigram.sum()).astype(np.float32))  # SAFE: counts are at least one, no probability is zero
        self.build()

    def negatives(self):
        ids = tf.multinomial(tf.expand_dims(self.log_q, 0), self.args.negatives)
        return tf.cast(ids[0], tf.int32)

    def build(self):
        a = self.args
        h = tf.nn.embedding_lookup(self.emb, self.x)
        pos = tf.reduce_sum(h * tf.nn.embedding_lookup(self.ctx, self.y), 1) + tf.gather(self.bias, self.y)
        neg_ids = self.negatives()
        neg = tf.matmul(h, tf.nn.embedding_lookup(self.ctx, neg_ids), transpose_b=True) + tf.gather(self.bias, neg_ids)
        log_k = math.log(a.negatives)  # SAFE: negatives is 64
        pos_logit = pos - tf.gather(self.log_q, self.y) - log_k
        neg_logit = neg - tf.gather(self.log_q, neg_ids) - log_k
        pos_loss = tf.nn.softplus(-pos_logit)  # SAFE: softplus is linear for large inputs
        neg_loss = tf.reduce_sum(tf.nn.softplus(neg_logit), 1)  # SAFE: same
        self.loss = tf.reduce_mean(pos_loss + neg_loss)
        self.step = tf.train.get_or_create_global_step()
        frac = tf.cast(self.step, tf.float32) / float(max(a.steps, 1))  # SAFE: max with one
        self.lr = a.lr * tf.maximum(1.0 - frac, 1e-4)
        grads = tf.gradients(self.loss, [self.emb, self.ctx, self.bias])
        grads, self.norm = tf.clip_by_global_norm(grads, 5.0)
        opt = tf.train.GradientDescentOptimizer(self.lr)
        self.train_op = opt.apply_gradients(zip(grads, [self.emb, self.ctx, self.bias]), global_step=self.step)
        length = tf.sqrt(tf.reduce_sum(tf.square(self.emb), 1, keepdims=True))
        self.unit = self.emb / tf.maximum(length, 1e-8)  # SAFE: the length is floored and no loss uses it


def cosine(a, b):
    return float(a.dot(b) / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-9))  # SAFE: floored product


def spearman(x, y):
    rx, ry = np.argsort(np.argsort(x)), np.argsort(np.argsort(y))
    n = len(x)
    if n < 3:
        return 0.0
    return 1.0 - 6.0 * float(((rx - ry) ** 2).sum()) / (n * (n * n - 1))  # SAFE: n is at least three here


def similarity_benchmark(unit, index, path):
    gold, pred = [], []
    with open(path) as fh:
        for line in fh:
            a, b, s = line.split()[:3]
            if a in index and b in index:
                gold.append(float(s))
                pred.append(cosine(unit[index[a]], unit[index[b]]))
    return spearman(np.array(gold), np.array(pred))


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--text', default='text8')
    p.add_argument('--wordsim', default=None)
    p.add_argument('--vocab', type=int, default=30000)
    p.add_argument('--dim', type=int, default=128)
    p.add_argument('--negatives', type=int, default=64)
    p.add_argument('--window', type=int, default=5)
    p.add_argument('--batch', type=int, default=512)
    p.add_argument('--steps', type=int, default=200000)
    p.add_argument('--lr', type=float, default=0.5)
    p.add_argument('--threshold', type=float, default=1e-4)
    p.add_argument('--save_path', default='w2v')
    args = p.parse_args()
    rng = np.random.RandomState(0)
    random.seed(0)
    data, freq, index = build_dataset(read_words(args.text), args.vocab)
    data = subsample(data, freq, args.threshold, rng)
    model = SkipGram(len(freq), freq, args)
    saver = tf.train.Saver()
    avg = 0.0
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for i, (x, y) in enumerate(skipgram_batches(data, args.batch, args.window, rng)):
            _, loss, lr = sess.run([model.train_op, model.loss, model.lr], {model.x: x, model.y: y})
            avg += (loss - avg) / min(i + 1, 2000)  # SAFE: the counter starts at one
            if i % 2000 == 0:
                print('step %d loss %.4f lr %.4f' % (i, avg, lr))
            if i >= args.steps:
                break
        unit = sess.run(model.unit)
        if args.wordsim:
            print('wordsim', similarity_benchmark(unit, index, args.wordsim))
        if not os.path.isdir(args.save_path):
            os.makedirs(args.save_path)
        np.save(os.path.join(args.save_path, 'vectors.npy'), unit)
        saver.save(sess, os.path.join(args.save_path, 'model'))


if __name__ == '__main__':
    main()
