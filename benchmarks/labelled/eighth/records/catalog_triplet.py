"""Embeddings of product photos' feature vectors so that the same article from two shops lands together.

Batch-hard triplets (Hermans et al.) over features that were exported from a frozen CNN.
"""
import argparse
import os
import pickle
from collections import defaultdict

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


PULL = 0.05


def load_features(path):
    with open(path, "rb") as fh:
        blob = pickle.load(fh)
    feats = np.asarray(blob["features"], np.float32)
    _, article = np.unique(blob["article"], return_inverse=True)
    # frozen features are non-negative and heavy tailed
    feats = np.sqrt(np.maximum(feats, 0.0))  # SAFE: numpy preprocessing, nothing is differentiated
    norm = np.linalg.norm(feats, axis=1, keepdims=True)
    return feats / np.maximum(norm, 1e-6), article  # SAFE: norm floored


class PKSampler:
    """P articles with K photos each."""

    def __init__(self, article, p, k, seed):
        self.rng = np.random.default_rng(seed)
        groups = defaultdict(list)
        for i, a in enumerate(article):
            groups[a].append(i)
        self.groups = {a: np.array(v) for a, v in groups.items() if len(v) >= 2}
        self.keys = np.array(list(self.groups))
        self.p, self.k = p, k
        if len(self.keys) < p:
            raise ValueError("need at least %d articles with two photos" % p)

    def __iter__(self):
        while True:
            idx, lab = [], []
            for a in self.rng.choice(self.keys, self.p, replace=False):
                g = self.groups[a]
                idx.append(self.rng.choice(g, self.k, replace=len(g) < self.k))
                lab.append(np.full(self.k, a))
            yield np.concatenate(idx), np.concatenate(lab)


def pairwise_distance(z):
    """Euclidean distance matrix of a batch."""
    dot = tf.matmul(z, z, transpose_b=True)
    sq = tf.linalg.diag_part(dot)
    d2 = sq[:, None] - 2.0 * dot + sq[None, :]
    d2 = tf.maximum(d2, 0.0)
    return tf.sqrt(d2)  # BUG: sqrt-grad, the diagonal is 0 where the slope is infinite and the pull term reaches it


def batch_hard(z, labels, margin):
    dist = pairwise_distance(z)
    same = tf.cast(labels[:, None] == labels[None, :], tf.float32)
    hardest_pos = tf.reduce_max(dist * same, axis=1)
    far = tf.reduce_max(dist, axis=1, keepdims=True)
    hardest_neg = tf.reduce_min(dist + far * same, axis=1)
    gap = hardest_pos - hardest_neg
    loss = tf.nn.softplus(gap) if margin is None else tf.nn.relu(gap + margin)  # SAFE: the margin keeps triplets active
    active = tf.reduce_mean(tf.cast(loss > 1e-5, tf.float32))
    pull = tf.reduce_sum(dist * same) / tf.reduce_sum(same)  # SAFE: every row has at least itself
    return tf.reduce_mean(loss) + PULL * pull, active, tf.reduce_mean(hardest_pos)


def build(dim_in, dim_out, width):
    return tf.keras.Sequential([
        layers.Input((dim_in,)),
        layers.Dense(width, use_bias=False),
        layers.BatchNormalization(),
        layers.PReLU(),
        layers.Dropout(0.2),
        layers.Dense(dim_out),
    ])


def recall_at(z, article, ks, chunk=512):
    zn = z / (np.linalg.norm(z, axis=1, keepdims=True) + 1e-8)  # SAFE: the epsilon is far above the smallest float32
    hits = {k: 0 for k in ks}
    n = 0
    for s in range(0, len(zn), chunk):
        sim = zn[s:s + chunk] @ zn.T
        sim[np.arange(len(sim)), np.arange(s, s + len(sim))] = -np.inf  # SAFE: marks the query itself before sorting
        top = np.argsort(-sim, axis=1)[:, :max(ks)]
        ok = article[top] == article[s:s + len(sim)][:, None]
        for k in ks:
            hits[k] += int(ok[:, :k].any(1).sum())
        n += len(sim)
    return {k: h / max(n, 1) for k, h in hits.items()}  # SAFE: max with one


def spread(z):
    """Collapse indicator: mean distance to the centroid over the mean norm."""
    centre = z.mean(0)
    return float(np.linalg.norm(z - centre, axis=1).mean() / max(np.linalg.norm(z, axis=1).mean(), 1e-8))  # SAFE: floored


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="features_train.pkl")
    ap.add_argument("--query", default="features_query.pkl")
    ap.add_argument("--p", type=int, default=24)
    ap.add_argument("--k", type=int, default=4)
    ap.add_argument("--dim", type=int, default=128)
    ap.add_argument("--width", type=int, default=512)
    ap.add_argument("--margin", type=float, default=0.3)
    ap.add_argument("--lr", type=float, default=3e-4)
    ap.add_argument("--steps", type=int, default=15000)
    ap.add_argument("--out", default="triplet")
    args = ap.parse_args()

    x, article = load_features(args.train)
    xq, aq = load_features(args.query)
    net = build(x.shape[1], args.dim, args.width)
    lr = tf.keras.optimizers.schedules.PiecewiseConstantDecay([args.steps // 2], [args.lr, args.lr * 0.1])  # SAFE: 3e-4 then lower
    opt = tf.keras.optimizers.Adam(lr)
    writer = tf.summary.create_file_writer(os.path.join(args.out, "tb"))

    @tf.function
    def step(bx, lab):
        with tf.GradientTape() as tape:
            z = net(bx, training=True)
            loss, active, pos = batch_hard(z, lab, args.margin)
        grads = tape.gradient(loss, net.trainable_variables)
        opt.apply_gradients(zip(grads, net.trainable_variables))
        return loss, active, pos

    for i, (idx, lab) in zip(range(args.steps), PKSampler(article, args.p, args.k, 0)):
        loss, active, pos = step(tf.constant(x[idx]), tf.constant(lab))
        if i % 100 == 0:
            with writer.as_default(step=i):
                tf.summary.scalar("loss", loss)
                tf.summary.scalar("active", active)
                tf.summary.scalar("hardest_positive", pos)
        if i % 2500 == 0:
            z = net.predict(xq, batch_size=2048, verbose=0)
            print(i, {k: round(v, 4) for k, v in recall_at(z, aq, (1, 5, 10)).items()}, "spread %.3f" % spread(z))
    net.save(os.path.join(args.out, "embedder.keras"))


if __name__ == "__main__":
    main()
