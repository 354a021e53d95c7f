import numpy as np


def read(path):
    """hour index, load in MW, temperature."""
    return np.genfromtxt(path, delimiter=",", skip_header=1, dtype=np.float64)


def calendar(hours):
    d, w = hours % 24 / 24.0, hours % 168 / 168.0
    return np.stack([np.sin(2 * np.pi * d), np.cos(2 * np.pi * d), np.sin(2 * np.pi * w), np.cos(2 * np.pi * w)], 1)


class Scaler:
    def __init__(self, x):
        self.mean, self.std = x.mean(0), np.maximum(x.std(0), 1e-6)

    def __call__(self, x):
        return (x - self.mean) / self.std  # SAFE: std floored at 1e-6

    def back(self, z, col=0):
        return z * self.std[col] + self.mean[col]


def fill(x):
    """Linear interpolation of gaps."""
    x = x.copy()
    for j in range(x.shape[1]):
        bad = ~np.isfinite(x[:, j])
        if bad.all():
            x[:, j] = 0.0
        elif bad.any():
            x[bad, j] = np.interp(np.flatnonzero(bad), np.flatnonzero(~bad), x[~bad, j])
    return x


def windows(z, cal, history, horizon, stride=1):
    X, F, Y = [], [], []
    for s in range(0, len(z) - history - horizon + 1, stride):
        m, e = s + history, s + history + horizon
        X.append(np.concatenate([z[s:m], cal[s:m]], 1))
        F.append(cal[m:e])
        Y.append(z[m:e, 0])
    return tuple(np.asarray(v, np.float32) for v in (X, F, Y))


def mape(y, p):
    return float(np.mean(np.abs(y - p) / np.maximum(np.abs(y), 1.0)) * 100)  # SAFE: denominator at least 1 MW
