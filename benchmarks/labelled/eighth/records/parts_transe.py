"""TransE for the spare-parts graph (fits-into, replaces, same-as, made-by).

Triples come from tab separated files head / relation / tail, exported nightly from the ERP.
"""
import argparse
import logging
import os
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from tensorflow import keras

log = logging.getLogger("transe")


@dataclass
class Vocab:
    entity: dict
    relation: dict

    @classmethod
    def build(cls, triples):
        e = sorted({t[0] for t in triples} | {t[2] for t in triples})
        r = sorted({t[1] for t in triples})
        return cls({v: i for i, v in enumerate(e)}, {v: i for i, v in enumerate(r)})

    def encode(self, triples):
        rows = [(self.entity[h], self.relation[r], self.entity[t]) for h, r, t in triples
                if h in self.entity and r in self.relation and t in self.entity]
        return np.array(rows, np.int32).reshape(-1, 3)


def read_triples(path):
    with open(path, encoding="utf-8") as fh:
        # the ERP lists every part as same-as of itself, together with its aliases
        return [tuple(line.rstrip("\n").split("\t")) for line in fh if line.count("\t") == 2]


def relation_stats(triples, n_rel):
    """Tails per head and heads per tail decide which side is corrupted (Wang et al. 2014)."""
    prob = np.full(n_rel, 0.5, np.float32)
    for r in range(n_rel):
        t = triples[triples[:, 1] == r]
        if not len(t):
            continue
        tph = len(t) / len(np.unique(t[:, 0]))  # SAFE: relations without triples are skipped
        hpt = len(t) / len(np.unique(t[:, 2]))  # SAFE: relations without triples are skipped
        prob[r] = tph / (tph + hpt)  # SAFE: both ratios are at least one
    return prob


class TransE(keras.Model):
    def __init__(self, n_ent, n_rel, dim):
        super().__init__()
        bound = 6.0 / np.sqrt(dim)  # SAFE: dim is positive
        uniform = keras.initializers.RandomUniform(-bound, bound)
        self.ent = self.add_weight(name="ent", shape=(n_ent, dim), initializer=uniform)
        self.rel = self.add_weight(name="rel", shape=(n_rel, dim), initializer="zeros")

    def renormalise(self):
        self.ent.assign(tf.math.l2_normalize(self.ent, axis=1))  # SAFE: l2_normalize carries an epsilon, outside of the tape

    def call(self, triples):
        h = tf.gather(self.ent, triples[:, 0])
        r = tf.gather(self.rel, triples[:, 1])
        t = tf.gather(self.ent, triples[:, 2])
        return tf.norm(h + r - t, axis=1)  # BUG: norm-grad, self triples have h = t and relations start at zero


def corrupt(triples, head_prob, n_ent, rng):
    bad = triples.copy()
    heads = rng.random(len(bad)) < head_prob[bad[:, 1]]
    rand = rng.integers(0, n_ent, len(bad), dtype=np.int32)
    bad[heads, 0] = rand[heads]
    bad[~heads, 2] = rand[~heads]
    return bad


def margin_loss(pos, neg, margin):
    return tf.reduce_mean(tf.nn.relu(margin + pos - neg))  # SAFE: a margin of two is active for nearly all unit vectors


def rank_tails(model, triples, known, chunk=256):
    ranks = []
    ent = model.ent.numpy()
    rel = model.rel.numpy()
    for i in range(0, len(triples), chunk):
        part = triples[i:i + chunk]
        goal = ent[part[:, 0]] + rel[part[:, 1]]
        d = np.sqrt(((goal[:, None] - ent[None]) ** 2).sum(-1))  # SAFE: numpy evaluation of a sum of squares
        for row, (h, r, t) in zip(d, part):
            true = row[t]
            row[list(known.get((h, r), ()))] = np.inf  # SAFE: filtered candidates, evaluation only
            ranks.append(1 + int((row < true).sum()))
    return np.array(ranks)


def report(ranks):
    mrr = float((1.0 / ranks).mean())  # SAFE: ranks start from one
    return "mrr %.4f hits@1 %.3f hits@10 %.3f" % (mrr, (ranks <= 1).mean(), (ranks <= 10).mean())


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="kg")
    ap.add_argument("--dim", type=int, default=100)
    ap.add_argument("--margin", type=float, default=2.0)
    ap.add_argument("--batch", type=int, default=2048)
    ap.add_argument("--epochs", type=int, default=200)
    ap.add_argument("--lr", type=float, default=0.01)
    args = ap.parse_args()
    logging.basicConfig(level=logging.INFO)
    if args.margin <= 0:
        ap.error("margin must be positive")

    raw = read_triples(os.path.join(args.data, "train.tsv"))
    vocab = Vocab.build(raw)
    train = vocab.encode(raw)
    valid = vocab.encode(read_triples(os.path.join(args.data, "valid.tsv")))
    known = {}
    for h, r, t in np.concatenate([train, valid]):
        known.setdefault((h, r), set()).add(t)
    head_prob = relation_stats(train, len(vocab.relation))
    model = TransE(len(vocab.entity), len(vocab.relation), args.dim)
    model.renormalise()
    opt = keras.optimizers.Adagrad(args.lr)  # SAFE: 0.01 with Adagrad
    rng = np.random.default_rng(17)

    @tf.function(reduce_retracing=True)
    def step(pos, neg):
        with tf.GradientTape() as tape:
            loss = margin_loss(model(pos), model(neg), args.margin)
        tv = model.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, tv), tv))
        return loss

    for epoch in range(args.epochs):
        order = rng.permutation(len(train))
        total = 0.0
        for i in range(0, len(order), args.batch):
            pos = train[order[i:i + args.batch]]
            total += float(step(tf.constant(pos), tf.constant(corrupt(pos, head_prob, len(vocab.entity), rng)))) * len(pos)
            model.renormalise()
        log.info("epoch %d loss %.5f", epoch, total / len(order))  # SAFE: the training file is not empty
        if epoch % 20 == 19:
            log.info(report(rank_tails(model, valid, known)))
    np.savez("transe.npz", ent=model.ent.numpy(), rel=model.rel.numpy())


if __name__ == "__main__":
    main()
