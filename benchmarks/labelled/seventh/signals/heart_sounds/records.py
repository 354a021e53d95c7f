"""PhysioNet 2016 style heart sound recordings: REFERENCE.csv plus one npy file per record."""
import csv
import os
from collections import namedtuple

import numpy as np

Record = namedtuple("Record", "name label path")
RATE = 2000


def read_reference(root):
    out = []
    with open(os.path.join(root, "REFERENCE.csv")) as fh:
        for name, label in csv.reader(fh):
            out.append(Record(name, int(label), os.path.join(root, name + ".npy")))
    return out


def parse_label(rec):
    """-1 normal, 1 abnormal, as in the challenge."""
    return np.float32(rec.label)


def split(records, fold, folds=5):
    def key(r):
        return sum(ord(c) for c in r.name) % folds
    return [r for r in records if key(r) != fold], [r for r in records if key(r) == fold]


def spike_removal(x, window=1000, k=3.0):
    """Schmidt et al.: clips windows whose maximum exceeds k times the median maximum."""
    n = len(x) // window
    if n == 0:
        return x
    y = x[:n * window].reshape(n, window).copy()
    top = np.abs(y).max(1)
    ref = np.median(top)
    if ref > 0:
        f = np.minimum(1.0, k * ref / np.maximum(top, 1e-12))  # SAFE: floored at 1e-12
        y *= f[:, None]
    return np.concatenate([y.reshape(-1), x[n * window:]])


def standardize(x):
    x = x - x.mean()
    return (x / max(x.std(), 1e-5)).astype(np.float32)  # SAFE: floored at 1e-5, flat recordings become zeros


def class_weight(labels):
    labels = np.asarray(labels)
    pos = float((labels > 0).mean()) if len(labels) else 0.5
    pos = min(max(pos, 0.05), 0.95)
    return {-1: 0.5 / (1.0 - pos), 1: 0.5 / pos}  # SAFE: pos kept in [0.05, 0.95]


def segments(records, seconds, rng, per_record=4):
    n = int(seconds * RATE)
    for r in records:
        x = standardize(spike_removal(np.load(r.path).astype(np.float64)))
        if len(x) < n:
            x = np.pad(x, (0, n - len(x)))
        for _ in range(per_record):
            o = rng.integers(0, len(x) - n + 1)
            yield x[o:o + n], parse_label(r)
