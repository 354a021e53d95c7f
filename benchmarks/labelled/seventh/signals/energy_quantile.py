"""Quantile forecasts of building energy use: gated residual network with variable selection (Keras 3)."""
import argparse
import csv
import datetime as dt
import math
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
STATIC = ["area_m2", "year_built", "occupants"]


def read_meter(path):
    rows = []
    with open(path) as fh:
        for r in csv.DictReader(fh):
            when = dt.datetime.fromisoformat(r["timestamp"])
            rows.append((r["building"], when, float(r["kwh"] or 0.0), float(r["temp_c"] or "nan")))
    rows.sort(key=lambda r: (r[0], r[1]))
    return rows


def fill_gaps(v):
    """Linear interpolation over missing temperatures; all missing gives zeros."""
    v = np.asarray(v, np.float32)
    ok = np.isfinite(v)
    if not ok.any():
        return np.zeros_like(v)
    return np.interp(np.arange(len(v)), np.flatnonzero(ok), v[ok]).astype(np.float32)


def series_features(kwh, temp, hours):
    kwh = np.clip(np.asarray(kwh, np.float32), 0.0, None)
    y = np.log1p(kwh)  # SAFE: kwh clipped at 0
    t = (fill_gaps(temp) - 12.0) / 10.0  # SAFE: constants
    ang = 2.0 * np.pi * np.asarray(hours, np.float32) / 24.0
    return np.stack([y, t, np.sin(ang), np.cos(ang)], -1).astype(np.float32)


def static_features(meta):
    """meta: list of dicts. Area and occupants are skewed, some are entered as zero."""
    area = np.log(np.maximum([m["area_m2"] for m in meta], 1.0))  # SAFE: floored at one square metre
    occ = np.log1p(np.maximum([m["occupants"] for m in meta], 0.0))  # SAFE: floored at 0
    year = (np.asarray([m["year_built"] for m in meta], np.float32) - 1970.0) / 30.0
    x = np.stack([area, year, occ], -1)
    sd = x.std(0)
    sd[sd < 1e-6] = 1.0
    return ((x - x.mean(0)) / sd).astype(np.float32)  # SAFE: constant columns get sd = 1


@keras.saving.register_keras_serializable("energy")
class GatedResidual(layers.Layer):
    def __init__(self, units, rate=0.1, **kw):
        super().__init__(**kw)
        self.units, self.rate = units, rate
        self.fc1 = layers.Dense(units, activation="elu")
        self.fc2 = layers.Dense(units)
        self.gate = layers.Dense(units, activation="sigmoid")
        self.skip = layers.Dense(units)
        self.drop = layers.Dropout(rate)
        self.norm = layers.LayerNormalization(epsilon=1e-6)  # SAFE: float32 layer, variance of a constant row is 0 and epsilon is inside the root

    def call(self, x, training=None):
        h = self.drop(self.fc2(self.fc1(x)), training=training)
        return self.norm(self.skip(x) + self.gate(x) * h)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "rate": self.rate}


@keras.saving.register_keras_serializable("energy")
class VariableSelection(layers.Layer):
    """Entmax-like sparse weighting: softmax, then thresholded and renormalised."""

    def __init__(self, units, floor=0.02, **kw):
        super().__init__(**kw)
        self.units, self.floor = units, floor
        self.score = None

    def build(self, shape):
        n = shape[-1]
        self.score = layers.Dense(n)
        self.emb = self.add_weight(shape=(n, self.units), initializer="glorot_uniform", name="emb")
        self.score.build(shape)

    def call(self, x):
        w = ops.softmax(self.score(x), axis=-1)
        w = ops.relu(w - self.floor)
        w = w / (ops.sum(w, axis=-1, keepdims=True) + 1e-6)  # SAFE: the floor 0.02 is below 1/n for four inputs so the sum is positive, and 1e-6 is added
        return ops.matmul(w * x, self.emb)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "floor": self.floor}


@keras.saving.register_keras_serializable("energy")
class InstanceScale(layers.Layer):
    """Reversible normalisation of the first channel; returns scaled input, mean and scale."""

    def call(self, x):
        y = x[..., :1]
        mean = ops.mean(y, axis=1, keepdims=True)
        var = ops.mean(ops.square(y - mean), axis=1, keepdims=True)
        scale = ops.sqrt(var + 1e-4)  # SAFE: 1e-4 is added inside the root
        return ops.concatenate([(y - mean) / scale, x[..., 1:]], -1), mean, scale  # SAFE: scale >= 0.01


