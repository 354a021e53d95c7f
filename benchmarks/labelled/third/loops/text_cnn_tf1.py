"""Kim-CNN sentence classifier with class weights and centre-normalised word vectors (TF 1.14)."""
from __future__ import print_function

import argparse
import collections
import io
import re

import numpy as np
import tensorflow as tf

PAD, UNK = 0, 1


def tokenize(s):
    return re.findall(r"[a-z0-9']+", s.lower())


def read_tsv(path):
    labels, texts = [], []
    with io.open(path, encoding='utf8') as f:
        for line in f:
            l, t = line.rstrip('\n').split('\t', 1)
            labels.append(int(l))
            texts.append(tokenize(t))
    return texts, np.array(labels, np.int32)


def build_vocab(texts, min_count=2):
    c = collections.Counter(w for t in texts for w in t)
    words = ['<pad>', '<unk>'] + [w for w, n in c.most_common() if n >= min_count]
    return {w: i for i, w in enumerate(words)}


def to_ids(texts, vocab, maxlen):
    out = np.zeros((len(texts), maxlen), np.int32)
    for i, t in enumerate(texts):
        ids = [vocab.get(w, UNK) for w in t[:maxlen]]
        out[i, :len(ids)] = ids
    return out


def load_vectors(path, vocab, dim):
    mat = np.random.RandomState(0).uniform(-0.05, 0.05, (len(vocab), dim)).astype(np.float32)
    if path:
        with io.open(path, encoding='utf8') as f:
            for line in f:
                p = line.rstrip().split(' ')
                if p[0] in vocab and len(p) == dim + 1:
                    mat[vocab[p[0]]] = np.array(p[1:], np.float32)
    mat -= mat.mean(0)
    norm = np.linalg.norm(mat, axis=1, keepdims=True)
    mat = mat / np.maximum(norm, 1e-8)  # SAFE: maximum in the divisor
    mat[PAD] = 0
    return mat


def class_weights(y, n):
    count = np.bincount(y, minlength=n).astype(np.float32)
    w = np.sum(count) / (n * np.maximum(count, 1.0))  # SAFE: a class without rows counts as 1
    return w / np.mean(w)  # SAFE: weights are positive


class TextCNN(object):
    def __init__(self, vectors, maxlen, n_cls, weights, widths=(3, 4, 5), filters=64, l2=1e-3):
        self.ids = tf.placeholder(tf.int32, [None, maxlen], 'ids')
        self.y = tf.placeholder(tf.int32, [None], 'y')
        self.drop = tf.placeholder_with_default(0.0, [], 'drop')
        emb = tf.get_variable('emb', initializer=tf.constant(vectors))
        x = tf.nn.embedding_lookup(emb, self.ids)
        mask = tf.cast(tf.not_equal(self.ids, PAD), tf.float32)

        length = tf.reduce_sum(mask, axis=1, keepdims=True)
        mean_vec = tf.reduce_sum(x * mask[:, :, None], axis=1) / tf.maximum(length, 1.0)  # SAFE: empty sentences have length 1 here
        query = tf.layers.dense(mean_vec, x.get_shape().as_list()[-1], name='query')
        score = tf.reduce_sum(x * query[:, None, :], axis=2) + (1.0 - mask) * -1e9
        att = tf.nn.softmax(score)  # SAFE: finite mask value in float32, a row that is all padding becomes uniform
        summary = tf.reduce_sum(att[:, :, None] * x, axis=1)
        att_ent = -tf.reduce_sum(att * tf.log(att + 1e-10), axis=1)  # SAFE: att >= 0 and 1e-10 is above the float32 minimum
        self.att_entropy = tf.reduce_mean(att_ent)

        feats = [summary]
        for w in widths:
            c = tf.layers.conv1d(x, filters, w, padding='same', activation=tf.nn.relu, name='conv%d' % w)
            feats.append(tf.reduce_max(c, axis=1))
        h = tf.concat(feats, axis=1)
        h = tf.nn.dropout(h, keep_prob=1.0 - self.drop)  # SAFE: drop is 0 or 0.5
        self.logits = tf.layers.dense(h, n_cls, name='out')
        self.prob = tf.nn.softmax(self.logits)
        self.pred = tf.argmax(self.logits, axis=1, output_type=tf.int32)

        cw = tf.gather(tf.constant(weights, tf.float32), self.y)
        self.ce = tf.losses.sparse_softmax_cross_entropy(labels=self.y, logits=self.logits, weights=cw)  # SAFE: raw logits; prob is only for prediction
        hidden = [v for v in tf.trainable_variables() if 'kernel' in v.name]
        self.loss = self.ce + l2 * tf.add_n([tf.nn.l2_loss(v) for v in hidden]) - 1e-3 * self.att_entropy
        gs = tf.train.get_or_create_global_step()
        lr = tf.train.exponential_decay(1e-3, gs, 1000, 0.95)
        opt = tf.train.AdamOptimizer(lr)
        gv = [(tf.clip_by_norm(g, 3.0), v) for g, v in opt.compute_gradients(self.loss) if g is not None]  # SAFE: clip_by_norm handles a gradient of norm 0
        self.op = opt.apply_gradients(gv, global_step=gs)


def f1(pred, y, n):
    out = []
    for k in range(n):
        tp = np.sum((pred == k) & (y == k))
        d = np.sum(pred == k) + np.sum(y == k)
        out.append(2.0 * tp / d if d > 0 else 0.0)  # SAFE: d == 0 handled
    return float(np.mean(out))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--train', default='train.tsv')
    ap.add_argument('--dev', default='dev.tsv')
    ap.add_argument('--vectors', default='')
    ap.add_argument('--dim', type=int, default=100)
    ap.add_argument('--maxlen', type=int, default=60)
    ap.add_argument('--epochs', type=int, default=10)
    a = ap.parse_args()
    tr, ytr = read_tsv(a.train)
    dv, ydv = read_tsv(a.dev)
    vocab = build_vocab(tr)
    n = int(max(ytr.max(), ydv.max())) + 1
    xtr, xdv = to_ids(tr, vocab, a.maxlen), to_ids(dv, vocab, a.maxlen)
    net = TextCNN(load_vectors(a.vectors, vocab, a.dim), a.maxlen, n, class_weights(ytr, n))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for ep in range(a.epochs):
            order = np.random.permutation(len(xtr))
            for s in range(0, len(order), 64):
                b = order[s:s + 64]
                l, _ = sess.run([net.loss, net.op], {net.ids: xtr[b], net.y: ytr[b], net.drop: 0.5})
            p = sess.run(net.pred, {net.ids: xdv})
            print(ep, l, 'dev f1', f1(p, ydv, n))


if __name__ == '__main__':
    main()
