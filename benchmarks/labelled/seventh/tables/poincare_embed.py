"""Poincare ball embeddings of a taxonomy (Nickel and Kiela 2017), TF 2."""
import argparse
import collections
import os

import numpy as np
import tensorflow as tf

MAX_NORM = 1.0 - 1e-3


def read_closure(path):
    """child <tab> ancestor"""
    names, pairs = {}, []
    with open(path) as fh:
        for line in fh:
            a, b = line.rstrip("\n").split("\t")[:2]
            pairs.append((names.setdefault(a, len(names)), names.setdefault(b, len(names))))
    return np.array(pairs, np.int32), names


def project(x):
    n = tf.sqrt(tf.reduce_sum(tf.square(x), -1, keepdims=True) + 1e-12)
    return tf.where(n > MAX_NORM, x / n * MAX_NORM, x)  # SAFE: the norm has an epsilon, and there is no tape around the projection


def ball_distance(u, v):
    sq = tf.reduce_sum(tf.square(u - v), -1)
    alpha = 1.0 - tf.reduce_sum(tf.square(u), -1)
    beta = 1.0 - tf.reduce_sum(tf.square(v), -1)
    x = 1.0 + 2.0 * sq / (alpha * beta)  # SAFE: project keeps every norm below 0.999 after each step
    return tf.acosh(x)  # BUG: domain, the gradient of acosh at 1 is infinite, which is the distance of a node drawn as its own negative


def lorentz_distance(u, v):
    inner = tf.reduce_sum(u[..., 1:] * v[..., 1:], -1) - u[..., 0] * v[..., 0]
    return tf.acosh(tf.maximum(-inner, 1.0 + 1e-5))  # SAFE: the argument stays above 1 + 1e-5, where maximum passes no gradient


def to_lorentz(x):
    sq = tf.reduce_sum(tf.square(x), -1, keepdims=True)
    return tf.concat([1.0 + sq, 2.0 * x], -1) / (1.0 - sq)  # SAFE: project keeps norms below 0.999


class Embedding(tf.Module):

    def __init__(self, n, dim, seed=0):
        super().__init__()
        rng = tf.random.Generator.from_seed(seed)
        self.table = tf.Variable(rng.uniform([n, dim], -1e-3, 1e-3))

    def riemannian_step(self, grad, lr):
        g = tf.convert_to_tensor(grad)
        sq = tf.reduce_sum(tf.square(self.table), -1, keepdims=True)
        scale = tf.square(1.0 - sq) / 4.0
        self.table.assign(project(self.table - lr * scale * g))

    def norms(self):
        return tf.norm(self.table, axis=-1).numpy()  # SAFE: evaluated outside of any tape


class Sampler:

    def __init__(self, pairs, n, negatives, seed=0):
        self.pairs, self.n, self.k = pairs, n, negatives
        self.rng = np.random.default_rng(seed)
        self.known = collections.defaultdict(set)
        for a, b in pairs:
            self.known[int(a)].add(int(b))
        count = np.bincount(pairs[:, 1], minlength=n) + 1.0
        self.p = count ** 0.75
        self.p /= self.p.sum()  # SAFE: every count is at least one

    def batch(self, size):
        rows = self.pairs[self.rng.integers(0, len(self.pairs), size)]
        neg = self.rng.choice(self.n, (size, self.k), p=self.p)
        for r, (a, _) in enumerate(rows):
            for c in range(self.k):
                for _ in range(10):
                    if int(neg[r, c]) not in self.known[int(a)]:
                        break
                    neg[r, c] = self.rng.integers(self.n)
        return rows[:, 0], np.concatenate([rows[:, 1:], neg], 1).astype(np.int32)


def ranking_loss(table, u, candidates):
    eu = tf.gather(table, u)[:, None]
    ev = tf.gather(table, candidates)
    d = ball_distance(eu, ev)
    logp = tf.nn.log_softmax(-d, axis=1)  # SAFE: distances are finite inside the ball, log_softmax subtracts the maximum
    return -tf.reduce_mean(logp[:, 0])


def mean_rank(table, pairs, known, limit=500):
    lor = to_lorentz(tf.convert_to_tensor(table))
    ranks, aps = [], []
    for u, v in pairs[:limit]:
        d = lorentz_distance(lor[int(u)][None], lor).numpy()
        skip = [w for w in known[int(u)] if w != int(v)] + [int(u)]
        dv = d[int(v)]
        d[skip] = np.inf  # SAFE: only compared, nothing is computed from the infinity
        rank = 1 + int((d < dv).sum())
        ranks.append(rank)
        aps.append(1.0 / rank)  # SAFE: a rank is at least one
    return float(np.mean(ranks)), float(np.mean(aps))


def clip_rows(grad, limit=10.0):
    n = tf.sqrt(tf.reduce_sum(tf.square(grad), -1, keepdims=True))
    return grad * tf.minimum(1.0, limit / tf.maximum(n, 1e-9))  # SAFE: the norm is floored


def train(pairs, names, args):
    emb = Embedding(len(names), args.dim)
    sampler = Sampler(pairs, len(names), args.negatives)
    steps = max(len(pairs) // args.batch, 1)
    for epoch in range(args.epochs):
        lr = args.lr * (0.1 if epoch < args.burn_in else 1.0)
        total = 0.0
        for _ in range(steps):
            u, cand = sampler.batch(args.batch)
            with tf.GradientTape() as tape:
                loss = ranking_loss(emb.table, tf.constant(u), tf.constant(cand))
            grad = tf.convert_to_tensor(tape.gradient(loss, emb.table))
            emb.riemannian_step(clip_rows(grad * args.batch), lr)
            total += float(loss)
        if epoch % args.eval_every == 0:
            rank, mrr = mean_rank(emb.table, pairs, sampler.known)
            print(f"epoch {epoch} loss {total / steps:.4f} rank {rank:.1f} mrr {mrr:.3f} "  # SAFE: steps is at least one
                  f"max norm {emb.norms().max():.4f}", flush=True)
            np.savez(os.path.join(args.out, "poincare.npz"), table=emb.table.numpy(), names=list(names))
    return emb


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--closure", default="mammals.tsv")
    ap.add_argument("--dim", type=int, default=10)
    ap.add_argument("--negatives", type=int, default=20)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--epochs", type=int, default=300)
    ap.add_argument("--burn-in", dest="burn_in", type=int, default=20)
    ap.add_argument("--eval-every", dest="eval_every", type=int, default=10)
    ap.add_argument("--lr", type=float, default=0.3)
    ap.add_argument("--out", default=".")
    args = ap.parse_args()
    pairs, names = read_closure(args.closure)
    print(len(names), "nodes", len(pairs), "relations")
    train(pairs, names, args)


if __name__ == "__main__":
    main()
