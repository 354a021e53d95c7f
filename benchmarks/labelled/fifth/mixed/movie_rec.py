"""Implicit feedback recommender on MovieLens: matrix factorisation with BPR,
plus a history attention that weighs watched items by distance to the candidate.
"""
import argparse
import collections

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


def parse():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--ratings", default="ml-1m/ratings.dat")
    ap.add_argument("--dim", type=int, default=48)
    ap.add_argument("--hist", type=int, default=20)
    ap.add_argument("--batch", type=int, default=512)
    ap.add_argument("--epochs", type=int, default=15)
    ap.add_argument("--lr", type=float, default=2e-3)
    ap.add_argument("--reg", type=float, default=1e-6)
    return ap.parse_args()


def read_ratings(path, min_rating=4):
    per_user = collections.defaultdict(list)
    with open(path, encoding="latin-1") as f:
        for line in f:
            u, i, r, t = line.strip().split("::")
            if int(r) >= min_rating:
                per_user[int(u)].append((int(t), int(i)))
    return {u: [i for _, i in sorted(v)] for u, v in per_user.items() if len(v) > 3}


def popularity(per_user, n_items, power=0.75):
    cnt = np.zeros(n_items, np.float64)
    for items in per_user.values():
        np.add.at(cnt, items, 1.0)
    w = np.power(cnt, power)
    total = w.sum()
    return w / total if total > 0 else np.full(n_items, 1.0 / n_items)  # SAFE: total is checked before the division


def make_samples(per_user, n_items, hist, rng):
    probs = popularity(per_user, n_items)
    users, pos, neg, hists = [], [], [], []
    for u, items in per_user.items():
        seen = set(items)
        padded = (items[-hist:] + [0] * hist)[:hist]
        for it in items[:-1]:
            j = int(rng.choice(n_items, p=probs))
            while j in seen:
                j = int(rng.randint(1, n_items))
            users.append(u)
            pos.append(it)
            neg.append(j)
            hists.append(padded)
    return {"user": np.array(users, np.int32), "pos": np.array(pos, np.int32),
            "neg": np.array(neg, np.int32), "hist": np.array(hists, np.int32)}


class HistoryPool(layers.Layer):
    """Weighted mean of the watched items, closer items count more."""

    def __init__(self, **kw):
        super().__init__(**kw)
        self.scale = self.add_weight(name="scale", shape=(), initializer="ones")

    def call(self, hist_vecs, query, mask):
        dist = tf.norm(hist_vecs - query[:, None, :], axis=-1)  # BUG: norm-grad, the positive item is itself in the history, difference 0 gives a NaN gradient
        logit = -tf.nn.softplus(self.scale) * dist
        logit = tf.where(mask, logit, -1e9)
        att = tf.nn.softmax(logit, axis=-1)  # SAFE: -1e9 is finite, a row without history becomes uniform
        return tf.reduce_sum(att[..., None] * hist_vecs, axis=1)


class BPRModel(tf.keras.Model):
    def __init__(self, n_users, n_items, dim, reg, **kw):
        super().__init__(**kw)
        init = tf.keras.initializers.RandomNormal(stddev=0.05)
        self.user = layers.Embedding(n_users, dim, embeddings_initializer=init)
        self.item = layers.Embedding(n_items, dim, embeddings_initializer=init)
        self.bias = layers.Embedding(n_items, 1, embeddings_initializer="zeros")
        self.pool = HistoryPool()
        self.reg = reg

    def profile(self, user, hist, query):
        mask = hist > 0
        h = self.item(hist)
        pooled = self.pool(h, query, mask)
        count = tf.reduce_sum(tf.cast(mask, tf.float32), axis=1, keepdims=True)
        plain = tf.reduce_sum(h * tf.cast(mask, tf.float32)[..., None], axis=1)
        plain = plain / tf.maximum(count, 1.0)  # SAFE: empty histories divide by 1
        plain = plain * tf.math.rsqrt(count + 1.0)  # SAFE: the count is at least 0
        return self.user(user) + pooled + plain

    def score(self, user, hist, item):
        q = self.item(item)
        return tf.reduce_sum(self.profile(user, hist, q) * q, axis=-1) + self.bias(item)[:, 0]

    def call(self, batch):
        return self.score(batch["user"], batch["hist"], batch["pos"])

    def weight_penalty(self, batch):
        e = tf.concat([self.item(batch["pos"]), self.item(batch["neg"]), self.user(batch["user"])], 0)
        return self.reg * tf.nn.l2_loss(e)

    def train_step(self, batch):
        with tf.GradientTape() as tape:
            s_pos = self.score(batch["user"], batch["hist"], batch["pos"])
            s_neg = self.score(batch["user"], batch["hist"], batch["neg"])
            rank = tf.reduce_mean(tf.nn.softplus(s_neg - s_pos))  # SAFE: softplus form of -log sigmoid
            loss = rank + self.weight_penalty(batch)
        g = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(g, self.trainable_variables))
        auc = tf.reduce_mean(tf.cast(s_pos > s_neg, tf.float32))
        return {"loss": loss, "auc": auc}


def cosine_neighbours(matrix, k=10):
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    unit = matrix / np.maximum(norms, 1e-8)  # SAFE: maximum with 1e-8
    sim = unit @ unit.T
    np.fill_diagonal(sim, -np.inf)  # SAFE: only used for sorting, the diagonal must come last
    return np.argsort(-sim, axis=1)[:, :k]


def ndcg_at_k(ranks, k=10):
    ranks = np.asarray(ranks, np.float64)
    gain = np.where(ranks < k, 1.0 / np.log2(ranks + 2.0), 0.0)  # SAFE: ranks start at 0, so log2 is at least 1
    return gain.mean()


def main():
    args = parse()
    rng = np.random.RandomState(0)
    per_user = read_ratings(args.ratings)
    n_users = max(per_user) + 1
    n_items = max(max(v) for v in per_user.values()) + 1
    data = make_samples(per_user, n_items, args.hist, rng)
    ds = tf.data.Dataset.from_tensor_slices(data).shuffle(100000).batch(args.batch, drop_remainder=True)
    model = BPRModel(n_users, n_items, args.dim, args.reg)
    model.compile(optimizer=tf.keras.optimizers.Adam(args.lr))
    model.fit(ds, epochs=args.epochs, verbose=2)
    nb = cosine_neighbours(model.item.embeddings.numpy())
    print("neighbours of item 1:", nb[1])
    ranks = []
    for u, items in list(per_user.items())[:500]:
        all_items = np.arange(n_items, dtype=np.int32)
        hist = np.array((items[-args.hist:] + [0] * args.hist)[:args.hist], np.int32)
        s = model.score(np.full(n_items, u, np.int32), np.tile(hist, (n_items, 1)), all_items).numpy()
        ranks.append(int(np.sum(s > s[items[-1]])))
    print("NDCG@10", ndcg_at_k(ranks))


if __name__ == "__main__":
    main()
