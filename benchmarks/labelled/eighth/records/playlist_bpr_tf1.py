#!/usr/bin/env python
# -*- coding: utf-8 -*-
"""BPR matrix factorisation on playlist / track pairs (TensorFlow 1.x, also runs through compat.v1)."""
from __future__ import division, print_function

import argparse
import collections
import os
import random
import time

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_eager_execution()


def read_pairs(path):
    lists, tracks = {}, {}
    seen = collections.defaultdict(set)
    with open(path) as fh:
        for line in fh:
            p, t = line.strip().split(",")[:2]
            p = lists.setdefault(p, len(lists))
            t = tracks.setdefault(t, len(tracks))
            seen[p].add(t)
    return seen, len(lists), len(tracks)


def leave_one_out(seen, rng):
    held = {}
    for p, ts in seen.items():
        if len(ts) > 4:
            t = rng.choice(sorted(ts))
            ts.remove(t)
            held[p] = t
    return held


def popularity(seen, n_tracks, power=0.75):
    count = np.zeros(n_tracks)
    for ts in seen.values():
        for t in ts:
            count[t] += 1
    w = np.power(count, power)  # SAFE: counts are not negative and the power is positive
    return w / w.sum()  # SAFE: at least one pair was read


class Sampler(object):
    def __init__(self, seen, n_tracks, size, seed):
        self.pairs = np.array([(p, t) for p, ts in seen.items() for t in ts], np.int32)
        self.seen, self.size = seen, size
        self.rng = np.random.RandomState(seed)
        self.cum = np.cumsum(popularity(seen, n_tracks))
        self.n_tracks = n_tracks

    def draw(self, n):
        return np.minimum(np.searchsorted(self.cum, self.rng.rand(n)), self.n_tracks - 1)

    def epoch(self):
        order = self.rng.permutation(len(self.pairs))
        for i in range(0, len(order), self.size):
            batch = self.pairs[order[i:i + self.size]]
            neg = self.draw(len(batch))
            for k in range(len(batch)):
                tries = 0
                while neg[k] in self.seen[batch[k, 0]] and tries < 20:
                    neg[k] = self.draw(1)[0]
                    tries += 1
            yield batch[:, 0], batch[:, 1], neg


class BPR(object):
    def __init__(self, n_lists, n_tracks, args):
        self.u = tf.placeholder(tf.int32, [None], "u")
        self.i = tf.placeholder(tf.int32, [None], "i")
        self.j = tf.placeholder(tf.int32, [None], "j")
        init = tf.random_normal_initializer()
        with tf.variable_scope("factors"):
            user = tf.get_variable("user", [n_lists, args.dim], initializer=init)
            item = tf.get_variable("item", [n_tracks, args.dim], initializer=init)
            bias = tf.get_variable("bias", [n_tracks], initializer=tf.zeros_initializer())  # SAFE: only the biases start at zero
        eu, ei, ej = (tf.nn.embedding_lookup(v, k) for v, k in ((user, self.u), (item, self.i), (item, self.j)))
        x = tf.reduce_sum(eu * (ei - ej), 1) + tf.gather(bias, self.i) - tf.gather(bias, self.j)
        self.scale = args.sharpness
        order_loss = -tf.reduce_mean(tf.log(tf.sigmoid(self.scale * x)))  # BUG: log-sigmoid, factors start with deviation 1 so scaled differences reach -100 and the sigmoid is 0
        l2 = tf.nn.l2_loss(eu) + tf.nn.l2_loss(ei) + tf.nn.l2_loss(ej)
        size = tf.cast(tf.shape(self.u)[0], tf.float32)
        self.loss = order_loss + args.reg * l2 / size  # SAFE: batches have at least one pair
        self.auc = tf.reduce_mean(tf.cast(x > 0, tf.float32))
        step = tf.train.get_or_create_global_step()
        lr = tf.train.inverse_time_decay(args.lr, step, 10000, 0.5)  # SAFE: one plus a positive term divides
        self.train = tf.train.AdamOptimizer(lr).minimize(self.loss, global_step=step)
        self.scores = tf.matmul(eu, item, transpose_b=True) + bias[None]
        # how similar are the tracks of a playlist, for the log
        unit = tf.nn.l2_normalize(item, 1)  # SAFE: l2_normalize has an epsilon
        self.cosine = tf.reduce_mean(tf.reduce_sum(tf.gather(unit, self.i) * tf.gather(unit, self.j), 1))


def evaluate(sess, model, held, seen, k=20, chunk=256):
    ps = sorted(held)
    hits, gain = 0, 0.0
    for s in range(0, len(ps), chunk):
        part = ps[s:s + chunk]
        scores = sess.run(model.scores, {model.u: part})
        for row, p in zip(scores, part):
            row[list(seen[p])] = -np.inf  # SAFE: known tracks leave the ranking
            rank = int((row > row[held[p]]).sum())
            if rank < k:
                hits += 1
                gain += 1.0 / np.log2(rank + 2)  # SAFE: rank + 2 is at least two
    n = max(len(ps), 1)
    return hits / n, gain / n  # SAFE: max with one above


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("pairs")
    ap.add_argument("--dim", type=int, default=64)
    ap.add_argument("--sharpness", type=float, default=10.0, help="multiplies the score difference")
    ap.add_argument("--reg", type=float, default=1e-4)
    ap.add_argument("--lr", type=float, default=5e-3)
    ap.add_argument("--batch", type=int, default=8192)
    ap.add_argument("--epochs", type=int, default=60)
    ap.add_argument("--seed", type=int, default=9)
    ap.add_argument("--ckpt", default="bpr/model")
    args = ap.parse_args()

    seen, n_lists, n_tracks = read_pairs(args.pairs)
    held = leave_one_out(seen, random.Random(args.seed))
    density = 100.0 * sum(map(len, seen.values())) / (float(n_lists) * n_tracks)  # SAFE: the file has playlists and tracks
    print("%d playlists, %d tracks, density %.4f%%" % (n_lists, n_tracks, density))
    tf.set_random_seed(args.seed)
    model = BPR(n_lists, n_tracks, args)
    sampler = Sampler(seen, n_tracks, args.batch, args.seed)
    saver = tf.train.Saver()
    if not os.path.isdir(os.path.dirname(args.ckpt) or "."):
        os.makedirs(os.path.dirname(args.ckpt))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        best = 0.0
        for epoch in range(args.epochs):
            t0, losses, aucs = time.time(), [], []
            for u, i, j in sampler.epoch():
                loss, auc, _ = sess.run([model.loss, model.auc, model.train], {model.u: u, model.i: i, model.j: j})
                losses.append(loss)
                aucs.append(auc)
            hr, ndcg = evaluate(sess, model, held, seen)
            cos = sess.run(model.cosine, {model.i: sampler.draw(500), model.j: sampler.draw(500)})
            print("epoch %d loss %.4f auc %.4f HR@20 %.4f NDCG %.4f cosine %.3f %.0fs" % (
                epoch, np.mean(losses), np.mean(aucs), hr, ndcg, cos, time.time() - t0))
            if ndcg > best:
                best = ndcg
                saver.save(sess, args.ckpt)


if __name__ == "__main__":
    main()
