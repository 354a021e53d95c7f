"""Customer churn on the monthly CRM export (csv). Usage: python churn_tabular.py export.csv"""
import csv
import sys

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

NUMERIC = ["tenure", "monthly_charges", "total_charges", "num_tickets", "num_lines", "roaming_minutes"]
CATEG = {"contract": ["month", "year", "two_year"], "payment": ["card", "transfer", "check"]}
TARGET = "churn"
SEED = 3


def read_rows(path):
    with open(path, newline="") as f:
        return list(csv.DictReader(f))


def to_float(s):
    try:
        return float(s)
    except (TypeError, ValueError):
        return 0.0


def encode(rows):
    num = np.array([[to_float(r.get(c)) for c in NUMERIC] for r in rows], np.float32)
    avg_charge = num[:, 2] / np.maximum(num[:, 0], 1.0)  # SAFE: tenure floored at one month
    log_total = np.log1p(np.maximum(num[:, 2], 0.0))  # SAFE: argument is not negative
    num = np.column_stack([num, avg_charge, log_total])
    cats = []
    for c, values in CATEG.items():
        one = np.zeros((len(rows), len(values)), np.float32)
        for i, r in enumerate(rows):
            if r.get(c) in values:
                one[i, values.index(r[c])] = 1.0
        cats.append(one)
    y = np.array([1.0 if r[TARGET].strip().lower() in ("1", "yes", "true") else 0.0 for r in rows], np.float32)
    return num, np.concatenate(cats, 1), y


class Standardizer:
    def fit(self, x):
        self.mean_ = x.mean(0)
        self.std_ = x.std(0)
        return self

    def transform(self, x):
        return ((x - self.mean_) / self.std_).astype(np.float32)  # BUG: div-zero, a column that is constant in the export (num_lines 1, roaming 0) gives 0/0


def build(dim, bias):
    inp = keras.Input((dim,))
    x = layers.Dense(64, kernel_regularizer=keras.regularizers.l2(1e-4))(inp)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)
    x = layers.Dropout(0.3)(x)
    x = layers.Dense(32, activation="relu")(x)
    out = layers.Dense(1, activation="sigmoid", bias_initializer=keras.initializers.Constant(bias))(x)
    return keras.Model(inp, out)


def prior_bias(y):
    p = np.clip(y.mean(), 0.01, 0.99)
    return float(np.log(p / (1.0 - p)))  # SAFE: p is clipped to 0.01..0.99


def balanced_weights(y):
    pos = max(float(y.sum()), 1.0)
    neg = max(float(len(y) - y.sum()), 1.0)
    return {0: len(y) / (2.0 * neg), 1: len(y) / (2.0 * pos)}  # SAFE: both counts floored at one


def f1(y, p, thr=0.5):
    pred = p > thr
    tp = float(np.sum(pred & (y > 0.5)))
    precision = tp / max(pred.sum(), 1)
    recall = tp / max((y > 0.5).sum(), 1)
    return 2 * precision * recall / (precision + recall + 1e-8)  # SAFE: epsilon in python double


def split(n, frac=0.2):
    idx = np.random.default_rng(SEED).permutation(n)
    k = int(n * frac)
    return idx[k:], idx[:k]


def main(path):
    keras.utils.set_random_seed(SEED)
    rows = read_rows(path)
    num, cat, y = encode(rows)
    tr, te = split(len(y))
    scaler = Standardizer().fit(num[tr])
    x_tr = np.concatenate([scaler.transform(num[tr]), cat[tr]], 1)
    x_te = np.concatenate([scaler.transform(num[te]), cat[te]], 1)

    model = build(x_tr.shape[1], prior_bias(y[tr]))
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="binary_crossentropy",  # SAFE: sigmoid output with the probability form, which clips
                  metrics=[keras.metrics.AUC(name="auc")])
    model.fit(x_tr, y[tr], validation_split=0.1, epochs=30, batch_size=128,
              class_weight=balanced_weights(y[tr]), verbose=2,
              callbacks=[keras.callbacks.EarlyStopping("val_auc", mode="max", patience=4)])
    p = model.predict(x_te, verbose=0)[:, 0]
    print("f1 %.3f" % f1(y[te], p))
    model.save("churn.keras")


if __name__ == "__main__":
    main(sys.argv[1])
