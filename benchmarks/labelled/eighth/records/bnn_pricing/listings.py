import csv

import numpy as np


def read(path, features, target):
    x, y, dropped = [], [], 0
    with open(path, newline="", encoding="utf-8") as fh:
        for row in csv.DictReader(fh):
            try:
                price = float(row[target])
                vec = [float(row[f]) for f in features]
            except ValueError:
                dropped += 1
                continue
            if price < 1000 or not np.all(np.isfinite(vec)):
                dropped += 1
                continue
            x.append(vec)
            y.append(np.log(price))  # SAFE: prices under 1000 are dropped
    print("%s: %d listings, %d dropped" % (path, len(x), dropped))
    return np.asarray(x, np.float64), np.asarray(y, np.float64)[:, None]


class Standard:
    def __init__(self, x):
        self.mean = x.mean(0)
        self.std = np.maximum(x.std(0), 1e-6)

    def __call__(self, x):
        return ((x - self.mean) / self.std).astype(np.float32)  # SAFE: deviations are floored

    def back(self, z):
        return z * self.std + self.mean
