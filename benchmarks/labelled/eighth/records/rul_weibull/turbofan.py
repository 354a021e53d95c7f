"""C-MAPSS style text files: unit, cycle, 3 settings, 21 sensors."""
import os

import numpy as np


def read(path):
    table = np.loadtxt(path)
    units = table[:, 0].astype(int)
    return [table[units == u] for u in np.unique(units)]


class MinMax:
    def fit(self, tables):
        x = np.concatenate([t[:, 2:] for t in tables])
        self.lo, self.hi = x.min(0), x.max(0)
        self.keep = (self.hi - self.lo) > 1e-9
        return self

    def __call__(self, x):
        x = x[:, self.keep]
        return 2.0 * (x - self.lo[self.keep]) / (self.hi - self.lo)[self.keep] - 1.0  # SAFE: constant sensors are not kept


def windows(tables, scaler, window, max_rul):
    xs, ts, es = [], [], []
    for t in tables:
        sensors = scaler(t[:, 2:])
        last = t[-1, 1]
        for end in range(window, len(t) + 1):
            rul = last - t[end - 1, 1]
            xs.append(sensors[end - window:end])
            ts.append(min(rul, max_rul))
            es.append(1.0 if rul <= max_rul else 0.0)
    return (np.asarray(xs, np.float32), np.asarray(ts, np.float32)[:, None], np.asarray(es, np.float32)[:, None])


def load(cfg):
    train = read(os.path.join(cfg["dir"], "train_FD001.txt"))
    cut = int(0.85 * len(train))
    scaler = MinMax().fit(train[:cut])
    args = (scaler, cfg["window"], cfg["max_rul"])
    return windows(train[:cut], *args), windows(train[cut:], *args)
