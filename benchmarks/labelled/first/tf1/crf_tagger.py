"""BiLSTM-CRF tagger with my own CRF forward pass (and tf.contrib.crf for decoding)."""
import argparse
import pickle

import numpy as np
import tensorflow as tf


def logsumexp(x, axis):
    return tf.log(tf.reduce_sum(tf.exp(x), axis=axis))  # BUG: exp-overflow, alpha grows with the sentence, exp(89) = inf


def safe_logsumexp(x, axis, keepdims=False):
    m = tf.stop_gradient(tf.reduce_max(x, axis=axis, keep_dims=True))
    s = tf.log(tf.reduce_sum(tf.exp(x - m), axis=axis, keep_dims=True)) + m  # SAFE: shifted by the maximum
    return s if keepdims else tf.squeeze(s, axis)


class BiLSTMCRF(object):

    def __init__(self, args, n_words, n_tags, embeddings=None):
        self.args = args
        self.n_tags = n_tags
        self.word_ids = tf.placeholder(tf.int32, [None, None], name='word_ids')
        self.tag_ids = tf.placeholder(tf.int32, [None, None], name='tag_ids')
        self.lengths = tf.placeholder(tf.int32, [None], name='lengths')
        self.dropout = tf.placeholder(tf.float32, [], name='dropout')
        self.add_embedding(n_words, embeddings)
        self.add_lstm()
        self.add_attention()
        self.add_scores()
        self.add_loss()
        self.add_train()

    def add_embedding(self, n_words, pretrained):
        d = self.args.dim
        if pretrained is None:
            lim = np.sqrt(3.0 / d)  # SAFE: positive size
            table = tf.get_variable('emb', [n_words, d], initializer=tf.random_uniform_initializer(-lim, lim))
        else:
            nrm = np.linalg.norm(pretrained, axis=1, keepdims=True)
            pretrained = pretrained / np.where(nrm > 0, nrm, 1.0)  # SAFE: np.where on the denominator
            table = tf.get_variable('emb', initializer=pretrained.astype(np.float32))
        self.emb = tf.nn.dropout(tf.nn.embedding_lookup(table, self.word_ids), self.dropout)

    def add_lstm(self):
        with tf.variable_scope('bilstm'):
            fw = tf.contrib.rnn.LSTMCell(self.args.hidden)
            bw = tf.contrib.rnn.LSTMCell(self.args.hidden)
            (a, b), _ = tf.nn.bidirectional_dynamic_rnn(fw, bw, self.emb, sequence_length=self.lengths, dtype=tf.float32)
            self.h = tf.nn.dropout(tf.concat([a, b], -1), self.dropout)

    def add_attention(self):
        # a sentence summary, added to every position
        mask = tf.sequence_mask(self.lengths, dtype=tf.float32)
        e = tf.squeeze(tf.layers.dense(tf.layers.dense(self.h, 64, tf.tanh), 1), -1)
        e = e * mask + (1.0 - mask) * -1e9
        w = tf.nn.softmax(e)  # SAFE: library softmax, -1e9 mask
        s = tf.reduce_sum(self.h * tf.expand_dims(w, -1), 1, keep_dims=True)
        self.h = self.h + s
        self.mask = mask

    def add_scores(self):
        with tf.variable_scope('proj'):
            self.unary = tf.layers.dense(self.h, self.n_tags)
            self.trans = tf.get_variable('transitions', [self.n_tags, self.n_tags])
            self.start = tf.get_variable('start', [self.n_tags])

    def _gold(self):
        one = tf.one_hot(self.tag_ids, self.n_tags)
        u = tf.reduce_sum(self.unary * one, -1) * self.mask
        pairs = tf.gather(tf.reshape(self.trans, [-1]), self.tag_ids[:, :-1] * self.n_tags + self.tag_ids[:, 1:])
        s = tf.gather(self.start, self.tag_ids[:, 0])
        return tf.reduce_sum(u, 1) + tf.reduce_sum(pairs * self.mask[:, 1:], 1) + s

    def _partition(self):
        first = self.unary[:, 0, :] + self.start
        rest = tf.transpose(self.unary[:, 1:, :], [1, 0, 2])
        m = tf.transpose(self.mask[:, 1:], [1, 0])

        def step(alpha, inp):
            u, mk = inp
            score = tf.expand_dims(alpha, 2) + tf.expand_dims(self.trans, 0) + tf.expand_dims(u, 1)
            new = logsumexp(score, 1)
            mk = tf.expand_dims(mk, 1)
            return mk * new + (1. - mk) * alpha

        alphas = tf.scan(step, (rest, m), initializer=first)
        return safe_logsumexp(alphas[-1], 1)

    def add_loss(self):
        nll = self._partition() - self._gold()
        tokens = tf.reduce_sum(self.mask)
        self.loss = tf.reduce_sum(nll) / tf.maximum(tokens, 1.0)  # SAFE: maximum with 1
        self.check, _ = tf.contrib.crf.crf_log_likelihood(self.unary, self.tag_ids, self.lengths, self.trans)  # SAFE: library crf

    def add_train(self):
        step = tf.Variable(0, trainable=False)
        lr = tf.train.inverse_time_decay(self.args.lr, step, 1000, 0.05)
        opt = {'adam': tf.train.AdamOptimizer, 'sgd': tf.train.GradientDescentOptimizer}[self.args.opt](lr)
        gv = [(tf.clip_by_value(g, -5., 5.), v) for g, v in opt.compute_gradients(self.loss) if g is not None]
        self.train_op = opt.apply_gradients(gv, global_step=step)


def f1_score(tp, n_pred, n_gold):
    p = tp / float(n_pred) if n_pred else 0.0  # SAFE: conditional, evaluation
    r = tp / float(n_gold) if n_gold else 0.0  # SAFE: conditional, evaluation
    return 2 * p * r / (p + r) if p + r > 0 else 0.0  # SAFE: conditional, evaluation


def pad(seqs):
    n = max(len(s) for s in seqs)
    return np.array([list(s) + [0] * (n - len(s)) for s in seqs]), np.array([len(s) for s in seqs])


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--data', default='conll.pkl')
    ap.add_argument('--dim', type=int, default=100)
    ap.add_argument('--hidden', type=int, default=150)
    ap.add_argument('--opt', default='adam')
    ap.add_argument('--lr', type=float, default=1e-3)
    ap.add_argument('--epochs', type=int, default=30)
    args = ap.parse_args()
    with open(args.data, 'rb') as f:
        train, dev, words, tags = pickle.load(f)
    model = BiLSTMCRF(args, len(words), len(tags))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for ep in range(args.epochs):
            np.random.shuffle(train)
            tot = 0.
            for i in range(0, len(train), 32):
                w, l = pad([s[0] for s in train[i:i + 32]])
                t, _ = pad([s[1] for s in train[i:i + 32]])
                _, c = sess.run([model.train_op, model.loss], {model.word_ids: w, model.tag_ids: t,
                                                               model.lengths: l, model.dropout: 0.5})
                tot += c
            tp = npred = ngold = 0
            for w, t in dev:
                u, tr = sess.run([model.unary, model.trans], {model.word_ids: [w], model.lengths: [len(w)], model.dropout: 1.0})
                path, _ = tf.contrib.crf.viterbi_decode(u[0], tr)
                tp += sum(int(a == b != 0) for a, b in zip(path, t))
                npred += sum(int(a != 0) for a in path)
                ngold += sum(int(b != 0) for b in t)
            print('epoch %d loss %.4f f1 %.4f' % (ep, tot, f1_score(tp, npred, ngold)))


if __name__ == '__main__':
    main()
