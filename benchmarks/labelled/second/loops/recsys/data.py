import csv

import numpy as np
import tensorflow as tf


def read_ratings(path):
    users, items, ratings = [], [], []
    with open(path) as f:
        for row in csv.DictReader(f):
            users.append(row["user"])
            items.append(row["item"])
            ratings.append(float(row["rating"]))
    u_ids = {u: i for i, u in enumerate(sorted(set(users)))}
    i_ids = {v: i for i, v in enumerate(sorted(set(items)))}
    return (np.array([u_ids[u] for u in users], np.int32), np.array([i_ids[v] for v in items], np.int32),
            np.array(ratings, np.float32), len(u_ids), len(i_ids))


def item_popularity(items, n_items, power=0.75):
    counts = np.bincount(items, minlength=n_items).astype(np.float64)
    p = np.power(counts + 1.0, power)  # SAFE: counts plus one is positive
    return p / p.sum()  # SAFE: a sum of positive numbers


def user_bias(users, ratings, n_users, damping=5.0):
    total = np.bincount(users, weights=ratings - ratings.mean(), minlength=n_users)
    count = np.bincount(users, minlength=n_users)
    return (total / (count + damping)).astype(np.float32)  # SAFE: damping 5 in the denominator


def pointwise(cfg, users, items, ratings, n_items, seed=0):
    rng = np.random.default_rng(seed)
    pos = ratings >= cfg.positive_from
    u, v = users[pos], items[pos]
    neg_u = np.repeat(u, cfg.negatives)
    neg_v = rng.choice(n_items, size=len(neg_u), p=item_popularity(items, n_items)).astype(np.int32)
    y = np.concatenate([np.ones(len(u)), np.zeros(len(neg_u))]).astype(np.float32)
    feats = {"user": np.concatenate([u, neg_u]), "item": np.concatenate([v, neg_v])}
    ds = tf.data.Dataset.from_tensor_slices((feats, y))
    return ds.shuffle(min(len(y), 200000)).batch(cfg.batch_size)


def pairwise(cfg, users, items, ratings, n_items, seed=0):
    rng = np.random.default_rng(seed)
    pos = ratings >= cfg.positive_from
    u, v = users[pos], items[pos]
    w = rng.integers(0, n_items, size=len(u)).astype(np.int32)
    ds = tf.data.Dataset.from_tensor_slices({"user": u, "item": v, "negative": w})
    return ds.shuffle(min(len(u), 200000)).batch(cfg.batch_size)
