import csv

import numpy as np
import tensorflow as tf


class Standardizer:
    def fit(self, x):
        self.mean = np.nanmean(x, axis=0)
        std = np.nanstd(x, axis=0)
        self.std = np.where(std > 1e-6, std, 1.0)
        return self

    def __call__(self, x):
        z = (x - self.mean) / self.std  # SAFE: constant columns get std 1 in fit
        return np.nan_to_num(z).astype(np.float32)


def read_table(path):
    with open(path) as f:
        rows = list(csv.DictReader(f))
    cols = list(rows[0])
    table = np.array([[float(r[c]) if r[c] != "" else np.nan for c in cols] for r in rows])
    return cols, table


def read(path, time_col, event_col, valid=0.2, seed=0):
    cols, tab = read_table(path)
    ti, ei = cols.index(time_col), cols.index(event_col)
    tab = tab[tab[:, ti] > 0]
    feats = [i for i in range(len(cols)) if i not in (ti, ei)]
    x = tab[:, feats]
    if "psa" in cols:
        j = feats.index(cols.index("psa"))
        x[:, j] = np.log1p(np.clip(x[:, j], 0, None))  # SAFE: log1p of a value clipped at 0
    mask = np.random.default_rng(seed).random(len(tab)) < valid
    sc = Standardizer().fit(x[~mask])

    def part(m):
        return sc(x[m]), tab[m, ti].astype(np.float32), tab[m, ei].astype(np.float32)
    return part(~mask), part(mask)


def sort_batch(x, t, e):
    order = tf.argsort(t, direction="DESCENDING")
    return tf.gather(x, order), tf.gather(t, order), tf.gather(e, order)


def make_dataset(x, t, e, batch, training=True):
    ds = tf.data.Dataset.from_tensor_slices((x, t, e))
    if training:
        ds = ds.shuffle(len(x))
    return ds.batch(batch).map(sort_batch).prefetch(2)
