"""Daily demand forecasting per store/item (Kaggle kernel turned script)."""
import os
import argparse
import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow.keras import layers, models

WINDOW = 28
HORIZON = 7


def read_sales(path):
    df = pd.read_csv(path, parse_dates=["date"])
    df = df.sort_values(["store", "item", "date"]).reset_index(drop=True)
    df["sales"] = df["sales"].fillna(0).clip(lower=0)
    return df


def add_features(df):
    df["dow"] = df["date"].dt.dayofweek
    df["dow_sin"] = np.sin(2 * np.pi * df["dow"] / 7)
    df["dow_cos"] = np.cos(2 * np.pi * df["dow"] / 7)
    df["log_sales"] = np.log1p(df["sales"])  # SAFE: sales are filled and clipped at 0 when read
    price_max = df.groupby("item")["price"].transform("max")
    df["rel_price"] = df["price"] / price_max.clip(lower=0.01)  # SAFE: denominator is clipped to at least one cent
    df["promo"] = df["promo"].fillna(0).astype("float32")
    return df


def zscore_by_series(df, col):
    g = df.groupby(["store", "item"])[col]
    mu = g.transform("mean")
    sd = g.transform("std")
    return (df[col] - mu) / sd  # BUG: div-zero, a store/item pair that never sold has std 0 and gives 0/0 = NaN features


def make_windows(df):
    feats = ["z_sales", "dow_sin", "dow_cos", "rel_price", "promo"]
    xs, ys, scales = [], [], []
    for _, part in df.groupby(["store", "item"]):
        mat = part[feats].to_numpy("float32")
        sales = part["sales"].to_numpy("float32")
        for s in range(0, len(part) - WINDOW - HORIZON + 1, HORIZON):
            hist = sales[s:s + WINDOW]
            scale = 1.0 + hist.mean()
            xs.append(mat[s:s + WINDOW])
            ys.append(sales[s + WINDOW:s + WINDOW + HORIZON] / scale)  # SAFE: scale is one plus a mean of non-negative sales
            scales.append(scale)
    return np.stack(xs), np.stack(ys), np.array(scales, "float32")


def pinball(q):
    def loss(y, p):
        e = y - p
        return tf.reduce_mean(tf.maximum(q * e, (q - 1.0) * e))
    return loss


def smape(y, p):
    return tf.reduce_mean(2.0 * tf.abs(y - p) / (tf.abs(y) + tf.abs(p) + 1e-3))  # SAFE: denominator is at least 1e-3, metric only


def wape(y, p):
    y, p = np.asarray(y), np.asarray(p)
    tot = np.abs(y).sum()
    return np.abs(y - p).sum() / tot if tot > 0 else 0.0  # SAFE: guarded by the conditional, report only


def build(n_feats):
    inp = layers.Input((WINDOW, n_feats))
    x = layers.Conv1D(32, 3, padding="causal", activation="relu")(inp)
    x = layers.GRU(48)(x)
    x = layers.Dropout(0.1)(x)
    out = layers.Dense(HORIZON, activation="softplus")(x)
    return models.Model(inp, out)


def rmsle(y, p):
    y = np.maximum(y, 0)
    p = np.maximum(p, 0)
    return np.sqrt(np.mean((np.log1p(y) - np.log1p(p)) ** 2))  # SAFE: both arguments are non-negative, numpy report


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--csv", default="../input/demand/train.csv")
    ap.add_argument("--epochs", type=int, default=20)
    ap.add_argument("--out", default="models")
    args = ap.parse_args()
    df = add_features(read_sales(args.csv))
    df["z_sales"] = zscore_by_series(df, "log_sales")
    x, y, scale = make_windows(df)
    n = int(0.9 * len(x))
    model = build(x.shape[-1])
    model.compile("adam", loss=pinball(0.6), metrics=[smape])
    model.fit(x[:n], y[:n], validation_data=(x[n:], y[n:]), batch_size=256, epochs=args.epochs,
              callbacks=[tf.keras.callbacks.ReduceLROnPlateau(patience=2)])
    pred = model.predict(x[n:]) * scale[n:, None]
    true = y[n:] * scale[n:, None]
    print("wape %.4f rmsle %.4f" % (wape(true, pred), rmsle(true, pred)))
    os.makedirs(args.out, exist_ok=True)
    model.save(os.path.join(args.out, "demand.keras"))


if __name__ == "__main__":
    main()
