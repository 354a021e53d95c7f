"""BiLSTM-CRF tagger (CoNLL 2003) with a linear chain written out in TensorFlow."""
import argparse
import os

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()

PAD, UNK = "<pad>", "<unk>"


def read_conll(path):
    sents, words, tags = [], [], []
    with open(path, encoding="utf-8") as f:
        for line in f:
            line = line.strip()
            if not line or line.startswith("-DOCSTART-"):
                if words:
                    sents.append((words, tags))
                    words, tags = [], []
                continue
            cols = line.split()
            words.append(cols[0])
            tags.append(cols[-1])
    if words:
        sents.append((words, tags))
    return sents


def build_maps(sents):
    w2i, t2i = {PAD: 0, UNK: 1}, {}
    for words, tags in sents:
        for w in words:
            w2i.setdefault(w.lower(), len(w2i))
        for t in tags:
            t2i.setdefault(t, len(t2i))
    return w2i, t2i


def load_glove(path, w2i, dim):
    table = np.random.RandomState(0).normal(0, 0.1, (len(w2i), dim)).astype(np.float32)
    with open(path, encoding="utf-8") as f:
        for line in f:
            parts = line.rstrip().split(" ")
            if parts[0] in w2i and len(parts) == dim + 1:
                v = np.array(parts[1:], np.float32)
                table[w2i[parts[0]]] = v / max(np.linalg.norm(v), 1e-6)  # SAFE: norm is floored at 1e-6, all-zero vectors stay zero
    return table


def log_sum_exp(x, axis):
    m = tf.reduce_max(x, axis=axis, keepdims=True)
    s = tf.reduce_sum(tf.exp(x - tf.stop_gradient(m)), axis=axis, keepdims=True)  # SAFE: the maximum over the same axis is subtracted first
    return tf.squeeze(tf.stop_gradient(m) + tf.log(s), axis)  # SAFE: s contains exp(0), so it is at least 1


class CRF(object):

    def __init__(self, num_tags):
        self.n = num_tags
        self.trans = tf.get_variable("transitions", [num_tags, num_tags],
                                     initializer=tf.random_uniform_initializer(-0.1, 0.1))

    def log_norm(self, unary, lengths):
        first = unary[:, 0, :]
        rest = tf.transpose(unary[:, 1:, :], [1, 0, 2])
        steps = tf.range(1, tf.shape(unary)[1])

        def step(alpha, inp):
            t, u = inp
            new = log_sum_exp(tf.expand_dims(alpha, 2) + tf.expand_dims(self.trans, 0), 1) + u
            valid = tf.expand_dims(tf.cast(t < lengths, tf.float32), 1)
            return valid * new + (1.0 - valid) * alpha

        alphas = tf.scan(step, (steps, rest), initializer=first)
        last = tf.concat([tf.expand_dims(first, 0), alphas], 0)[-1]
        return log_sum_exp(last, 1)

    def score(self, unary, tags, lengths):
        mask = tf.sequence_mask(lengths, tf.shape(unary)[1], dtype=tf.float32)
        onehot = tf.one_hot(tags, self.n)
        emit = tf.reduce_sum(unary * onehot, 2)
        pair = tf.reduce_sum(tf.matmul(tf.reshape(onehot[:, :-1], [-1, self.n]), self.trans)
                             * tf.reshape(onehot[:, 1:], [-1, self.n]), 1)
        pair = tf.reshape(pair, tf.shape(emit[:, 1:]))
        return tf.reduce_sum(emit * mask, 1) + tf.reduce_sum(pair * mask[:, 1:], 1)

    def neg_log_likelihood(self, unary, tags, lengths):
        return self.log_norm(unary, lengths) - self.score(unary, tags, lengths)


def viterbi(unary, trans):
    score, back = unary[0], []
    for t in range(1, len(unary)):
        m = score[:, None] + trans
        back.append(m.argmax(0))
        score = m.max(0) + unary[t]
    path = [int(score.argmax())]
    for b in reversed(back):
        path.append(int(b[path[-1]]))
    return path[::-1]


