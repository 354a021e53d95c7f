"""Word level LSTM language model for variable-length sentences (one per line)."""
from __future__ import absolute_import, division, print_function

import codecs
import collections
import os
import time

import numpy as np
import tensorflow as tf

tf.flags.DEFINE_string('train', 'data/train.txt', '')
tf.flags.DEFINE_string('valid', 'data/valid.txt', '')
tf.flags.DEFINE_string('save', 'model', '')
tf.flags.DEFINE_integer('hidden', 512, '')
tf.flags.DEFINE_integer('layers', 2, '')
tf.flags.DEFINE_integer('batch', 32, '')
tf.flags.DEFINE_float('keep', 0.65, '')
tf.flags.DEFINE_float('lr', 1.0, '')
tf.flags.DEFINE_float('decay', 0.8, '')
tf.flags.DEFINE_integer('epochs', 20, '')
tf.flags.DEFINE_integer('max_len', 60, '')
F = tf.flags.FLAGS

PAD, UNK, EOS = 0, 1, 2


class Corpus(object):
    def __init__(self, path, vocab=None):
        sents = [l.split() for l in codecs.open(path, encoding='utf8')]
        if vocab is None:
            c = collections.Counter(w for s in sents for w in s)
            vocab = {'<pad>': PAD, '<unk>': UNK, '<eos>': EOS}
            for w, n in c.most_common(30000):
                if n > 1:
                    vocab.setdefault(w, len(vocab))
        self.vocab = vocab
        self.data = [[vocab.get(w, UNK) for w in s][:F.max_len] + [EOS] for s in sents]

    def batches(self, size, shuffle=True):
        order = np.random.permutation(len(self.data)) if shuffle else np.arange(len(self.data))
        for i in range(0, len(order), size):
            # the last batch is filled up with empty rows
            x = np.zeros((size, F.max_len + 1), np.int32)
            n = np.zeros((size,), np.int32)
            for row, j in enumerate(order[i:i + size]):
                s = self.data[j]
                x[row, :len(s)] = s
                n[row] = len(s) - 1
            yield x[:, :-1], x[:, 1:], n


class LanguageModel(object):
    def __init__(self, vocab_size, is_training, reuse=None):
        self.vocab_size = vocab_size
        self.is_training = is_training
        self.x = tf.placeholder(tf.int32, [F.batch, None])
        self.y = tf.placeholder(tf.int32, [F.batch, None])
        self.len = tf.placeholder(tf.int32, [F.batch])
        with tf.variable_scope('lm', reuse=reuse, initializer=tf.random_uniform_initializer(-0.05, 0.05)):
            self.build_graph()
        self.build_loss()
        if is_training:
            self.build_train()

    def _cell(self):
        cell = tf.contrib.rnn.BasicLSTMCell(F.hidden, forget_bias=0.0)
        if self.is_training and F.keep < 1:
            cell = tf.contrib.rnn.DropoutWrapper(cell, output_keep_prob=F.keep)
        return cell

    def build_graph(self):
        emb = tf.get_variable('embedding', [self.vocab_size, F.hidden])
        inputs = tf.nn.embedding_lookup(emb, self.x)
        if self.is_training and F.keep < 1:
            inputs = tf.nn.dropout(inputs, F.keep)
        cells = tf.contrib.rnn.MultiRNNCell([self._cell() for _ in range(F.layers)])
        out, _ = tf.nn.dynamic_rnn(cells, inputs, sequence_length=self.len, dtype=tf.float32)
        w = tf.get_variable('softmax_w', [F.hidden, self.vocab_size])
        b = tf.get_variable('softmax_b', [self.vocab_size])
        flat = tf.reshape(out, [-1, F.hidden])
        self.logits = tf.matmul(flat, w) + b
        self.temperature = tf.placeholder_with_default(1.0, [])
        self.next_prob = tf.nn.softmax(self.logits / tf.maximum(self.temperature, 0.05))  # SAFE: maximum 0.05, sampling

    def build_loss(self):
        mask = tf.sequence_mask(self.len, tf.shape(self.x)[1], dtype=tf.float32)
        xent = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.reshape(self.y, [-1]), logits=self.logits)  # SAFE: fused op on logits
        xent = tf.reshape(xent, tf.shape(self.x)) * mask
        per_sentence = tf.reduce_sum(xent, 1) / tf.to_float(self.len)  # BUG: div-zero, filler rows of the last batch have length 0 -> 0/0
        self.cost = tf.reduce_mean(per_sentence)
        self.total = tf.reduce_sum(xent)
        self.n_tok = tf.reduce_sum(mask)
        self.ppl = tf.exp(self.total / tf.maximum(self.n_tok, 1.0))  # SAFE: summary only, maximum with 1
        tf.summary.scalar('perplexity', self.ppl)

    def build_train(self):
        self.lr = tf.Variable(0.0, trainable=False)
        tvars = tf.trainable_variables()
        grads, self.gnorm = tf.clip_by_global_norm(tf.gradients(self.cost, tvars), 5)  # SAFE: library clip
        opt = tf.train.GradientDescentOptimizer(self.lr)  # SAFE: 1.0 for SGD with clipping is the PTB recipe
        self.train_op = opt.apply_gradients(zip(grads, tvars))
        self.new_lr = tf.placeholder(tf.float32, [])
        self.lr_update = tf.assign(self.lr, self.new_lr)


def run_epoch(sess, model, corpus, train_op=None):
    start = time.time()
    total, toks = 0.0, 0
    fetches = {'total': model.total, 'n': model.n_tok}
    if train_op is not None:
        fetches['op'] = train_op
    for i, (x, y, n) in enumerate(corpus.batches(F.batch, train_op is not None)):
        v = sess.run(fetches, {model.x: x, model.y: y, model.len: n})
        total += v['total']
        toks += v['n']
        if train_op is not None and i % 200 == 0:
            print('  %d ppl %.2f  %.0f wps' % (i, np.exp(total / max(toks, 1)), toks / (time.time() - start)))  # SAFE: printing
    return np.exp(total / toks)  # SAFE: reported perplexity


def main(_):
    tr = Corpus(F.train)
    va = Corpus(F.valid, tr.vocab)
    m = LanguageModel(len(tr.vocab), True)
    mv = LanguageModel(len(tr.vocab), False, reuse=True)
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        best = float('inf')
        for e in range(F.epochs):
            decay = F.decay ** max(e - 5, 0.0)  # SAFE: positive base
            sess.run(m.lr_update, {m.new_lr: F.lr * decay})
            t = run_epoch(sess, m, tr, m.train_op)
            v = run_epoch(sess, mv, va)
            print('epoch %d train %.2f valid %.2f' % (e, t, v))
            if v < best:
                best = v
                saver.save(sess, os.path.join(F.save, 'lm.ckpt'))


if __name__ == '__main__':
    tf.app.run()
