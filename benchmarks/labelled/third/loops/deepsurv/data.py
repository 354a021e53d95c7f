import csv

import numpy as np

CONTINUOUS = ["age", "bmi", "creatinine", "sodium", "platelets"]
BINARY = ["sex", "smoker", "diabetes", "anaemia"]


def read_csv(path):
    with open(path) as f:
        rows = list(csv.DictReader(f))
    x = np.array([[float(r[c] or "nan") for c in CONTINUOUS + BINARY] for r in rows])
    t = np.array([float(r["time"]) for r in rows], np.float32)
    e = np.array([int(r["event"]) for r in rows], np.float32)
    return x, t, e


class Preprocessor:
    def fit(self, x):
        k = len(CONTINUOUS)
        self.median = np.nanmedian(x, axis=0)
        z = np.where(np.isnan(x), self.median, x)
        self.mean = z[:, :k].mean(0)
        self.std = z[:, :k].std(0) + 1e-6
        return self

    def transform(self, x):
        k = len(CONTINUOUS)
        z = np.where(np.isnan(x), self.median, x)
        z[:, :k] = (z[:, :k] - self.mean) / self.std  # SAFE: 1e-6 was added to std in fit, in float64
        return np.clip(z, -6, 6).astype(np.float32)


def sorted_by_time(x, t, e):
    """descending time, so the risk set of i is 0..i"""
    order = np.argsort(-t, kind="stable")
    return x[order], t[order], e[order]


def iterate(x, t, e, batch, rng):
    idx = rng.permutation(len(t))
    for s in range(0, len(idx) - batch + 1, batch):
        b = idx[s:s + batch]
        yield sorted_by_time(x[b], t[b], e[b])
