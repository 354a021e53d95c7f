# Joint intent and slot tagger, BiGRU with attention. TF 1.14 code base, kept alive with compat.v1.
import argparse
import codecs
import collections
import json
import os

import numpy as np
import tensorflow as tf0

tf = tf0.compat.v1
tf.disable_v2_behavior()

PAD, UNK = 0, 1


def read_conll(path):
    """Blocks of `token<TAB>slot` lines, the first line of a block is `# intent`."""
    data, tokens, slots, intent = [], [], [], None
    with codecs.open(path, encoding="utf-8") as fh:
        for line in list(fh) + [""]:
            line = line.strip()
            if line.startswith("# "):
                intent = line[2:]
            elif line:
                t, s = line.split("\t")
                tokens.append(t.lower())
                slots.append(s)
            elif tokens:
                data.append((tokens, slots, intent))
                tokens, slots = [], []
    return data


def vocabularies(data, min_count):
    words = collections.Counter(w for t, _, _ in data for w in t)
    word_ids = {w: i + 2 for i, (w, c) in enumerate(words.most_common()) if c >= min_count}
    slot_ids = {s: i for i, s in enumerate(sorted({s for _, ss, _ in data for s in ss}))}
    intent_counts = collections.Counter(i for _, _, i in data)
    intent_ids = {s: i for i, s in enumerate(sorted(intent_counts))}
    return word_ids, slot_ids, intent_ids, [intent_counts[i] for i in sorted(intent_counts)]


def intent_weights(counts):
    c = np.array(counts, np.float32)
    w = np.sqrt(c.mean() / c)  # SAFE: only intents that occur are in the counter
    return np.minimum(w, 5.0)


def minibatches(data, vocabs, size, rng=None):
    word_ids, slot_ids, intent_ids = vocabs
    order = np.arange(len(data)) if rng is None else rng.permutation(len(data))
    for s in range(0, len(order), size):
        part = [data[i] for i in order[s:s + size]]
        n = max(len(t) for t, _, _ in part)
        x = np.full((len(part), n), PAD, np.int32)
        y = np.zeros((len(part), n), np.int32)
        for r, (t, ss, _) in enumerate(part):
            x[r, :len(t)] = [word_ids.get(w, UNK) for w in t]
            y[r, :len(t)] = [slot_ids.get(v, 0) for v in ss]
        yield x, y, np.array([intent_ids.get(i, 0) for _, _, i in part], np.int32)


