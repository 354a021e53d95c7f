"""Customer lifetime value with a zero-inflated lognormal head (Wang, Liu & Miao 2019)."""
import argparse
import json
import os
import sqlite3

import numpy as np
import tensorflow as tf
from tensorflow.keras import Model, callbacks, layers, optimizers

QUERY = """
select first_amount_cents, first_items, discount_cents, n_visits, minutes_on_site, days_to_first, newsletter,
       channel, country, category, revenue_365d_cents
from customers where cohort between ? and ? and revenue_365d_cents is not null
"""
NUM = ["first_amount_cents", "first_items", "discount_cents", "n_visits", "minutes_on_site", "days_to_first", "newsletter"]
CAT = ["channel", "country", "category"]


def fetch(db, start, end):
    with sqlite3.connect(db) as con:
        rows = con.execute(QUERY, (start, end)).fetchall()
    if not rows:
        raise SystemExit("no customers in cohorts %s..%s" % (start, end))
    num = np.array([[float(v or 0) for v in r[:7]] for r in rows], np.float32)
    cat = np.array([[str(v) for v in r[7:10]] for r in rows])
    revenue = np.maximum(np.array([r[10] for r in rows], np.float64), 0.0) / 100.0  # SAFE: divided by a constant
    return num, cat, revenue.astype(np.float32)


class Codes:
    def __init__(self, cat, min_count=20):
        self.maps = []
        for col in cat.T:
            v, n = np.unique(col, return_counts=True)
            self.maps.append({k: i + 1 for i, k in enumerate(v[n >= min_count])})

    def sizes(self):
        return [len(m) + 1 for m in self.maps]

    def __call__(self, cat):
        return np.array([[m.get(v, 0) for m, v in zip(self.maps, row)] for row in cat], np.int32)


def basket_features(num):
    """Ratios that the marketing team likes to see."""
    items = np.maximum(num[:, 1], 1.0)
    per_item = num[:, 0] / items  # SAFE: items floored at one
    share = num[:, 2] / np.maximum(num[:, 0] + num[:, 2], 1.0)  # SAFE: floored at one cent
    return np.concatenate([num, per_item[:, None], share[:, None]], 1)


def ziln_loss(y, out):
    y = tf.reshape(y, [-1, 1])
    positive = tf.cast(y > 0, tf.float32)
    bought = tf.nn.sigmoid_cross_entropy_with_logits(labels=positive, logits=out[:, 0:1])  # SAFE: raw head and a stable form
    loc = out[:, 1:2]
    scale = tf.maximum(tf.nn.softplus(out[:, 2:3]), tf.sqrt(tf.keras.config.epsilon()))  # SAFE: root of the constant 1e-7
    log_y = tf.math.log(y)  # BUG: zero-log-zero, customers without revenue give -inf and the mask multiplies it by 0
    nll = 0.5 * tf.square((log_y - loc) / scale) + tf.math.log(scale) + log_y
    return tf.reduce_mean(bought + positive * nll, axis=-1)


def ziln_mean(out):
    p = 1.0 / (1.0 + np.exp(-np.clip(out[:, 0], -30, 30)))  # SAFE: clipped
    s = np.logaddexp(0.0, np.clip(out[:, 2], -30, 3))
    return p * np.exp(np.clip(out[:, 1] + 0.5 * s ** 2, -20, 15))  # SAFE: clipped


def build(n_num, sizes, hidden):
    num, cat = layers.Input((n_num,)), layers.Input((len(sizes),), dtype="int32")
    parts = [num]
    for j, n in enumerate(sizes):
        parts.append(layers.Embedding(n, min(8, n))(cat[:, j]))
    h = layers.Concatenate()(parts)
    for w in hidden:
        h = layers.Dense(w, activation="relu")(h)
    return Model([num, cat], layers.Dense(3)(h))


def gini(y, p):
    order = np.argsort(-p)
    if y.sum() <= 0:
        return 0.0
    lorenz = np.cumsum(y[order]) / y.sum()  # SAFE: returned above when there is no revenue
    return float(2.0 * lorenz.mean() - 1.0)


def decile_mape(y, p):
    parts = np.array_split(np.argsort(p), 10)
    err = [abs(y[i].mean() - p[i].mean()) / max(float(y[i].mean()), 1e-3) for i in parts if len(i)]  # SAFE: floored
    return float(np.mean(err))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("db")
    ap.add_argument("--train", nargs=2, default=["2021-01", "2022-06"])
    ap.add_argument("--test", nargs=2, default=["2022-07", "2022-12"])
    ap.add_argument("--hidden", type=int, nargs="+", default=[64, 32])
    ap.add_argument("--epochs", type=int, default=40)
    ap.add_argument("--batch", type=int, default=1024)
    ap.add_argument("--lr", type=float, default=2e-4)
    ap.add_argument("--out", default="ltv")
    args = ap.parse_args()
    tf.keras.utils.set_random_seed(10)
    os.makedirs(args.out, exist_ok=True)
    num, cat, y = fetch(args.db, *args.train)
    tnum, tcat, ty = fetch(args.db, *args.test)
    codes = Codes(cat)
    x, tx = basket_features(num), basket_features(tnum)
    print("%d customers, %.1f%% with revenue, mean log revenue %.2f" % (
        len(y), 100 * (y > 0).mean(), np.log(y[y > 0]).mean()))  # SAFE: positive revenue only, printed

    model = build(x.shape[1], codes.sizes(), args.hidden)
    model.compile(optimizers.Adam(args.lr), loss=ziln_loss)  # SAFE: 2e-4
    model.fit([x, codes(cat)], y, batch_size=args.batch, epochs=args.epochs, validation_split=0.1, verbose=2,  # BUG: raw-data, amounts in cents enter the network next to flags and small embeddings
              callbacks=[callbacks.EarlyStopping(patience=5, restore_best_weights=True)])
    p = ziln_mean(model.predict([tx, codes(tcat)], batch_size=8192, verbose=0).astype(np.float64))
    result = {"gini": gini(ty, p), "gini_best": gini(ty, ty), "decile_mape": decile_mape(ty, p),
              "spearman": float(np.corrcoef(np.argsort(np.argsort(ty)), np.argsort(np.argsort(p)))[0, 1])}
    with open(os.path.join(args.out, "result.json"), "w") as fh:
        json.dump(result, fh, indent=1)
    print(result)
    model.save_weights(os.path.join(args.out, "ltv.weights.h5"))


if __name__ == "__main__":
    main()
