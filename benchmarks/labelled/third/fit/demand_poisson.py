# Daily demand forecast per store/item. Count target -> Poisson deviance.
import csv
import os
import sys
from collections import defaultdict
from datetime import datetime

import numpy as np
import tensorflow as tf
from tensorflow.keras import Input, Model
from tensorflow.keras import layers as L
from tensorflow.keras.callbacks import EarlyStopping, LearningRateScheduler
from tensorflow.keras.losses import Poisson
from tensorflow.keras.optimizers import Adam

WINDOW = 28
HORIZON = 7


def read_sales(path):
    rows = defaultdict(list)
    with open(path) as f:
        for r in csv.DictReader(f):
            day = datetime.strptime(r["date"], "%Y-%m-%d")
            rows[(int(r["store"]), int(r["item"]))].append((day, float(r["sales"]), float(r["price"])))
    for k in rows:
        rows[k].sort()
    return rows


def calendar(day):
    doy = day.timetuple().tm_yday
    return [np.sin(2 * np.pi * doy / 365.25), np.cos(2 * np.pi * doy / 365.25),  # SAFE: constant divisor
            np.sin(2 * np.pi * day.weekday() / 7), np.cos(2 * np.pi * day.weekday() / 7)]


def make_windows(rows):
    X, S, I, Y = [], [], [], []
    for (store, item), seq in rows.items():
        sales = np.maximum(np.array([s for _, s, _ in seq], "float32"), 0.0)
        price = np.array([p for _, _, p in seq], "float32")
        ref = np.median(price)
        rel = price / ref if ref > 0 else np.ones_like(price)  # SAFE: divides only when the median price is positive
        cal = np.array([calendar(d) for d, _, _ in seq], "float32")
        feats = np.concatenate([np.log1p(sales)[:, None], rel[:, None], cal], 1)  # SAFE: returns are cut at 0 above, so log1p gets non-negative numbers
        for t in range(WINDOW, len(seq) - HORIZON):
            X.append(feats[t - WINDOW:t])
            Y.append(sales[t:t + HORIZON])
            S.append(store)
            I.append(item)
    return (np.array(X, "float32"), np.array(S), np.array(I)), np.array(Y, "float32")


def build(n_store, n_item, n_feat=6):
    seq = Input((WINDOW, n_feat), name="seq")
    store = Input((), dtype="int32", name="store")
    item = Input((), dtype="int32", name="item")
    x = L.Conv1D(32, 3, padding="causal", activation="relu")(seq)
    x = L.LSTM(48)(x)
    e = L.Concatenate()([L.Embedding(n_store, 4)(store), L.Embedding(n_item, 8)(item)])
    x = L.Concatenate()([x, e])
    x = L.Dense(64, activation="relu")(x)
    x = L.Dropout(0.1)(x)
    out = L.Dense(HORIZON, name="rate")(x)
    return Model([seq, store, item], out)


def poisson_deviance(y_true, y_pred):
    mu = tf.maximum(y_pred, 1e-3)
    ratio = tf.maximum(y_true, 1e-3) / mu  # SAFE: mu floored at 1e-3
    return 2.0 * tf.reduce_mean(tf.where(y_true > 0, y_true * tf.math.log(ratio), 0.0) - (y_true - mu))  # SAFE: ratio of two positive floored numbers


def smape(y_true, y_pred):
    num = tf.abs(y_true - y_pred)
    den = tf.abs(y_true) + tf.abs(y_pred)
    return 200.0 * tf.reduce_mean(num / tf.maximum(den, 1e-6))  # SAFE: denominator floored


def lr_plan(epoch, lr):
    if epoch < 3:
        return 1e-3 * (epoch + 1) / 3.0
    return max(1e-3 * 0.9 ** (epoch - 3), 1e-5)


def compile_for_counts(model):
    model.compile(optimizer=Adam(1e-3), loss=Poisson(), metrics=[poisson_deviance, smape])  # BUG: loss-pairing, Poisson takes the log of a linear output, which is negative for many rows
    return model


def backtest(model, X, Y, scale_floor=1.0):
    pred = model.predict(list(X), verbose=0)
    err = np.abs(pred - Y).sum(0)
    return err / np.maximum(Y.sum(0), scale_floor)  # SAFE: total floored at 1


def main(path, out="demand"):
    os.makedirs(out, exist_ok=True)
    X, Y = make_windows(read_sales(path))
    n = int(0.85 * len(Y))
    tr = [a[:n] for a in X]
    va = [a[n:] for a in X]
    model = compile_for_counts(build(X[1].max() + 1, X[2].max() + 1))
    model.summary()
    model.fit(tr, Y[:n], validation_data=(va, Y[n:]), batch_size=512, epochs=30,
              callbacks=[LearningRateScheduler(lr_plan), EarlyStopping(patience=4, restore_best_weights=True)])
    print("WAPE per day", backtest(model, va, Y[n:]))
    model.save(os.path.join(out, "model.keras"))


if __name__ == "__main__":
    main(sys.argv[1])
