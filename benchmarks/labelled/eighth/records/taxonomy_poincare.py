"""Poincare embeddings (Nickel & Kiela 2017) of a product taxonomy.

Edges are lines `child<TAB>parent`. Trained with Riemannian SGD.
"""
import argparse
import logging
import math
import os

import numpy as np
import tensorflow as tf

LOG = logging.getLogger("poincare")
BALL_EPS = 1e-5


def read_edges(path):
    ids, edges = {}, set()
    with open(path, encoding="utf-8") as fh:
        for line in fh:
            if not line.strip():
                continue
            c, p = line.rstrip("\n").split("\t")
            # keep roots too, they are written as their own parent
            edges.add((ids.setdefault(c, len(ids)), ids.setdefault(p, len(ids))))
    return np.array(sorted(edges), np.int32), ids


def closure(edges, n):
    """All ancestors of each node."""
    parents = {}
    for c, p in edges:
        if c != p:
            parents.setdefault(int(c), set()).add(int(p))
    memo = {}

    def up(v, path=()):
        if v in memo:
            return memo[v]
        out = set()
        for p in parents.get(v, ()):
            if p not in path:
                out |= {p} | up(p, path + (v,))
        memo[v] = out
        return out

    pairs = [(v, a) for v in range(n) for a in up(v)]
    return np.array(pairs, np.int32)


def distance(u, v):
    """Hyperbolic distance, broadcasting over the leading axes."""
    uu = tf.reduce_sum(u * u, -1)
    vv = tf.reduce_sum(v * v, -1)
    d2 = tf.reduce_sum(tf.square(u - v), -1)
    gap = (1.0 - uu) * (1.0 - vv)
    arg = 1.0 + 2.0 * d2 / gap  # SAFE: project keeps points inside the ball by 1e-5
    return tf.acosh(arg)  # BUG: domain, a node drawn as its own negative has argument 1 where the slope is infinite


class Ball:
    def __init__(self, n, dim, seed):
        rng = np.random.default_rng(seed)
        self.theta = tf.Variable(rng.uniform(-1e-3, 1e-3, (n, dim)).astype(np.float32))

    def project(self, x):
        norm = tf.norm(x, axis=-1, keepdims=True)
        limit = 1.0 - BALL_EPS
        return tf.where(norm > limit, x * limit / tf.maximum(norm, BALL_EPS), x)  # SAFE: outside of the tape and floored

    def riemannian_step(self, rows, grad, lr):
        """grad is for the unique rows."""
        x = tf.gather(self.theta, rows)
        scale = tf.square(1.0 - tf.reduce_sum(x * x, -1, keepdims=True)) / 4.0  # SAFE: divided by a constant
        step = tf.clip_by_norm(lr * scale * grad, 0.5, axes=[-1])  # SAFE: clip_by_norm handles a norm of zero
        self.theta.scatter_nd_update(rows[:, None], self.project(x - step))


def negatives(rng, n, batch, k):
    return rng.integers(0, n, (batch, k), dtype=np.int32)


@tf.function(reduce_retracing=True)
def loss_and_grad(points, anchor, others):
    """points are the unique embeddings of the batch, anchor and others index into them; column 0 is the true ancestor"""
    with tf.GradientTape() as tape:
        tape.watch(points)
        d = distance(tf.gather(points, anchor)[:, None], tf.gather(points, others))
        log_p = tf.nn.log_softmax(-d, axis=-1)  # SAFE: log_softmax is stable
        loss = -tf.reduce_sum(log_p[:, 0])
    return loss, tape.gradient(loss, points)


def embedding_ranks(theta, pairs, sample, rng):
    pick = pairs[rng.permutation(len(pairs))[:sample]]
    anc = {}
    for c, a in pairs:
        anc.setdefault(int(c), set()).add(int(a))
    ranks = []
    sq = (theta ** 2).sum(1)
    for c, a in pick:
        d2 = ((theta - theta[c]) ** 2).sum(1)
        arg = 1 + 2 * d2 / ((1 - sq) * (1 - sq[c]))  # SAFE: points are projected inside the ball
        d = np.arccosh(np.maximum(arg, 1.0))  # SAFE: floored at one, numpy without gradients
        own = d[a]
        d[list(anc[int(c)])] = np.inf  # SAFE: true ancestors leave the ranking
        d[c] = np.inf
        ranks.append(1 + int((d < own).sum()))
    r = np.array(ranks, np.float64)
    return float(r.mean()), float((1.0 / r).mean())  # SAFE: ranks start from one


def depth_correlation(theta, pairs):
    depth = np.bincount(pairs[:, 0], minlength=len(theta)).astype(np.float64)
    radius = np.arctanh(np.minimum(np.linalg.norm(theta, axis=1).astype(np.float64), 1 - BALL_EPS))  # SAFE: radius is capped below one
    if depth.std() < 1e-12 or radius.std() < 1e-12:
        return 0.0
    return float(np.corrcoef(depth, radius)[0, 1])


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("edges")
    ap.add_argument("--dim", type=int, default=10)
    ap.add_argument("--negatives", type=int, default=20)
    ap.add_argument("--batch", type=int, default=256)
    ap.add_argument("--epochs", type=int, default=150)
    ap.add_argument("--burn-in", type=int, default=10)
    ap.add_argument("--lr", type=float, default=0.3)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--out", default="poincare.npz")
    args = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")

    edges, ids = read_edges(args.edges)
    pairs = closure(edges, len(ids))
    if not len(pairs):
        raise SystemExit("no edges in " + os.path.abspath(args.edges))
    LOG.info("%d nodes, %d edges, %d ancestor pairs, log2 nodes %.1f", len(ids), len(edges), len(pairs), math.log2(len(ids)))  # SAFE: there are pairs, so nodes
    rng = np.random.default_rng(args.seed)
    ball = Ball(len(ids), args.dim, args.seed)
    for epoch in range(args.epochs):
        lr = args.lr / 10 if epoch < args.burn_in else args.lr
        total = 0.0
        order = rng.permutation(len(pairs))
        for i in range(0, len(order), args.batch):
            b = pairs[order[i:i + args.batch]]
            other = np.concatenate([b[:, 1:], negatives(rng, len(ids), len(b), args.negatives)], 1)
            rows, inv = np.unique(np.concatenate([b[:, 0], other.ravel()]), return_inverse=True)
            anchor, others = inv[:len(b)].astype(np.int32), inv[len(b):].reshape(other.shape).astype(np.int32)
            rows = tf.constant(rows)
            loss, grad = loss_and_grad(tf.gather(ball.theta, rows), tf.constant(anchor), tf.constant(others))
            ball.riemannian_step(rows, grad, lr)
            total += float(loss)
        if epoch % 10 == 9:
            theta = ball.theta.numpy()
            rank, mrr = embedding_ranks(theta, pairs, 500, rng)
            LOG.info("epoch %d loss %.4f rank %.2f mrr %.4f depth %.3f", epoch + 1, total / len(pairs), rank, mrr,  # SAFE: checked above
                     depth_correlation(theta, pairs))
    np.savez(args.out, theta=ball.theta.numpy(), names=np.array(sorted(ids, key=ids.get)))


if __name__ == "__main__":
    main()
