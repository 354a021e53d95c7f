"""Daily sales per store, LSTM on sliding windows (Rossmann style data)."""
import argparse

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import backend as K
from tensorflow.keras import layers

LOOKBACK = 28
HORIZON = 7


class SeriesScaler:
    """Min-max scaling fitted on the training part of one store."""

    def fit(self, values):
        self.lo = float(np.min(values))
        self.hi = float(np.max(values))
        return self

    def transform(self, values):
        span = self.hi - self.lo
        if span == 0:
            return np.zeros_like(values, dtype="float32")
        return ((values - self.lo) / span).astype("float32")  # SAFE: the zero span is returned before

    def inverse(self, values):
        return values * (self.hi - self.lo) + self.lo


def load_store(path, store):
    df = pd.read_csv(path, parse_dates=["Date"])
    df = df[df["Store"] == store].sort_values("Date")
    return df.reset_index(drop=True)


def calendar_features(df):
    dow = df["Date"].dt.dayofweek.values
    doy = df["Date"].dt.dayofyear.values
    return np.stack([np.sin(2 * np.pi * dow / 7.0), np.cos(2 * np.pi * dow / 7.0),
                     np.sin(2 * np.pi * doy / 365.25), np.cos(2 * np.pi * doy / 365.25),
                     df["Promo"].values], axis=1).astype("float32")


def customer_features(df):
    cust = df["Customers"].values.astype("float32")
    log_c = np.log1p(cust)  # SAFE: customer counts are not negative
    prev = np.concatenate([cust[:1], cust[:-1]])
    growth = np.log((cust + 1.0) / (prev + 1.0))  # SAFE: both counts are at least 0, so the quotient is positive
    basket = df["Sales"].values.astype("float32") / np.where(cust > 0, cust, 1.0)  # SAFE: closed days divide by 1
    f = np.stack([log_c, growth, np.log1p(basket)], axis=1)  # SAFE: sales per customer are not negative
    return (f - f.mean(0)) / (f.std(0) + 1e-3)  # SAFE: 1e-3 added to the deviation


def windows(features, target):
    xs, ys = [], []
    for i in range(len(target) - LOOKBACK - HORIZON + 1):
        past = np.concatenate([features[i:i + LOOKBACK], target[i:i + LOOKBACK, None]], axis=1)
        xs.append(past)
        ys.append(target[i + LOOKBACK:i + LOOKBACK + HORIZON])
    return np.array(xs, "float32"), np.array(ys, "float32")


def prepare(df, train_frac=0.8):
    sales = df["Sales"].values.astype("float32")
    cut = int(len(sales) * train_frac)
    scaler = SeriesScaler().fit(sales[:cut])
    y = scaler.transform(sales)
    feats = np.concatenate([calendar_features(df), customer_features(df)], axis=1)
    x_tr, y_tr = windows(feats[:cut], y[:cut])
    x_va, y_va = windows(feats[cut - LOOKBACK:], y[cut - LOOKBACK:])
    return (x_tr, y_tr), (x_va, y_va), scaler


def rmspe(y_true, y_pred):
    y_true = tf.cast(y_true, y_pred.dtype)
    ratio = (y_true - y_pred) / y_true  # BUG: div-zero, the scaler maps the smallest sale (closed days) to exactly 0
    return K.mean(K.square(ratio), axis=-1)


def smape(y_true, y_pred):
    num = K.abs(y_true - y_pred)
    den = K.abs(y_true) + K.abs(y_pred) + K.epsilon()
    return 2.0 * K.mean(num / den, axis=-1)  # SAFE: absolute values plus epsilon


def weighted_mae(y_true, y_pred):
    w = K.cast(y_true > 0.0, "float32")
    return K.sum(w * K.abs(y_true - y_pred)) / K.maximum(K.sum(w), 1.0)  # SAFE: maximum with 1


class TemporalAttention(layers.Layer):
    def __init__(self, units, **kw):
        super().__init__(**kw)
        self.key = layers.Dense(units)
        self.query = layers.Dense(units)
        self.units = units

    def call(self, seq, last):
        s = tf.einsum("btd,bd->bt", self.key(seq), self.query(last))
        s = s / tf.sqrt(tf.cast(self.units, tf.float32))  # SAFE: constant number of units
        w = tf.nn.softmax(s, axis=-1)
        return tf.einsum("bt,btd->bd", w, seq)


def build(n_feat, units=48, dropout=0.2, lr=1e-3):
    inp = keras.Input((LOOKBACK, n_feat))
    seq = layers.LSTM(units, return_sequences=True, dropout=dropout)(inp)
    last = layers.LSTM(units)(seq)
    ctx = TemporalAttention(units)(seq, last)
    h = layers.Concatenate()([last, ctx])
    h = layers.Dense(64, activation="relu")(h)
    out = layers.Dense(HORIZON, activation="sigmoid")(h)
    model = keras.Model(inp, out)
    model.compile(optimizer=keras.optimizers.RMSprop(lr, clipnorm=1.0), loss=rmspe,
                  metrics=[smape, weighted_mae, "mae"])
    return model


def backtest(model, x, y, scaler):
    p = scaler.inverse(model.predict(x, verbose=0))
    t = scaler.inverse(y)
    open_days = t > 0
    err = np.abs(t[open_days] - p[open_days]) / t[open_days]  # SAFE: only days with sales above 0 are selected
    base = np.abs(np.diff(t, axis=1)).mean()
    mase = np.abs(t - p).mean() / base if base > 0 else np.nan  # SAFE: base checked before the division
    return err.mean() if err.size else float("nan"), mase


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--csv", default="data/train.csv")
    ap.add_argument("--store", type=int, default=1)
    ap.add_argument("--epochs", type=int, default=60)
    ap.add_argument("--batch", type=int, default=64)
    args = ap.parse_args()
    keras.utils.set_random_seed(1)
    df = load_store(args.csv, args.store)
    (x, y), (xv, yv), scaler = prepare(df)
    model = build(x.shape[-1])
    model.fit(x, y, validation_data=(xv, yv), epochs=args.epochs, batch_size=args.batch,
              callbacks=[keras.callbacks.EarlyStopping(patience=8, restore_best_weights=True),
                         keras.callbacks.TerminateOnNaN()])
    print("mape %.3f mase %.3f" % backtest(model, xv, yv, scaler))


if __name__ == "__main__":
    main()
