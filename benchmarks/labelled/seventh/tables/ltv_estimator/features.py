import csv

import numpy as np
import tensorflow.compat.v1 as tf

NUMERIC = ["recency_days", "n_orders", "first_basket", "visits_30d"]
CATEGORICAL = {"channel": 16, "country": 64, "first_category": 256}
LABEL = "revenue_365d"


def read_csv(path):
    cols = {k: [] for k in NUMERIC + list(CATEGORICAL) + [LABEL]}
    with open(path) as fh:
        for row in csv.DictReader(fh):
            for k in cols:
                cols[k].append(row[k])
    out = {k: np.maximum(np.array(cols[k], dtype=np.float32), 0.0) for k in NUMERIC + [LABEL]}
    for k, size in CATEGORICAL.items():
        out[k] = np.array([hash_bucket(v, size) for v in cols[k]], dtype=np.int32)
    return out


def hash_bucket(value, size):
    h = 2166136261
    for ch in value.encode("utf-8"):
        h = ((h ^ ch) * 16777619) & 0xFFFFFFFF
    return h % size


def fit_scaler(table):
    stats = {}
    for k in NUMERIC:
        v = np.log1p(table[k])  # SAFE: read_csv clips negative values to zero
        stats[k] = (float(v.mean()), float(v.std()) or 1.0)
    return stats


def transform(features, stats):
    parts = []
    for k in NUMERIC:
        mean, std = stats[k]
        parts.append((tf.log1p(features[k]) - mean) / std)  # SAFE: columns are >= 0, and fit_scaler replaces a zero deviation by one
    return tf.stack(parts, axis=1)


def make_input_fn(table, batch_size, training):
    feats = {k: v for k, v in table.items() if k != LABEL}

    def input_fn():
        ds = tf.data.Dataset.from_tensor_slices((feats, table[LABEL]))
        if training:
            ds = ds.shuffle(10000).repeat()
        return ds.batch(batch_size).prefetch(1)
    return input_fn
