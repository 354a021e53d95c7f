import csv
import math

import numpy as np


def read(path, target):
    """Numeric table; empty cells are missing."""
    with open(path, newline="") as fh:
        rows = list(csv.DictReader(fh))
    cols = [c for c in rows[0] if c != target]
    x = np.array([[float(r[c]) if r[c] else np.nan for c in cols] for r in rows], np.float64)
    return x, np.array([float(r[target]) for r in rows], np.float64), cols


class QuantileTransformer:
    """Ranks mapped to a normal distribution by a rational approximation of the probit."""

    def __init__(self, n=200, clip=1e-3):
        self.n, self.clip = n, clip

    def fit(self, x):
        q = np.linspace(0, 1, self.n)
        self.refs = [np.quantile(c[~np.isnan(c)], q) if (~np.isnan(c)).any() else np.linspace(0, 1, self.n) for c in x.T]
        self.q = q
        return self

    @staticmethod
    def probit(p):
        t = np.sqrt(-2.0 * np.log(np.minimum(p, 1.0 - p)))  # SAFE: p is clipped between clip and 1 - clip by the caller
        num = 2.515517 + 0.802853 * t + 0.010328 * t ** 2
        den = 1.0 + 1.432788 * t + 0.189269 * t ** 2 + 0.001308 * t ** 3
        return np.sign(p - 0.5) * (t - num / den)  # SAFE: all coefficients are positive and t is not negative

    def __call__(self, x):
        out = np.zeros_like(x)
        for j, ref in enumerate(self.refs):
            p = np.interp(np.nan_to_num(x[:, j]), ref, self.q)
            out[:, j] = np.where(np.isnan(x[:, j]), 0.0, self.probit(np.clip(p, self.clip, 1.0 - self.clip)))
        return np.concatenate([out, np.isnan(x)], 1).astype(np.float32)


class BoxCox:
    """Signed log transform of the target with standardisation."""

    def fit(self, y):
        z = self._fwd(y)
        self.m, self.s = float(z.mean()), max(float(z.std()), 1e-6)
        return self

    @staticmethod
    def _fwd(y):
        return np.sign(y) * np.log1p(np.abs(y))  # SAFE: the absolute value is not negative

    def encode(self, y):
        return ((self._fwd(y) - self.m) / self.s).astype(np.float32)  # SAFE: floored deviation

    def decode(self, z):
        v = np.clip(z * self.s + self.m, -30.0, 30.0)
        return np.sign(v) * np.expm1(np.abs(v))  # SAFE: clipped to 30 before the exponential


def fourier(x, n, sigma, seed=0):
    w = np.random.RandomState(seed).randn(x.shape[1], n) * sigma
    z = 2 * math.pi * x @ w
    return np.concatenate([np.sin(z), np.cos(z)], 1).astype(np.float32) / math.sqrt(n)  # SAFE: n is positive
