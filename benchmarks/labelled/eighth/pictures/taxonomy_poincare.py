"""Poincare embeddings of the plant taxonomy, used as targets for an image tagger.

edges.tsv: child <tab> parent (transitive closure, one pair per line)
"""
import argparse
import collections
import math
import random

import numpy as np
import tensorflow as tf


def read_edges(path):
    pairs, names = [], {}
    with open(path, encoding="utf8") as fh:
        for line in fh:
            a, b = line.rstrip("\n").split("\t")[:2]
            if a == b:
                continue
            pairs.append((names.setdefault(a, len(names)), names.setdefault(b, len(names))))
    return np.array(pairs, np.int32), list(names)


class Ball:
    """Poincare ball of curvature -1."""

    eps = 1e-10
    max_norm = 1.0 - 1e-10

    @classmethod
    def project(cls, x):
        n = tf.norm(x, axis=-1, keepdims=True)  # SAFE: used on assigned values outside of the tape
        scaled = x / tf.maximum(n, 1e-12) * cls.max_norm  # SAFE: norm floored at 1e-12 in float32
        return tf.where(n >= 1.0, scaled, x)

    @classmethod
    def distance(cls, u, v):
        uu = tf.reduce_sum(u * u, -1)
        vv = tf.reduce_sum(v * v, -1)
        duv = tf.reduce_sum(tf.square(u - v), -1)
        gamma = 1.0 + 2.0 * duv / ((1.0 - uu) * (1.0 - vv))  # BUG: weak-guard, 1 - 1e-10 is 1.0 in float32 so projected points sit on the boundary and the denominator is 0
        return tf.math.log(gamma + tf.sqrt(tf.maximum(gamma * gamma - 1.0, 1e-7)))  # SAFE: gamma is at least one and the root is floored with a maximum

    @staticmethod
    def rescale(x, g):
        """Riemannian gradient."""
        f = tf.square(1.0 - tf.reduce_sum(x * x, -1, keepdims=True)) / 4.0  # SAFE: constant four
        return f * g


class Embedding(tf.Module):
    def __init__(self, n, dim, seed):
        super().__init__()
        init = tf.random.stateless_uniform([n, dim], [seed, 1], -1e-3, 1e-3)
        self.table = tf.Variable(init, name="table")

    def loss(self, child, cand):
        """First candidate is the true parent, the others are negatives."""
        u = tf.gather(self.table, child)[:, None]
        v = tf.gather(self.table, cand)
        d = Ball.distance(u, v)
        return tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(  # SAFE: negative distances are used as logits
            labels=tf.zeros([tf.shape(d)[0]], tf.int32), logits=-d))


class RSGD:
    def __init__(self, lr, burn_in, factor=10.0):
        self.lr, self.burn_in, self.factor = lr, burn_in, factor
        self.epoch = 0

    @property
    def rate(self):
        return self.lr / self.factor if self.epoch < self.burn_in else self.lr  # SAFE: factor is the constant 10

    def apply(self, g, var):
        if isinstance(g, tf.IndexedSlices):
            g = tf.math.unsorted_segment_sum(g.values, g.indices, tf.shape(var)[0])
        g = Ball.rescale(var, g)
        n = tf.norm(g, axis=-1, keepdims=True)  # SAFE: norm of a gradient, not differentiated
        g = g * tf.minimum(1.0, 5.0 / tf.maximum(n, 1e-9))  # SAFE: norm floored
        var.assign(Ball.project(var - self.rate * g))


class Sampler:
    def __init__(self, pairs, n, negatives, seed):
        self.pairs, self.n, self.k = pairs, n, negatives
        self.rng = np.random.default_rng(seed)
        self.known = collections.defaultdict(set)
        for c, p in pairs:
            self.known[c].add(p)
        cnt = np.bincount(pairs[:, 1], minlength=n) + 1.0
        w = np.power(cnt, 0.75)  # SAFE: counts are at least one
        self.p = w / w.sum()  # SAFE: positive weights

    def epoch(self, batch):
        order = self.rng.permutation(len(self.pairs))
        for i in range(0, len(order), batch):
            sel = self.pairs[order[i:i + batch]]
            neg = self.rng.choice(self.n, (len(sel), self.k), p=self.p)
            yield sel[:, 0], np.concatenate([sel[:, 1:], neg], 1).astype(np.int32)


def mean_rank(emb, pairs, known, limit=500):
    x = emb.table.numpy().astype(np.float64)
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True) / (1 - 1e-5), 1.0)  # SAFE: float64 and the floor keeps points inside the ball
    sq = (x * x).sum(1)
    ranks = []
    for c, p in random.sample(list(map(tuple, pairs)), min(limit, len(pairs))):
        d = ((x - x[c]) ** 2).sum(1)
        dist = np.arccosh(1 + 2 * d / ((1 - sq[c]) * (1 - sq)))  # SAFE: float64 points pulled inside the ball, argument at least one
        dist[list(known[c] - {p})] = np.inf
        dist[c] = np.inf
        ranks.append(int((dist < dist[p]).sum()) + 1)
    r = np.array(ranks, float)
    return r.mean(), (1.0 / r).mean()  # SAFE: ranks start at one


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("edges")
    ap.add_argument("--dim", type=int, default=5)
    ap.add_argument("--lr", type=float, default=0.5)
    ap.add_argument("--epochs", type=int, default=300)
    ap.add_argument("--burn-in", type=int, default=10)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--negatives", type=int, default=20)
    ap.add_argument("--seed", type=int, default=3)
    a = ap.parse_args()
    pairs, names = read_edges(a.edges)
    print(f"{len(names)} taxa, {len(pairs)} pairs, depth bound {math.log2(max(len(names), 2)):.1f}")  # SAFE: at least two
    emb, opt = Embedding(len(names), a.dim, a.seed), RSGD(a.lr, a.burn_in)
    smp = Sampler(pairs, len(names), a.negatives, a.seed)
    ck = tf.train.CheckpointManager(tf.train.Checkpoint(emb=emb), "ckpt_taxonomy", 2)

    @tf.function(reduce_retracing=True)
    def grad(child, cand):
        with tf.GradientTape() as t:
            loss = emb.loss(child, cand)
        return loss, t.gradient(loss, emb.table)

    for ep in range(a.epochs):
        opt.epoch = ep
        tot = 0.0
        for child, cand in smp.epoch(a.batch):
            loss, g = grad(tf.constant(child), tf.constant(cand))
            opt.apply(g, emb.table)
            tot += float(loss)
        if ep % 10 == 9:
            mr, mrr = mean_rank(emb, pairs, smp.known)
            print(f"{ep + 1:4d} loss {tot / len(pairs):.4f} mean rank {mr:.2f} MRR {mrr:.3f}")  # SAFE: file has at least one pair
            ck.save()
    np.savez("taxonomy_vectors.npz", names=np.array(names), vec=emb.table.numpy())


if __name__ == "__main__":
    main()
