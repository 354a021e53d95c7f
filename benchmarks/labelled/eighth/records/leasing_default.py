"""Default prediction for vehicle leases: entity embeddings + numeric columns, imbalanced classes."""
import argparse
import json
import os

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

NUM = ["income", "instalment", "term_months", "deposit", "vehicle_price", "prior_leases"]
CAT = ["employment", "brand", "region", "channel"]
LABEL = "default_12m"


class Frame:
    def __init__(self, path):
        df = pd.read_csv(path)
        df = df[df["vehicle_price"] > 0]
        df["deposit_share"] = df["deposit"] / df["vehicle_price"]  # SAFE: prices of zero are filtered
        df["burden"] = df["instalment"] / np.maximum(df["income"].fillna(0), 100.0)  # SAFE: income floored at 100
        self.df = df.reset_index(drop=True)

    @property
    def y(self):
        return self.df[LABEL].to_numpy(np.int64)

    def numeric(self):
        x = self.df[NUM + ["deposit_share", "burden"]].fillna(0).to_numpy(np.float64)
        return np.sign(x) * np.log1p(np.abs(x))  # SAFE: log1p of a modulus

    def codes(self, maps):
        return {c: self.df[c].astype(str).map(maps[c]).fillna(0).to_numpy(np.int32) for c in CAT}

    def maps(self):
        return {c: {v: i + 1 for i, v in enumerate(sorted(self.df[c].astype(str).unique()))} for c in CAT}


def class_share(y):
    """Share of each class in per cent, for the sampler and for the report."""
    counts = np.bincount(y, minlength=2)
    return counts * 100 // counts.sum()


def sample_weights(y):
    share = class_share(y)
    weight = 50.0 / share  # BUG: cast, fewer than one default in a hundred leases is floored to a share of 0
    return weight[y].astype(np.float32)


def focal_loss(gamma=2.0):
    def loss(y_true, logit):
        y = tf.cast(y_true, logit.dtype)
        ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logit)  # SAFE: the model returns logits
        p = tf.sigmoid(logit)
        pt = y * p + (1.0 - y) * (1.0 - p)
        return tf.reduce_mean(tf.pow(1.0 - pt, gamma) * ce, axis=-1)  # SAFE: the base lies in [0, 1] and gamma is two
    return loss


def build(maps, n_num, hidden=(96, 48), drop=0.25):
    num = keras.Input((n_num,), name="num")
    ins, parts = {"num": num}, [layers.BatchNormalization()(num)]
    for c in CAT:
        i = keras.Input((), dtype="int32", name=c)
        ins[c] = i
        parts.append(layers.Embedding(len(maps[c]) + 1, min(12, len(maps[c]) // 2 + 1))(i))
    h = layers.Concatenate()(parts)
    for w in hidden:
        h = layers.Dense(w, activation="relu", kernel_initializer="he_normal")(h)
        h = layers.Dropout(drop)(h)
    return keras.Model(ins, layers.Dense(1)(h))


def ks_statistic(y, s):
    order = np.argsort(-s)
    good, bad = (y[order] == 0), (y[order] == 1)
    cg = np.cumsum(good) / max(good.sum(), 1)  # SAFE: max with one
    cb = np.cumsum(bad) / max(bad.sum(), 1)  # SAFE: max with one
    return float(np.abs(cg - cb).max())


def psi(expected, actual, bins=10):
    """Population stability index between development and validation scores."""
    edges = np.quantile(expected, np.linspace(0, 1, bins + 1)[1:-1])
    e = np.bincount(np.searchsorted(edges, expected), minlength=bins) + 0.5
    a = np.bincount(np.searchsorted(edges, actual), minlength=bins) + 0.5
    e, a = e / e.sum(), a / a.sum()
    return float(((a - e) * np.log(a / e)).sum())  # SAFE: half a count is added to each bin


def scorecard_points(prob, pdo=20.0, base=600.0):
    p = np.clip(prob, 1e-6, 1 - 1e-6)
    return base - pdo / np.log(2.0) * np.log(p / (1 - p))  # SAFE: clipped double precision probabilities


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("train")
    ap.add_argument("valid")
    ap.add_argument("--epochs", type=int, default=25)
    ap.add_argument("--batch", type=int, default=2048)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--gamma", type=float, default=2.0)
    ap.add_argument("--out", default="leasing")
    args = ap.parse_args()
    keras.utils.set_random_seed(8)
    os.makedirs(args.out, exist_ok=True)

    train, valid = Frame(args.train), Frame(args.valid)
    maps = train.maps()
    xt, xv = train.numeric(), valid.numeric()
    mu, sd = xt.mean(0), np.maximum(xt.std(0), 1e-4)
    feed = lambda f, x: {"num": ((x - mu) / sd).astype(np.float32), **f.codes(maps)}  # SAFE: deviation floored
    print("class shares in per cent", class_share(train.y).tolist(), "defaults", int(train.y.sum()))

    model = build(maps, xt.shape[1])
    model.compile(keras.optimizers.Adam(args.lr), loss=focal_loss(args.gamma), metrics=[keras.metrics.AUC(from_logits=True)])
    ds = tf.data.Dataset.from_tensor_slices((feed(train, xt), train.y[:, None].astype(np.float32), sample_weights(train.y)))
    model.fit(ds.shuffle(len(xt)).batch(args.batch), epochs=args.epochs, verbose=2,
              validation_data=(feed(valid, xv), valid.y[:, None].astype(np.float32)))

    st = model.predict(feed(train, xt), batch_size=8192, verbose=0)[:, 0]
    sv = model.predict(feed(valid, xv), batch_size=8192, verbose=0)[:, 0]
    prob = 1.0 / (1.0 + np.exp(-np.clip(sv.astype(np.float64), -40, 40)))  # SAFE: clipped logits
    points = scorecard_points(prob)
    with open(os.path.join(args.out, "report.json"), "w") as fh:
        json.dump({"ks": ks_statistic(valid.y, sv), "psi": psi(st, sv), "mean_points": float(points.mean())}, fh)
    model.save(os.path.join(args.out, "model.keras"))


if __name__ == "__main__":
    main()
