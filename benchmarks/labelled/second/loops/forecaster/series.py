import csv

import numpy as np
import tensorflow as tf


def load_series(path, channels):
    cols = {c: [] for c in channels}
    with open(path) as f:
        for row in csv.DictReader(f):
            for c in channels:
                cols[c].append(float(row[c] or "nan"))
    x = np.stack([np.asarray(cols[c], np.float32) for c in channels], axis=1)
    return fill_gaps(x)


def fill_gaps(x):
    """Forward fill; leading gaps become 0."""
    x = x.copy()
    for j in range(x.shape[1]):
        last = 0.0
        for i in range(x.shape[0]):
            if np.isnan(x[i, j]):
                x[i, j] = last
            last = x[i, j]
    return x


class ChannelScaler:
    def fit(self, x):
        self.mean = x.mean(axis=0)
        self.std = x.std(axis=0)
        return self

    def transform(self, x):
        return (x - self.mean) / self.std  # BUG: div-zero, a holiday or rain channel can be constant over the training split


class RangeScaler:
    """Kept for the wind models trained before the channel scaler."""

    def fit(self, x):
        self.low = x.min(axis=0)
        span = x.max(axis=0) - self.low
        self.span = np.where(span == 0, 1.0, span).astype(np.float32)
        return self

    def transform(self, x):
        return (x - self.low) / self.span  # SAFE: a zero span is replaced by 1


def windows(x, y, history, horizon, batch, shuffle):
    n = len(x) - history - horizon + 1

    def pick(i):
        return x_t[i:i + history], y_t[i + history:i + history + horizon]

    x_t, y_t = tf.constant(x, tf.float32), tf.constant(y, tf.float32)
    ds = tf.data.Dataset.range(n)
    if shuffle:
        ds = ds.shuffle(n)
    return ds.map(pick, num_parallel_calls=2).batch(batch).prefetch(1)
