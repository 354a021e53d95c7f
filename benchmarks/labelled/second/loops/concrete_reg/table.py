"""UCI concrete table: seven ingredients in kg per cubic metre, age in days, strength in MPa."""
import csv

import numpy as np
import tensorflow as tf

FEATURES = ["cement", "slag", "fly_ash", "water", "plasticizer", "coarse", "fine", "age"]
TARGET = "strength"


def read_table(path):
    x, y = [], []
    with open(path) as f:
        for row in csv.DictReader(f):
            x.append([float(row[c]) for c in FEATURES])
            y.append(float(row[TARGET]))
    return np.asarray(x, np.float32), np.asarray(y, np.float32)


def water_binder_ratio(x):
    binder = x[:, 0] + x[:, 1] + x[:, 2]
    return x[:, 3] / np.maximum(binder, 1.0)  # SAFE: binder mass floored at 1


def add_features(x):
    age = np.log1p(np.maximum(x[:, 7], 0.0))  # SAFE: age floored at 0
    return np.concatenate([x, water_binder_ratio(x)[:, None], age[:, None]], axis=1)


def split(x, y, seed, fraction=0.8):
    order = np.random.default_rng(seed).permutation(len(x))
    cut = int(fraction * len(x))
    return (x[order[:cut]], y[order[:cut]]), (x[order[cut:]], y[order[cut:]])


def batches(x, y, batch_size, training):
    ds = tf.data.Dataset.from_tensor_slices((x, y))
    if training:
        ds = ds.shuffle(len(x))
    return ds.batch(batch_size)
