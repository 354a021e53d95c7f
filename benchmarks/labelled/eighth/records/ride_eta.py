"""Arrival-time model for rides: duration of a trip from the route's features and the state of the traffic.

Trips are parquet-like npz exports with pick-up and drop-off in epoch milliseconds.
"""
import argparse
import glob
import json
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

EARTH_KM = 6371.0
COLUMNS = ("pickup_ms", "dropoff_ms", "lat0", "lon0", "lat1", "lon1", "route_km", "signals", "rain_mm")


def shards(pattern):
    for path in sorted(glob.glob(pattern)):
        with np.load(path) as z:
            cols = {c: z[c] for c in COLUMNS}
        took = cols["dropoff_ms"] - cols["pickup_ms"]
        ok = (took >= 30_000) & (took <= 4 * 3_600_000) & (cols["route_km"] > 0.05)
        yield {c: v[ok] for c, v in cols.items()}


def to_dataset(pattern, batch, shuffle):
    parts = list(shards(pattern))
    if not parts:
        raise FileNotFoundError(pattern)
    whole = {c: np.concatenate([p[c] for p in parts]) for c in COLUMNS}
    feed = {c: whole[c].astype(np.float32) for c in COLUMNS[2:]}
    feed["pickup_ms"] = whole["pickup_ms"].astype(np.int64)
    feed["dropoff_ms"] = whole["dropoff_ms"].astype(np.int64)
    ds = tf.data.Dataset.from_tensor_slices(feed)
    if shuffle:
        ds = ds.shuffle(200_000)
    return ds.batch(batch).map(prepare, tf.data.AUTOTUNE).prefetch(2), len(whole["lat0"])


def haversine(lat0, lon0, lat1, lon1):
    rad = np.pi / 180.0  # SAFE: a constant
    dlat, dlon = (lat1 - lat0) * rad, (lon1 - lon0) * rad
    a = tf.sin(dlat / 2) ** 2 + tf.cos(lat0 * rad) * tf.cos(lat1 * rad) * tf.sin(dlon / 2) ** 2
    return 2.0 * EARTH_KM * tf.asin(tf.sqrt(tf.clip_by_value(a, 0.0, 1.0)))  # SAFE: clipped to the domain, input pipeline without gradients


def clock(ms):
    seconds = tf.cast(ms // 1000, tf.float64)  # SAFE: int64 divided by a constant
    day = tf.cast(tf.math.floormod(seconds, 86400.0) / 86400.0, tf.float32)  # SAFE: divided by constants
    week = tf.cast(tf.math.floormod(seconds, 604800.0) / 604800.0, tf.float32)  # SAFE: divided by constants
    two_pi = 2.0 * np.pi
    return tf.stack([tf.sin(two_pi * day), tf.cos(two_pi * day), tf.sin(two_pi * week), tf.cos(two_pi * week)], -1)


def prepare(t):
    air = haversine(t["lat0"], t["lon0"], t["lat1"], t["lon1"])
    detour = tf.minimum(t["route_km"] / tf.maximum(air, 0.05), 6.0)  # SAFE: floored at fifty metres
    x = tf.stack([tf.math.log1p(t["route_km"]), tf.math.log1p(air), detour - 1.3,  # SAFE: distances are not negative
                  t["signals"] / tf.maximum(t["route_km"], 0.05) / 3.0,  # SAFE: floored
                  tf.math.log1p(tf.maximum(t["rain_mm"], 0.0))], -1)  # SAFE: floored at zero
    place = tf.cast(tf.floor(tf.stack([t["lat0"], t["lon0"], t["lat1"], t["lon1"]], -1) * 50.0), tf.int32)
    micros = tf.cast(t["dropoff_ms"] - t["pickup_ms"], tf.int32) * 1000
    minutes = tf.cast(micros // 1_000_000, tf.float32) / 60.0
    y = tf.math.log(minutes)  # BUG: cast, microseconds of trips over 36 minutes wrap around in int32 and become negative
    return (tf.concat([x, clock(t["pickup_ms"])], -1), place), y


class EtaNet(keras.Model):
    def __init__(self, buckets, dim, width):
        super().__init__()
        self.buckets = buckets
        self.cell = layers.Embedding(buckets, dim)
        self.body = keras.Sequential([layers.Dense(width, activation="swish"), layers.LayerNormalization(),
                                      layers.Dense(width, activation="swish")])
        self.out = layers.Dense(2, bias_initializer=keras.initializers.Constant([2.5, -0.5]))

    def call(self, inputs):
        x, place = inputs
        start = tf.math.floormod(place[:, 0] * 7919 + place[:, 1] * 104729, self.buckets)
        end = tf.math.floormod(place[:, 2] * 7919 + place[:, 3] * 104729, self.buckets)
        h = tf.concat([x, self.cell(start), self.cell(end)], -1)
        mean, raw = tf.split(self.out(self.body(h)), 2, axis=-1)
        return tf.concat([mean, tf.nn.softplus(raw) + 0.02], -1)


def laplace_nll(y, out):
    mean, scale = out[:, 0], out[:, 1]
    y = tf.reshape(y, [-1])
    return tf.abs(y - mean) / scale + tf.math.log(scale)  # SAFE: 0.02 is added to the scale


def percent_errors(y, out):
    true, pred = np.exp(np.clip(y, -3, 6)), np.exp(np.clip(out[:, 0], -3, 6))  # SAFE: clipped
    ape = np.abs(true - pred) / true  # SAFE: an exponential is positive
    inside = np.abs(y - out[:, 0]) <= out[:, 1] * np.log(10.0)
    return {"mape": float(ape.mean()), "p90": float(np.quantile(ape, 0.9)), "cover90": float(inside.mean())}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="trips/train/*.npz")
    ap.add_argument("--valid", default="trips/valid/*.npz")
    ap.add_argument("--buckets", type=int, default=50021)
    ap.add_argument("--dim", type=int, default=16)
    ap.add_argument("--width", type=int, default=128)
    ap.add_argument("--batch", type=int, default=2048)
    ap.add_argument("--epochs", type=int, default=8)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--out", default="eta")
    a = ap.parse_args()
    keras.utils.set_random_seed(40)
    os.makedirs(a.out, exist_ok=True)
    train, n = to_dataset(a.train, a.batch, True)
    valid, m = to_dataset(a.valid, 8192, False)
    print(n, "training trips,", m, "validation trips")
    net = EtaNet(a.buckets, a.dim, a.width)
    lr = keras.optimizers.schedules.CosineDecay(a.lr, a.epochs * max(n // a.batch, 1))
    net.compile(keras.optimizers.Adam(lr, global_clipnorm=1.0), loss=laplace_nll)  # SAFE: 1e-3 and falling
    net.fit(train, epochs=a.epochs, verbose=2, callbacks=[keras.callbacks.BackupAndRestore(os.path.join(a.out, "backup"))])
    ys = np.concatenate([y.numpy() for _, y in valid])
    out = np.concatenate([net(x).numpy() for x, _ in valid])
    result = percent_errors(ys, out)
    with open(os.path.join(a.out, "result.json"), "w") as fh:
        json.dump(result, fh)
    print(result)
    net.save_weights(os.path.join(a.out, "eta.weights.h5"))


if __name__ == "__main__":
    main()
