import csv
from datetime import datetime

import numpy as np


def read(path):
    stamps, load, temp = [], [], []
    with open(path) as f:
        for r in csv.DictReader(f):
            stamps.append(datetime.fromisoformat(r["utc"]))
            load.append(float(r["load_mw"]) if r["load_mw"] else np.nan)
            temp.append(float(r["temp_c"]) if r["temp_c"] else np.nan)
    return stamps, interpolate(np.array(load)), interpolate(np.array(temp))


def interpolate(v):
    bad = np.isnan(v)
    if bad.all():
        raise ValueError("empty column")
    v[bad] = np.interp(np.flatnonzero(bad), np.flatnonzero(~bad), v[~bad])
    return v


class MinMax:
    def fit(self, v):
        self.lo, self.hi = float(v.min()), float(v.max())
        return self

    def transform(self, v):
        return (v - self.lo) / max(self.hi - self.lo, 1e-9)  # SAFE: range floored

    def inverse(self, v):
        return v * (self.hi - self.lo) + self.lo


class Standard:
    def fit(self, v):
        self.mu, self.sd = float(v.mean()), float(v.std()) or 1.0
        return self

    def transform(self, v):
        return (v - self.mu) / self.sd  # SAFE: a zero deviation was replaced by 1.0 with `or`

    def inverse(self, v):
        return v * self.sd + self.mu


SCALERS = {"minmax": MinMax, "standard": Standard}


def time_features(stamps):
    h = np.array([s.hour for s in stamps]) / 24.0
    w = np.array([s.weekday() for s in stamps]) / 7.0
    return np.stack([np.sin(2 * np.pi * h), np.cos(2 * np.pi * h), np.sin(2 * np.pi * w), np.cos(2 * np.pi * w)], 1)


def windows(features, target, lookback, horizon):
    n = len(target) - lookback - horizon + 1
    x = np.stack([features[i:i + lookback] for i in range(n)]).astype("float32")
    y = np.stack([target[i + lookback:i + lookback + horizon] for i in range(n)]).astype("float32")
    return x, y