class Tagger(object):

    def __init__(self, table, num_tags, args):
        self.words = tf.placeholder(tf.int32, [None, None], "words")
        self.tags = tf.placeholder(tf.int32, [None, None], "tags")
        self.lengths = tf.placeholder(tf.int32, [None], "lengths")
        self.keep = tf.placeholder_with_default(1.0, [], "keep_prob")
        emb = tf.get_variable("embedding", initializer=table)
        x = tf.nn.embedding_lookup(emb, self.words)
        x = tf.nn.dropout(x, rate=1.0 - self.keep)
        with tf.variable_scope("bilstm"):
            fw = tf.nn.rnn_cell.LSTMCell(args.hidden)
            bw = tf.nn.rnn_cell.LSTMCell(args.hidden)
            (of, ob), _ = tf.nn.bidirectional_dynamic_rnn(fw, bw, x, self.lengths, dtype=tf.float32)
        h = tf.concat([of, ob], 2)
        with tf.variable_scope("gate"):
            att = tf.layers.dense(h, 1)
            neg = (1.0 - tf.sequence_mask(self.lengths, tf.shape(h)[1], dtype=tf.float32)) * -1e9
            a = tf.nn.softmax(att + tf.expand_dims(neg, 2), 1)  # SAFE: finite mask value, and read_conll gives no empty sentence
            ctx = tf.reduce_sum(a * h, 1, keepdims=True)
            h = h * tf.sigmoid(tf.layers.dense(ctx, 2 * args.hidden))
        self.unary = tf.layers.dense(tf.nn.dropout(h, rate=1.0 - self.keep), num_tags)
        self.crf = CRF(num_tags)
        nll = self.crf.neg_log_likelihood(self.unary, self.tags, self.lengths)
        self.loss = tf.reduce_mean(nll / tf.cast(self.lengths, tf.float32))  # SAFE: read_conll only keeps sentences with at least one word
        opt = tf.train.AdamOptimizer(args.lr)
        self.grads, tvars = zip(*opt.compute_gradients(self.loss))
        clipped, _ = tf.clip_by_global_norm(self.grads, 5.0)
        self.train_op = opt.apply_gradients(zip(clipped, tvars))


def make_batch(sents, w2i, t2i):
    n, m = len(sents), max(len(s[0]) for s in sents)
    words, tags = np.zeros((n, m), np.int32), np.zeros((n, m), np.int32)
    for i, (ws, ts) in enumerate(sents):
        words[i, :len(ws)] = [w2i.get(w.lower(), 1) for w in ws]
        tags[i, :len(ts)] = [t2i[t] for t in ts]
    return words, tags, np.array([len(s[0]) for s in sents], np.int32)


def prf(correct, predicted, gold):
    p = correct / predicted if predicted else 0.0  # SAFE: guarded by the conditional expression
    r = correct / gold if gold else 0.0
    return p, r, 2 * p * r / (p + r) if p + r > 0 else 0.0  # SAFE: only computed when the sum is positive


def evaluate(sess, model, sents, w2i, t2i):
    trans = sess.run(model.crf.trans)
    outside = t2i.get("O", -1)
    c = p = g = 0
    for s in sents:
        words, tags, lengths = make_batch([s], w2i, t2i)
        unary = sess.run(model.unary, {model.words: words, model.lengths: lengths})[0]
        pred = viterbi(unary, trans)
        c += sum(1 for a, b in zip(pred, tags[0]) if a == b != outside)
        p += sum(1 for a in pred if a != outside)
        g += sum(1 for b in tags[0] if b != outside)
    return prf(c, p, g)


def get_args(argv=None):
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="data/eng.train")
    ap.add_argument("--dev", default="data/eng.testa")
    ap.add_argument("--glove", default="data/glove.6B.100d.txt")
    ap.add_argument("--dim", type=int, default=100)
    ap.add_argument("--hidden", type=int, default=150)
    ap.add_argument("--batch_size", type=int, default=20)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--epochs", type=int, default=30)
    ap.add_argument("--out", default="ner_model")
    return ap.parse_args(argv)


def main():
    args = get_args()
    train, dev = read_conll(args.train), read_conll(args.dev)
    w2i, t2i = build_maps(train + dev)
    model = Tagger(load_glove(args.glove, w2i, args.dim), len(t2i), args)
    rng, saver, best = np.random.RandomState(0), tf.train.Saver(), 0.0
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for epoch in range(args.epochs):
            rng.shuffle(train)
            total = 0.0
            for i in range(0, len(train), args.batch_size):
                w, t, n = make_batch(train[i:i + args.batch_size], w2i, t2i)
                feed = {model.words: w, model.tags: t, model.lengths: n, model.keep: 0.5}
                total += sess.run([model.train_op, model.loss], feed)[1]
            p, r, f = evaluate(sess, model, dev, w2i, t2i)
            print("epoch %d loss %.4f P %.4f R %.4f F %.4f" % (epoch, total, p, r, f))
            if f > best:
                best = f
                saver.save(sess, os.path.join(args.out, "best"))


if __name__ == "__main__":
    main()
