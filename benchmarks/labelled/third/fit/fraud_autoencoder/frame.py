"""Card transactions: csv to float matrix, with the statistics kept for serving."""
import csv
import json

import numpy as np

AMOUNT = "Amount"
TIME = "Time"
LABEL = "Class"


def read_csv(path):
    with open(path) as f:
        reader = csv.reader(f)
        names = [n.strip('"') for n in next(reader)]
        rows = np.array([[float(v.strip('"')) for v in r] for r in reader])
    return names, rows


class Table:
    def __init__(self, names, rows):
        self.names = list(names)
        self.y = rows[:, self.names.index(LABEL)].astype("float32")
        amount = np.maximum(rows[:, self.names.index(AMOUNT)], 0.0)
        seconds = rows[:, self.names.index(TIME)] % 86400
        keep = [i for i, n in enumerate(self.names) if n not in (LABEL, AMOUNT, TIME)]
        day = 2 * np.pi * seconds / 86400  # SAFE: constant divisor
        self.x = np.column_stack([rows[:, keep], np.log1p(amount), np.sin(day), np.cos(day)])  # SAFE: refunds are cut at 0 before log1p


class Standardizer:
    def __init__(self, mean=None, std=None):
        self.mean, self.std = mean, std

    def fit(self, x):
        self.mean = x.mean(axis=0)
        std = x.std(axis=0)
        self.std = np.where(std < 1e-6, 1.0, std)
        return self

    def __call__(self, x):
        return np.clip((x - self.mean) / self.std, -10, 10).astype("float32")  # SAFE: deviations below 1e-6 were replaced by 1 in fit

    def save(self, path):
        with open(path, "w") as f:
            json.dump({"mean": list(self.mean), "std": list(self.std)}, f)

    @classmethod
    def load(cls, path):
        with open(path) as f:
            d = json.load(f)
        return cls(np.array(d["mean"]), np.array(d["std"]))
