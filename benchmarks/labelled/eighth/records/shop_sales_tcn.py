"""Daily sales per shop and product family, dilated causal convolutions. Written for the store-sales competition."""
import argparse
import gc
import os

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow.keras import Model, callbacks, layers, optimizers

PAST, AHEAD = 112, 16
FAMILIES = 33


def pivot(train_csv):
    df = pd.read_csv(train_csv, parse_dates=["date"])
    # sales are net of returns
    wide = df.pivot_table(index=["store_nbr", "family"], columns="date", values="sales", aggfunc="sum").fillna(0.0)
    promo = df.pivot_table(index=["store_nbr", "family"], columns="date", values="onpromotion", aggfunc="sum").fillna(0.0)
    del df
    gc.collect()
    return wide, promo


def oil_price(path, dates):
    oil = pd.read_csv(path, parse_dates=["date"]).set_index("date")["dcoilwtico"]
    oil = oil.reindex(dates).interpolate().bfill().to_numpy(np.float64)
    change = np.diff(oil, prepend=oil[0]) / np.maximum(oil, 1.0)  # SAFE: oil floored at one dollar
    return np.stack([np.log(np.maximum(oil, 1.0)) - 4.0, np.clip(change, -0.3, 0.3)], 1).astype("float32")  # SAFE: oil floored at one dollar


def transform(wide):
    values = np.maximum(wide.to_numpy(np.float64), 0.0)
    return np.log1p(values).astype("float32")  # SAFE: days with more returns than sales are floored at zero


def calendar(dates):
    doy = dates.dayofyear.to_numpy() / 365.25
    dow = np.eye(7)[dates.dayofweek.to_numpy()]
    payday = ((dates.day == 15) | dates.is_month_end).astype(float)
    return np.concatenate([np.sin(2 * np.pi * doy)[:, None], np.cos(2 * np.pi * doy)[:, None], dow,
                           np.asarray(payday)[:, None]], 1).astype("float32")


def cut(sales, promo, cal, end):
    """Series up to day `end` (exclusive) as inputs and the AHEAD days after it as the target."""
    past = sales[:, end - PAST:end]
    level = past.mean(1, keepdims=True)
    spread = past.std(1, keepdims=True) + 0.1
    x = (past - level) / spread  # SAFE: 0.1 is added to the deviation
    pr = np.log1p(np.maximum(promo[:, end - PAST:end + AHEAD], 0))  # SAFE: floored at zero
    c = np.broadcast_to(cal[end - PAST:end + AHEAD], (len(sales), PAST + AHEAD, cal.shape[1]))
    y = sales[:, end:end + AHEAD] if end + AHEAD <= sales.shape[1] else None
    return {"x": x[..., None], "promo": pr[..., None].astype("float32"), "cal": c, "level": level, "spread": spread}, y


def build(n_cal, filters=48, dilations=(1, 2, 4, 8, 16, 32)):
    x = layers.Input((PAST, 1), name="x")
    promo = layers.Input((PAST + AHEAD, 1), name="promo")
    cal = layers.Input((PAST + AHEAD, n_cal), name="cal")
    level, spread = layers.Input((1,), name="level"), layers.Input((1,), name="spread")
    known = layers.Concatenate()([promo, cal])
    h = layers.Concatenate()([x, layers.Cropping1D((0, AHEAD))(known)])
    h = layers.Conv1D(filters, 1)(h)
    skips = []
    for d in dilations:
        f = layers.Conv1D(filters, 2, dilation_rate=d, padding="causal", activation="tanh")(h)
        g = layers.Conv1D(filters, 2, dilation_rate=d, padding="causal", activation="sigmoid")(h)
        z = layers.Conv1D(filters, 1)(layers.Multiply()([f, g]))
        h = layers.Add()([h, z])
        skips.append(z)
    s = layers.ReLU()(layers.Add()(skips))
    last = layers.Cropping1D((PAST - 1, 0))(s)
    ctx = layers.RepeatVector(AHEAD)(layers.Flatten()(last))
    out = layers.Concatenate()([ctx, layers.Cropping1D((PAST, 0))(known)])
    out = layers.Dense(64, activation="relu")(out)
    out = layers.Flatten()(layers.Dense(1)(out))
    out = layers.Add()([layers.Multiply()([out, spread]), level])
    return Model([x, promo, cal, level, spread], out)


def rmsle(y, p):
    return float(np.sqrt(np.mean((np.clip(p, 0, None) - np.clip(y, 0, None)) ** 2)))  # SAFE: root of a mean of squares in numpy


def weights_by_volume(sales):
    vol = sales.mean(1)
    w = 0.5 + vol / max(float(vol.mean()), 1e-3)  # SAFE: floored
    return np.clip(w, 0.5, 3.0).astype("float32")


def submission(path, wide, pred, start):
    """pred is on the log scale"""
    rows = []
    units = np.expm1(np.clip(pred, 0.0, 14.0))  # SAFE: clipped to fourteen
    for (store, family), values in zip(wide.index, units):
        for d, v in enumerate(values):
            rows.append((store, family, start + pd.Timedelta(days=d), v))
    pd.DataFrame(rows, columns=["store_nbr", "family", "date", "sales"]).to_csv(path, index=False)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="../input/store-sales")
    ap.add_argument("--cuts", type=int, default=12, help="number of weekly training windows")
    ap.add_argument("--epochs", type=int, default=20)
    ap.add_argument("--batch", type=int, default=512)
    ap.add_argument("--out", default="submission.csv")
    a = ap.parse_args()
    tf.keras.utils.set_random_seed(99)

    wide, promo = pivot(os.path.join(a.data, "train.csv"))
    assert len(wide) % FAMILIES == 0, "families missing"
    print("stores", len(wide) // FAMILIES)  # SAFE: a positive constant
    sales = transform(wide)
    dates = pd.date_range(wide.columns[0], periods=len(wide.columns) + AHEAD)
    cal = np.concatenate([calendar(dates), oil_price(os.path.join(a.data, "oil.csv"), dates)], 1)
    pr = np.pad(promo.to_numpy(np.float64), ((0, 0), (0, AHEAD)), mode="edge")
    n = sales.shape[1]
    feeds, targets = zip(*(cut(sales, pr, cal, n - AHEAD * 2 - 7 * k) for k in range(a.cuts)))
    x = {k: np.concatenate([f[k] for f in feeds]) for k in feeds[0]}
    y = np.concatenate(targets)
    w = np.tile(weights_by_volume(sales), a.cuts)
    xv, yv = cut(sales, pr, cal, n - AHEAD)

    model = build(cal.shape[1])
    model.compile(optimizers.Adam(1e-3, clipnorm=1.0), loss="huber")
    model.fit(x, y, sample_weight=w, batch_size=a.batch, epochs=a.epochs, validation_data=(xv, yv), verbose=2,
              callbacks=[callbacks.ReduceLROnPlateau(factor=0.3, patience=3), callbacks.TerminateOnNaN()])
    print("rmsle %.4f" % rmsle(yv, model.predict(xv, batch_size=4096, verbose=0)))
    xf, _ = cut(sales, pr, cal, n)
    submission(a.out, wide, model.predict(xf, batch_size=4096, verbose=0), dates[n])


if __name__ == "__main__":
    main()
