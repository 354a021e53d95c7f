"""Neural collaborative filtering on implicit MovieLens feedback."""
import argparse
import logging
import math

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers, regularizers

log = logging.getLogger("ncf")


def load_ratings(path):
    import pandas as pd

    df = pd.read_csv(path, sep="\t", names=["user", "item", "rating", "ts"])
    df["user"] = df["user"].astype("category").cat.codes
    df["item"] = df["item"].astype("category").cat.codes
    return df


def leave_one_out(df):
    df = df.sort_values(["user", "ts"])
    last = df.groupby("user").tail(1)
    return df.drop(last.index), last


class InteractionSequence(keras.utils.Sequence):
    """Positive pairs plus `num_neg` sampled negatives for each."""

    def __init__(self, users, items, num_items, num_neg=4, batch_size=1024, seed=0, **kw):
        super().__init__(**kw)
        self.users = np.asarray(users)
        self.items = np.asarray(items)
        self.num_items = num_items
        self.num_neg = num_neg
        self.batch_size = batch_size
        self.rng = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self):
        return math.ceil(len(self.users) / self.batch_size)  # SAFE: batch_size is a positive integer argument

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.users))

    def __getitem__(self, idx):
        sel = self.order[idx * self.batch_size:(idx + 1) * self.batch_size]
        u = np.repeat(self.users[sel], 1 + self.num_neg)
        i = np.empty(len(u), dtype=np.int64)
        y = np.zeros(len(u), dtype=np.float32)
        i[::1 + self.num_neg] = self.items[sel]
        y[::1 + self.num_neg] = 1.0
        for k in range(1, self.num_neg + 1):
            i[k::1 + self.num_neg] = self.rng.integers(0, self.num_items, len(sel))
        return {"user": u, "item": i}, y


def build_model(num_users, num_items, dim=16, mlp=(64, 32, 16), l2=1e-6):
    user = layers.Input((), dtype="int64", name="user")
    item = layers.Input((), dtype="int64", name="item")
    reg = regularizers.l2(l2)
    gu = layers.Embedding(num_users, dim, embeddings_regularizer=reg, name="gmf_user")(user)
    gi = layers.Embedding(num_items, dim, embeddings_regularizer=reg, name="gmf_item")(item)
    mu = layers.Embedding(num_users, mlp[0] // 2, embeddings_regularizer=reg, name="mlp_user")(user)
    mi = layers.Embedding(num_items, mlp[0] // 2, embeddings_regularizer=reg, name="mlp_item")(item)
    gmf = layers.Multiply()([gu, gi])
    x = layers.Concatenate()([mu, mi])
    for n in mlp[1:]:
        x = layers.Dense(n, activation="relu")(x)
        x = layers.Dropout(0.1)(x)
    gmf_score = layers.Dense(1, activation="sigmoid", name="gmf_score")(gmf)
    mlp_score = layers.Dense(1, activation="sigmoid", name="mlp_score")(x)
    score = layers.Average(name="score")([gmf_score, mlp_score])
    return keras.Model([user, item], score, name="neumf")


def hit_rate_ndcg(model, users, items, num_items, k=10, n_neg=99, seed=1):
    rng = np.random.default_rng(seed)
    hits, ndcgs = [], []
    for u, pos in zip(users, items):
        cand = np.concatenate([[pos], rng.integers(0, num_items, n_neg)])
        s = model.predict_on_batch({"user": np.full(len(cand), u), "item": cand}).ravel()
        rank = int((s > s[0]).sum())
        hits.append(float(rank < k))
        ndcgs.append(1.0 / math.log2(rank + 2) if rank < k else 0.0)  # SAFE: rank is not negative so the log is at least 1
    return float(np.mean(hits)), float(np.mean(ndcgs))


class RankingEval(keras.callbacks.Callback):
    def __init__(self, users, items, num_items):
        super().__init__()
        self.users, self.items, self.num_items = users, items, num_items
        self.best = 0.0

    def on_epoch_end(self, epoch, logs=None):
        hr, ndcg = hit_rate_ndcg(self.model, self.users, self.items, self.num_items)
        gain = (hr - self.best) / self.best if self.best > 0 else float("nan")  # SAFE: divides only when best is positive, and only logged
        log.info("epoch %d HR@10 %.4f NDCG@10 %.4f (%+.2f)", epoch, hr, ndcg, gain)
        self.best = max(self.best, hr)


def compile_model(model, lr):
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=lr),  # SAFE: default 1e-3
        loss=keras.losses.BinaryCrossentropy(from_logits=True),  # BUG: loss-pairing, the averaged score is already a probability from two sigmoid heads
        metrics=[keras.metrics.AUC(name="auc")],  # SAFE: the metric gets the mean of two sigmoids, in [0, 1]
    )


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--ratings", default="ml-100k/u.data")
    ap.add_argument("--dim", type=int, default=16)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--epochs", type=int, default=20)
    args = ap.parse_args()
    logging.basicConfig(level=logging.INFO)
    df = load_ratings(args.ratings)
    train, test = leave_one_out(df)
    n_u, n_i = df.user.max() + 1, df.item.max() + 1
    model = build_model(n_u, n_i, args.dim)
    compile_model(model, args.lr)
    seq = InteractionSequence(train.user, train.item, n_i)
    model.fit(seq, epochs=args.epochs, callbacks=[
        RankingEval(test.user.values[:500], test.item.values[:500], n_i),
        keras.callbacks.TensorBoard("logs/ncf"),
    ])


if __name__ == "__main__":
    main()