def build(context, horizon, n_feat, n_static, units=32):
    past = keras.Input((context, n_feat), name="past")
    static = keras.Input((n_static,), name="static")
    x, mean, scale = InstanceScale()(past)
    x = VariableSelection(units)(x)
    x = layers.LSTM(units, return_sequences=True)(x)
    s = layers.RepeatVector(context)(GatedResidual(units)(static))
    x = GatedResidual(units)(layers.Concatenate()([x, s]))
    a = layers.MultiHeadAttention(2, units // 2)(x, x)
    x = GatedResidual(units)(layers.Add()([x, a]))
    h = layers.Dense(horizon * len(QUANTILES))(x[:, -1])
    h = layers.Reshape((horizon, len(QUANTILES)))(h)
    first = h[..., :1]
    steps = ops.softplus(h[..., 1:])
    q = ops.concatenate([first, first + ops.cumsum(steps, axis=-1)], -1)
    return keras.Model([past, static], q * scale + mean)


class PinballLoss(keras.losses.Loss):
    def call(self, y, q):
        tau = ops.convert_to_tensor(np.array(QUANTILES, np.float32))
        e = y[..., None] - q
        return ops.mean(ops.maximum(tau * e, (tau - 1.0) * e), axis=-1)


class WinklerScore(keras.metrics.Metric):
    """Interval score of the outer quantiles, relative to the mean level."""

    def __init__(self, name="winkler", **kw):
        super().__init__(name=name, **kw)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.level = self.add_weight(name="level", initializer="zeros")

    def update_state(self, y, q, sample_weight=None):
        lo, hi = q[..., 0], q[..., -1]
        alpha = QUANTILES[0] * 2.0
        s = (hi - lo) + 2.0 / alpha * (ops.relu(lo - y) + ops.relu(y - hi))  # SAFE: alpha is the constant 0.1
        self.total.assign_add(ops.sum(s))
        self.level.assign_add(ops.sum(ops.abs(y)))

    def result(self):
        return self.total / ops.maximum(self.level, 1e-3)  # SAFE: floored at 1e-3

    def reset_state(self):
        self.total.assign(0.0)
        self.level.assign(0.0)


def windows(series, static, context, horizon, stride=6):
    for k, s in enumerate(series):
        for i in range(0, len(s) - context - horizon + 1, stride):
            yield (s[i:i + context], static[k]), s[i + context:i + context + horizon, 0]


def to_kwh(pred):
    return np.expm1(np.minimum(pred, 15.0))  # SAFE: exponent capped at 15


def coverage(y, q):
    inside = (y >= q[..., 0]) & (y <= q[..., -1])
    return inside.mean() if inside.size else math.nan


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("meter_csv")
    ap.add_argument("meta_csv")
    ap.add_argument("--context", type=int, default=96)
    ap.add_argument("--horizon", type=int, default=24)
    ap.add_argument("--epochs", type=int, default=30)
    a = ap.parse_args()
    rows = read_meter(a.meter_csv)
    with open(a.meta_csv) as fh:
        meta = {r["building"]: {k: float(r[k] or 0) for k in STATIC} for r in csv.DictReader(fh)}
    names = sorted(meta)
    series = []
    for n in names:
        part = [r for r in rows if r[0] == n]
        series.append(series_features([p[2] for p in part], [p[3] for p in part], [p[1].hour for p in part]))
    static = static_features([meta[n] for n in names])
    data = list(windows(series, static, a.context, a.horizon))
    x = (np.stack([d[0][0] for d in data]), np.stack([d[0][1] for d in data]))
    y = np.stack([d[1] for d in data])
    model = build(a.context, a.horizon, 4, len(STATIC))
    model.compile(keras.optimizers.Adam(1e-3, global_clipnorm=1.0), loss=PinballLoss(), metrics=[WinklerScore()])
    model.fit(x, y, validation_split=0.1, epochs=a.epochs, batch_size=64,
              callbacks=[keras.callbacks.ReduceLROnPlateau(patience=3), keras.callbacks.ModelCheckpoint("energy.keras", save_best_only=True)])
    q = model.predict(x)
    print("coverage", coverage(y, q), "median kWh", to_kwh(q[..., 2]).mean())


if __name__ == "__main__":
    main()
