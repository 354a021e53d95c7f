"""Pure premium for crop hail insurance: compound Poisson-gamma (Tweedie) regression.

Fields are rows of a csv with location, crop, sum insured and the ratio loss / sum insured of the season.
"""
import argparse
import math
import os

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow.keras import callbacks, layers, losses, metrics, models, optimizers

CROPS = ["wheat", "barley", "maize", "rape", "beet", "vine", "apple"]
POWER = 1.5


class Tweedie(losses.Loss):
    """Tweedie deviance without the terms that do not depend on mu, 1 < p < 2."""

    def __init__(self, power=POWER, **kw):
        super().__init__(**kw)
        if not 1.0 < power < 2.0:
            raise ValueError("power has to lie between 1 and 2")
        self.p = power

    def call(self, y, mu):
        a = y * tf.pow(mu, 1.0 - self.p) / (1.0 - self.p)  # BUG: domain, the rate layer is a relu and 0 to a negative power is inf
        b = tf.pow(mu, 2.0 - self.p) / (2.0 - self.p)  # BUG: sqrt-grad, power one half of a relu output at 0 has an infinite slope
        return tf.reduce_mean(b - a, axis=-1)


class TweedieDeviance(metrics.Metric):
    def __init__(self, power=POWER, name="deviance", **kw):
        super().__init__(name=name, **kw)
        self.p = power
        self.total = self.add_weight(name="t", initializer="zeros")
        self.n = self.add_weight(name="n", initializer="zeros")

    def update_state(self, y, mu, sample_weight=None):
        mu = tf.maximum(tf.cast(mu, tf.float32), 1e-6)
        y = tf.maximum(tf.cast(y, tf.float32), 0.0)
        p = self.p
        d = (tf.pow(y, 2 - p) / ((1 - p) * (2 - p))  # SAFE: the power is strictly between 1 and 2, checked for the loss
             - y * tf.pow(mu, 1 - p) / (1 - p)  # SAFE: mu is floored in the metric
             + tf.pow(mu, 2 - p) / (2 - p))
        self.total.assign_add(2.0 * tf.reduce_sum(d))
        self.n.assign_add(tf.cast(tf.size(y), tf.float32))

    def result(self):
        return self.total / tf.maximum(self.n, 1.0)  # SAFE: at least one

    def reset_state(self):
        self.total.assign(0.0)
        self.n.assign(0.0)


def load(path):
    df = pd.read_csv(path)
    df = df[(df["sum_insured"] > 0) & df["crop"].isin(CROPS)]
    df["ratio"] = (df["loss"] / df["sum_insured"]).clip(0, 1)  # SAFE: rows without a sum insured are filtered
    return df


def encode(df, ref=None):
    lat, lon = np.radians(df["lat"].to_numpy()), np.radians(df["lon"].to_numpy())
    geo = np.stack([np.sin(lat), np.cos(lat), np.sin(lon), np.cos(lon)], 1)
    size = np.log10(df["sum_insured"].to_numpy())[:, None]  # SAFE: sum insured is positive after load
    hail = np.sqrt(np.maximum(df["hail_days_10y"].fillna(0).to_numpy(), 0))[:, None]  # SAFE: floored, a numpy feature
    cont = np.concatenate([size, hail], 1)
    if ref is None:
        ref = cont.mean(0), cont.std(0) + 1e-6
    cont = (cont - ref[0]) / ref[1]  # SAFE: 1e-6 on the deviation in double precision
    crop = np.eye(len(CROPS))[df["crop"].map(CROPS.index).to_numpy()]
    return np.concatenate([geo, cont, crop], 1).astype("float32"), ref


def build(dim, mean_ratio):
    x = layers.Input((dim,))
    h = layers.Dense(48, activation="swish")(x)
    h = layers.BatchNormalization()(h)
    h = layers.Dense(24, activation="swish")(h)
    rate = layers.Dense(1, activation="relu", bias_initializer=tf.keras.initializers.Constant(mean_ratio), name="rate")(h)
    return models.Model(x, rate)


def gini(y, mu):
    """Normalised Gini of the ordering by predicted premium."""
    def area(order):
        c = np.cumsum(y[order]) / y.sum()  # SAFE: called only when some loss was paid
        return c.sum() / len(y) - (len(y) + 1) / (2.0 * len(y))
    if y.sum() <= 0:
        return float("nan")
    best = area(np.argsort(-y))
    return area(np.argsort(-mu)) / best if abs(best) > 1e-12 else float("nan")


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="hail_2010_2019.csv")
    ap.add_argument("--test", default="hail_2020_2022.csv")
    ap.add_argument("--epochs", type=int, default=40)
    ap.add_argument("--batch", type=int, default=1024)
    ap.add_argument("--lr", type=float, default=2e-3)
    ap.add_argument("--out", default="hail")
    a = ap.parse_args()
    tf.keras.utils.set_random_seed(3)
    os.makedirs(a.out, exist_ok=True)

    train, test = load(a.train), load(a.test)
    x, ref = encode(train)
    xt, _ = encode(test, ref)
    y = train["ratio"].to_numpy("float32")[:, None]
    yt = test["ratio"].to_numpy("float32")[:, None]
    print(f"share of claims {np.mean(y > 0):.3f}, mean ratio {y.mean():.5f}, log10 {math.log10(max(y.mean(), 1e-9)):.2f}")  # SAFE: floored

    net = build(x.shape[1], float(y.mean()))
    net.compile(optimizers.Adam(a.lr, clipnorm=1.0), loss=Tweedie(), metrics=[TweedieDeviance()])
    net.fit(x, y, validation_data=(xt, yt), epochs=a.epochs, batch_size=a.batch, verbose=2,
            callbacks=[callbacks.ReduceLROnPlateau(patience=4, factor=0.5), callbacks.CSVLogger(os.path.join(a.out, "log.csv"))])
    mu = net.predict(xt, batch_size=8192, verbose=0)[:, 0]
    balance = mu.sum() / max(float(yt.sum()), 1e-9)  # SAFE: floored
    print("gini %.4f, balance %.3f" % (gini(yt[:, 0], mu), balance))
    net.save(os.path.join(a.out, "model.keras"))


if __name__ == "__main__":
    main()
