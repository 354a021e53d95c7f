"""Day-ahead quantiles of substation load, GradientTape training on tf.data windows."""
import argparse
import csv
import datetime as dt
import logging
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

LOG = logging.getLogger("grid")
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
PAST, AHEAD = 168, 24


def read_station(path):
    """hourly csv: time, mw, temperature"""
    stamps, mw, temp = [], [], []
    with open(path, newline="") as fh:
        for r in csv.DictReader(fh):
            stamps.append(dt.datetime.fromisoformat(r["time"]))
            mw.append(float(r["mw"]) if r["mw"] else np.nan)
            temp.append(float(r["temperature"]) if r["temperature"] else np.nan)
    return stamps, np.array(mw), np.array(temp)


def fill(v, default=0.0):
    """Linear interpolation over gaps; a column without any value gets the default."""
    ok = np.isfinite(v)
    if not ok.any():
        return np.full_like(v, default)
    return np.interp(np.arange(len(v)), np.flatnonzero(ok), v[ok])


def robust_scale(v):
    lo, hi = np.percentile(v, [5, 95])
    return 0.5 * (lo + hi), max((hi - lo) / 2.0, 1e-2)


def clock(stamps):
    hour = np.array([s.hour + s.minute / 60.0 for s in stamps]) / 24.0  # SAFE: divided by constants
    week = np.array([s.weekday() for s in stamps]) / 7.0  # SAFE: divided by constants
    year = np.array([s.timetuple().tm_yday for s in stamps]) / 366.0  # SAFE: divided by constants
    f = [fn(2 * np.pi * k * v) for v in (hour, week, year) for k in (1, 2) for fn in (np.sin, np.cos)]
    return np.stack(f, 1).astype(np.float32)


def station_windows(path, stride):
    stamps, mw, temp = read_station(path)
    mw, temp = fill(mw), fill(temp, 10.0)
    centre, width = robust_scale(mw[:int(0.8 * len(mw))])
    z = np.clip((mw - centre) / width, -8, 8).astype(np.float32)  # SAFE: robust_scale floors the width
    heating = np.sqrt(np.maximum(16.0 - temp, 0.0)).astype(np.float32)  # SAFE: floored at zero, a numpy input
    cov = np.concatenate([clock(stamps), heating[:, None] / 4.0], 1)
    starts = np.arange(0, len(z) - PAST - AHEAD + 1, stride)
    past = np.stack([np.column_stack([z[s:s + PAST], cov[s:s + PAST]]) for s in starts])
    known = np.stack([cov[s + PAST:s + PAST + AHEAD] for s in starts])
    target = np.stack([z[s + PAST:s + PAST + AHEAD] for s in starts])
    return past.astype(np.float32), known.astype(np.float32), target.astype(np.float32), width


class QuantileNet(keras.Model):
    """The median is free, the others are reached by positive steps so that quantiles do not cross."""

    def __init__(self, units, drop):
        super().__init__()
        self.enc = layers.Bidirectional(layers.LSTM(units))
        self.mix = layers.Dense(units, activation="elu")
        self.drop = layers.Dropout(drop)
        self.gate = layers.Dense(units, activation="sigmoid")
        self.med = layers.Dense(1)
        self.up = layers.Dense(len(QUANTILES) // 2)
        self.down = layers.Dense(len(QUANTILES) // 2)

    def call(self, past, known, training=False):
        h = self.enc(past, training=training)
        h = tf.repeat(h[:, None], AHEAD, axis=1)
        g = self.mix(tf.concat([h, known], -1))
        g = self.drop(g * self.gate(g), training=training)
        m = self.med(g)
        up = m + tf.cumsum(tf.nn.softplus(self.up(g)), axis=-1)
        down = m - tf.cumsum(tf.nn.softplus(self.down(g)), axis=-1)
        return tf.concat([tf.reverse(down, [-1]), m, up], -1)


def pinball(y, q):
    tau = tf.constant(QUANTILES)
    e = y[..., None] - q
    return tf.reduce_mean(tf.maximum(tau * e, (tau - 1.0) * e))  # SAFE: piecewise linear, finite slopes on both sides


def crps_from_quantiles(y, q):
    tau = np.array(QUANTILES)
    e = y[..., None] - q
    return float(2.0 * np.maximum(tau * e, (tau - 1) * e).mean())


def skill(score, reference):
    return 1.0 - score / reference if reference > 1e-9 else float("nan")  # SAFE: guarded by the conditional


def calibration(y, q):
    hits = (y[..., None] <= q).mean((0, 1))
    gap = np.abs(hits - np.array(QUANTILES))
    return hits, float(gap.mean())


def winkler(y, lo, hi, alpha):
    below, above = np.maximum(lo - y, 0), np.maximum(y - hi, 0)
    return float((hi - lo + 2.0 / alpha * (below + above)).mean())  # SAFE: alpha is the constant 0.1


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("stations", nargs="+")
    ap.add_argument("--units", type=int, default=64)
    ap.add_argument("--drop", type=float, default=0.1)
    ap.add_argument("--batch", type=int, default=128)
    ap.add_argument("--epochs", type=int, default=25)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--stride", type=int, default=6)
    ap.add_argument("--out", default="grid_ckpt")
    args = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    keras.utils.set_random_seed(6)

    tr, va, widths = [], [], []
    for path in args.stations:
        p, k, t, w = station_windows(path, args.stride)
        cut = int(0.85 * len(p))
        gap = PAST // args.stride + 1  # SAFE: the stride is a positive step of hours
        tr.append((p[:cut], k[:cut], t[:cut]))
        va.append((p[cut + gap:], k[cut + gap:], t[cut + gap:]))
        widths.append(w)
        LOG.info("%s: %d windows, width %.2f MW", os.path.basename(path), len(p), w)
    train = [np.concatenate(a) for a in zip(*tr)]
    valid = [np.concatenate(a) for a in zip(*va)]
    ds = tf.data.Dataset.from_tensor_slices(tuple(train)).shuffle(20000).batch(args.batch).prefetch(2)
    net = QuantileNet(args.units, args.drop)
    steps = args.epochs * max(len(train[0]) // args.batch, 1)
    opt = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(args.lr, steps))  # SAFE: 1e-3 and falling
    ckpt = tf.train.CheckpointManager(tf.train.Checkpoint(net=net, opt=opt), args.out, 2)

    @tf.function
    def step(past, known, y):
        with tf.GradientTape() as tape:
            loss = pinball(y, net(past, known, training=True))
        tv = net.trainable_variables
        g, norm = tf.clip_by_global_norm(tape.gradient(loss, tv), 1.0)  # SAFE: the loss is piecewise linear so norms are finite
        opt.apply_gradients(zip(g, tv))
        return loss

    naive = np.repeat(valid[0][:, -AHEAD:, 0][..., None], len(QUANTILES), -1)
    reference = crps_from_quantiles(valid[2], naive)
    best = np.inf
    for epoch in range(args.epochs):
        loss = np.mean([float(step(*b)) for b in ds])
        q = np.concatenate([net(valid[0][i:i + 512], valid[1][i:i + 512]).numpy() for i in range(0, len(valid[0]), 512)])
        crps = crps_from_quantiles(valid[2], q)
        hits, gap = calibration(valid[2], q)
        LOG.info("epoch %d loss %.4f crps %.4f skill %.3f calibration gap %.3f winkler90 %.3f", epoch, loss, crps,
                 skill(crps, reference), gap, winkler(valid[2], q[..., 0], q[..., -1], 0.1))
        if crps < best:
            best = crps
            ckpt.save()


if __name__ == "__main__":
    main()
