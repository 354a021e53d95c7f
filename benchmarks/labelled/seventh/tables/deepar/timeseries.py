import csv
from collections import defaultdict

import numpy as np


def read_sales(path):
    """rows: item, day index, units sold, price"""
    series = defaultdict(dict)
    with open(path, newline="") as fh:
        for r in csv.DictReader(fh):
            series[r["item"]][int(r["day"])] = (max(float(r["units"]), 0.0), max(float(r["price"]), 0.0))
    out = []
    for item, days in sorted(series.items()):
        n = max(days) + 1
        units, price = np.zeros(n, np.float32), np.zeros(n, np.float32)
        for d, (u, p) in days.items():
            units[d], price[d] = u, p
        out.append((units, price))
    return out


def relative_price(price):
    base = np.maximum(np.median(price), 0.01)
    return np.clip(price / base - 1.0, -1.0, 5.0)  # SAFE: the base price has a floor


def covariates(n, price):
    t = np.arange(n)
    cols = [np.sin(2 * np.pi * t / 7), np.cos(2 * np.pi * t / 7),
            np.sin(2 * np.pi * t / 365.25), np.cos(2 * np.pi * t / 365.25),
            np.log1p(t) / np.log1p(n), relative_price(price)]  # SAFE: t >= 0, and n is at least one so the denominator is at least log 2
    return np.stack(cols, -1).astype(np.float32)


def item_scale(units):
    return 1.0 + units.mean()


class WindowSampler:

    def __init__(self, series, context, horizon, seed=0):
        self.rng = np.random.default_rng(seed)
        self.total = context + horizon
        self.context = context
        self.series = [(u, covariates(len(u), p)) for u, p in series if len(u) >= self.total]
        if not self.series:
            raise ValueError("no series is as long as context + horizon")
        w = np.array([item_scale(u) for u, _ in self.series])
        self.p = w / w.sum()  # SAFE: every scale is at least one

    def batch(self, size):
        z, c, v = [], [], []
        for k in self.rng.choice(len(self.series), size, p=self.p):
            u, cov = self.series[k]
            s = self.rng.integers(0, len(u) - self.total + 1)
            z.append(u[s:s + self.total])
            c.append(cov[s:s + self.total])
            v.append(item_scale(u[s:s + self.context]))
        return np.stack(z), np.stack(c), np.array(v, np.float32)[:, None]
