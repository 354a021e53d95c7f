# Bike sharing demand: Poisson network, custom loop.
# columns: datetime,season,holiday,workingday,weather,temp,atemp,humidity,windspeed,casual,registered,count
import csv
import datetime as dt
import sys

import numpy as np
import tensorflow as tf

BATCH = 64
EPOCHS = 30
LR = 0.001
HIDDEN = (64, 32)


def parse_row(r):
    t = dt.datetime.strptime(r["datetime"], "%Y-%m-%d %H:%M:%S")
    return [
        t.year, t.month, t.hour, t.weekday(),
        float(r["season"]), float(r["holiday"]), float(r["workingday"]), float(r["weather"]),
        float(r["temp"]), float(r["atemp"]), float(r["humidity"]), float(r["windspeed"]),
    ], float(r["count"])


def load(path):
    with open(path) as f:
        rows = [parse_row(r) for r in csv.DictReader(f)]
    x = np.array([r[0] for r in rows], np.float32)
    y = np.array([r[1] for r in rows], np.float32)
    return x, y


def split(x, y, frac=0.8, seed=42):
    idx = np.random.RandomState(seed).permutation(len(x))
    k = int(frac * len(x))
    return (x[idx[:k]], y[idx[:k]]), (x[idx[k:]], y[idx[k:]])


class DemandNet(tf.keras.Model):
    def __init__(self, mean_count):
        super().__init__()
        self.hidden = [tf.keras.layers.Dense(h, activation="relu") for h in HIDDEN]
        b = tf.keras.initializers.Constant(np.log(max(mean_count, 1.0)))  # SAFE: mean floored at 1
        self.out = tf.keras.layers.Dense(1, bias_initializer=b)

    def log_rate(self, x):
        for h in self.hidden:
            x = h(x)
        return self.out(x)[:, 0]

    def call(self, x):
        return tf.exp(self.log_rate(x))  # BUG: raw-data, features arrive unscaled (year 2011, humidity 0..100), the log rate starts hundreds above or below zero: exp overflows, or underflows to a rate of 0 with zero gradient


def poisson_loss(y, lam):
    return tf.reduce_mean(lam - y * tf.math.log(lam + 1e-7))  # BUG: exp-overflow, lam is inf for the unscaled inputs: inf - inf


def rmsle(y, p):
    p = np.clip(np.nan_to_num(p), 0, 1e6)
    return float(np.sqrt(np.mean((np.log1p(p) - np.log1p(y)) ** 2)))  # SAFE: prediction clipped to [0, 1e6], counts are not negative


def by_hour(x, y):
    h = x[:, 2].astype(int)
    s = np.bincount(h, weights=y, minlength=24)
    n = np.bincount(h, minlength=24)
    return s / np.maximum(n, 1)  # SAFE: counts floored at 1


class EarlyStop:
    def __init__(self, patience=5):
        self.best, self.left, self.patience = np.inf, patience, patience

    def __call__(self, v):
        if v < self.best - 1e-4:
            self.best, self.left = v, self.patience
        else:
            self.left -= 1
        return self.left <= 0

    def improvement(self, base):
        return 100.0 * (base - self.best) / base if base > 0 else 0.0  # SAFE: base is tested in the expression


def train(xtr, ytr, xva, yva):
    net = DemandNet(float(ytr.mean()))
    opt = tf.keras.optimizers.Adam(LR)
    ds = tf.data.Dataset.from_tensor_slices((xtr, ytr)).shuffle(len(xtr)).batch(BATCH)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = poisson_loss(y, net(x))
        g = tape.gradient(loss, net.trainable_variables)
        opt.apply_gradients(zip(g, net.trainable_variables))
        return loss

    stop = EarlyStop()
    profile = by_hour(xtr, ytr)
    base = rmsle(yva, profile[xva[:, 2].astype(int)])
    for ep in range(EPOCHS):
        tot, n = 0.0, 0
        for x, y in ds:
            tot += float(step(x, y))
            n += 1
        score = rmsle(yva, net(xva).numpy())
        print("epoch", ep, "loss", tot / max(n, 1), "rmsle", score)  # SAFE: number of batches floored at 1
        if stop(score):
            break
    print("gain over hourly profile: %.1f%%" % stop.improvement(base))
    return net


if __name__ == "__main__":
    x, y = load(sys.argv[1] if len(sys.argv) > 1 else "train.csv")
    (xtr, ytr), (xva, yva) = split(x, y)
    net = train(xtr, ytr, xva, yva)
    net.save_weights("bike.weights.h5")