class Tagger(object):
    def __init__(self, n_words, n_slots, weights, args):
        self.x = tf.placeholder(tf.int32, [None, None])
        self.slots = tf.placeholder(tf.int32, [None, None])
        self.intent = tf.placeholder(tf.int32, [None])
        self.keep = tf.placeholder_with_default(1.0, [])
        mask = tf.cast(tf.not_equal(self.x, PAD), tf.float32)
        length = tf.reduce_sum(mask, 1)
        emb = tf.get_variable("emb", [n_words, args.dim], initializer=tf.random_uniform_initializer(-0.1, 0.1))
        e = tf.nn.dropout(tf.nn.embedding_lookup(emb, self.x), rate=1.0 - self.keep)  # SAFE: keep is fed with 0.7
        h = self.bigru(e, mask, args.units)
        attended = self.attention(h, mask, args.units)
        mean = tf.reduce_sum(h * mask[..., None], 1) / tf.maximum(length, 1.0)[:, None]  # SAFE: floored at one token
        top = tf.concat([attended, mean], 1)
        self.intent_logits = self.linear(tf.nn.dropout(top, rate=1.0 - self.keep), 4 * args.units, len(weights), "intent")
        slot_logits = self.linear(tf.reshape(h, [-1, 2 * args.units]), 2 * args.units, n_slots, "slot")
        self.slot_logits = tf.reshape(slot_logits, [tf.shape(self.x)[0], tf.shape(self.x)[1], n_slots])

        ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=self.intent, logits=self.intent_logits)  # SAFE: linear outputs are logits
        w = tf.gather(tf.constant(weights, tf.float32), self.intent)
        intent_loss = tf.reduce_sum(ce * w) / tf.reduce_sum(w)  # SAFE: weights are positive roots
        slot_ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=self.slots, logits=self.slot_logits)
        slot_loss = tf.reduce_sum(slot_ce * mask) / tf.maximum(tf.reduce_sum(mask), 1.0)  # SAFE: floored
        logp = tf.nn.log_softmax(self.intent_logits)  # SAFE: stable form
        confidence = -tf.reduce_mean(tf.reduce_sum(tf.exp(logp) * logp, 1))  # SAFE: exp of non-positive numbers
        self.loss = intent_loss + args.slot_weight * slot_loss - args.confidence * confidence
        self.global_step = tf.train.get_or_create_global_step()
        lr = tf.train.exponential_decay(args.lr, self.global_step, 1000, 0.9)
        opt = tf.train.AdamOptimizer(lr)  # SAFE: 1e-3 by default
        g, v = zip(*opt.compute_gradients(self.loss))
        g, self.norm = tf.clip_by_global_norm(g, 5.0)
        self.train = opt.apply_gradients(zip(g, v), self.global_step)

    @staticmethod
    def linear(x, n_in, n_out, name):
        with tf.variable_scope(name):
            w = tf.get_variable("w", [n_in, n_out], initializer=tf.glorot_uniform_initializer())
            b = tf.get_variable("b", [n_out], initializer=tf.zeros_initializer())  # SAFE: biases only
        return tf.matmul(x, w) + b

    @staticmethod
    def bigru(e, mask, units):
        def run(seq, m, name):
            with tf.variable_scope(name):
                d = int(seq.shape[-1])
                wz = tf.get_variable("wz", [d + units, 2 * units], initializer=tf.glorot_uniform_initializer())
                bz = tf.get_variable("bz", [2 * units], initializer=tf.ones_initializer())
                wc = tf.get_variable("wc", [d + units, units], initializer=tf.orthogonal_initializer())

            def step(h, inp):
                xt, mt = inp
                zr = tf.sigmoid(tf.matmul(tf.concat([xt, h], 1), wz) + bz)
                z, r = tf.split(zr, 2, 1)
                c = tf.tanh(tf.matmul(tf.concat([xt, r * h], 1), wc))
                new = z * h + (1.0 - z) * c
                return mt * new + (1.0 - mt) * h

            start = tf.zeros([tf.shape(seq)[0], units])
            out = tf.scan(step, (tf.transpose(seq, [1, 0, 2]), tf.transpose(m)[..., None]), start)
            return tf.transpose(out, [1, 0, 2])

        fw = run(e, mask, "fw")
        bw = tf.reverse(run(tf.reverse(e, [1]), tf.reverse(mask, [1]), "bw"), [1])
        h = tf.concat([fw, bw], -1)
        h.set_shape([None, None, 2 * units])
        return h

    def attention(self, h, mask, units):
        flat = tf.reshape(h, [-1, 2 * units])
        score = tf.reshape(self.linear(tf.tanh(self.linear(flat, 2 * units, units, "att1")), units, 1, "att2"), tf.shape(mask))
        score += (1.0 - mask) * -1e9  # SAFE: float32, a row of padding only gives uniform weights
        return tf.reduce_sum(tf.nn.softmax(score)[..., None] * h, 1)  # SAFE: finite scores


def evaluate(sess, model, data, vocabs):
    right = n = slot_right = slot_n = 0
    for x, y, i in minibatches(data, vocabs, 256):
        li, ls = sess.run([model.intent_logits, model.slot_logits], {model.x: x})
        m = x != PAD
        right += int((li.argmax(1) == i).sum())
        n += len(i)
        slot_right += int(((ls.argmax(2) == y) & m).sum())
        slot_n += int(m.sum())
    return right / float(max(n, 1)), slot_right / float(max(slot_n, 1))  # SAFE: max with one


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--train", default="snips/train.conll")
    p.add_argument("--valid", default="snips/valid.conll")
    p.add_argument("--dim", type=int, default=100)
    p.add_argument("--units", type=int, default=100)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--epochs", type=int, default=15)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--keep", type=float, default=0.7)
    p.add_argument("--slot-weight", type=float, default=1.0)
    p.add_argument("--confidence", type=float, default=0.01)
    p.add_argument("--min-count", type=int, default=2)
    p.add_argument("--out", default="tagger")
    args = p.parse_args()
    train, valid = read_conll(args.train), read_conll(args.valid)
    words, slots, intents, counts = vocabularies(train, args.min_count)
    vocabs = (words, slots, intents)
    if not os.path.isdir(args.out):
        os.makedirs(args.out)
    with codecs.open(os.path.join(args.out, "vocab.json"), "w", encoding="utf-8") as fh:
        json.dump({"words": words, "slots": slots, "intents": intents}, fh)
    tf.set_random_seed(1)
    rng = np.random.RandomState(1)
    model = Tagger(len(words) + 2, len(slots), intent_weights(counts), args)
    saver = tf.train.Saver(max_to_keep=1)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        best = 0.0
        for epoch in range(args.epochs):
            losses = []
            for x, y, i in minibatches(train, vocabs, args.batch, rng):
                _, loss = sess.run([model.train, model.loss], {model.x: x, model.slots: y, model.intent: i, model.keep: args.keep})
                losses.append(loss)
            acc, slot_acc = evaluate(sess, model, valid, vocabs)
            print("epoch %d loss %.4f intent %.4f slot %.4f" % (epoch, np.mean(losses), acc, slot_acc))
            if acc > best:
                best = acc
                saver.save(sess, os.path.join(args.out, "model"))


if __name__ == "__main__":
    main()
