import csv
import numpy as np


class Preprocessor:
    """Median imputation, log of skewed columns, robust scaling. Saved next to the model."""

    SKEWED = ("total", "tickets", "logins")

    def __init__(self, names):
        self.names = list(names)

    def _log(self, x):
        x = x.copy()
        for k, n in enumerate(self.names):
            if n in self.SKEWED:
                x[:, k] = np.log(np.maximum(x[:, k], 0.0) + 1.0)  # SAFE: negatives are floored at 0 and one is added
        return x

    def fit(self, x):
        self.med = np.nanmedian(x, 0)
        z = self._log(np.where(np.isnan(x), self.med, x))
        q1, q2, q3 = np.percentile(z, [25, 50, 75], axis=0)
        self.center = q2
        self.iqr = np.where(q3 - q1 > 1e-9, q3 - q1, 1.0)
        return self

    def transform(self, x):
        z = self._log(np.where(np.isnan(x), self.med, x))
        return np.clip((z - self.center) / self.iqr, -5, 5).astype("float32")  # SAFE: zero interquartile ranges were set to 1 in fit

    def state(self):
        return {"med": self.med, "center": self.center, "iqr": self.iqr}


def read(path, names):
    xs, ys = [], []
    with open(path) as f:
        for r in csv.DictReader(f):
            xs.append([float(r[n]) if r[n] else np.nan for n in names])
            ys.append(r["churn"].strip().lower() in ("1", "yes", "true"))
    return np.array(xs), np.array(ys, "float32")


def positive_weight(y):
    pos = y.sum()
    return float((len(y) - pos) / max(pos, 1.0))  # SAFE: positives floored at one
