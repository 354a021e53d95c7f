import csv

import numpy as np

NUMERIC = ["age", "bmi", "creatinine", "sodium", "ef", "nt_probnp"]
BINARY = ["diabetes", "smoker", "sex"]


def read(path):
    x, t, e = [], [], []
    with open(path, newline="") as fh:
        for r in csv.DictReader(fh):
            x.append([float(r[c]) if r[c] else np.nan for c in NUMERIC] + [float(r[c] or 0) for c in BINARY])
            t.append(float(r["days"]))
            e.append(float(r["death"]))
    return np.array(x, np.float32), np.array(t, np.float32), np.array(e, np.float32)


class Imputer:
    """Median imputation, log of the skewed lab values, missing indicators."""
    skewed = [2, 5]

    def fit(self, x):
        self.median = np.nan_to_num(np.nanmedian(x, 0))
        return self

    def __call__(self, x):
        miss = np.isnan(x[:, :len(NUMERIC)]).astype(np.float32)
        x = np.where(np.isnan(x), self.median, x)
        for j in self.skewed:
            x[:, j] = np.log(np.maximum(x[:, j], 1e-3))  # SAFE: lab values are floored before the logarithm
        return np.concatenate([x, miss], 1).astype(np.float32)


class Scaler:

    def fit(self, x):
        self.lo, self.hi = np.percentile(x, 1, 0), np.percentile(x, 99, 0)
        span = self.hi - self.lo
        self.span = np.where(span > 1e-6, span, 1.0)
        return self

    def __call__(self, x):
        return np.clip((x - self.lo) / self.span, -1.0, 2.0).astype(np.float32)  # SAFE: empty spans were replaced by one


def folds(n, k, seed=0):
    parts = np.array_split(np.random.RandomState(seed).permutation(n), k)
    for i in range(k):
        yield np.concatenate([p for j, p in enumerate(parts) if j != i]), parts[i]
