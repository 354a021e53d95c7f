import gzip
import os

import numpy as np
import tensorflow as tf


def read_idx(path):
    with gzip.open(path, "rb") as f:
        raw = f.read()
    dims = [int.from_bytes(raw[4 + 4 * i:8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(dims)


def to_vectors(images):
    return images.reshape(len(images), -1).astype(np.float32)


def load(root, split="train"):
    x = read_idx(os.path.join(root, f"{split}-images-idx3-ubyte.gz"))
    y = read_idx(os.path.join(root, f"{split}-labels-idx1-ubyte.gz"))
    return to_vectors(x), y.astype(np.int32)


def pipeline(x, y, batch, seed=0):
    ds = tf.data.Dataset.from_tensor_slices((x, y))
    return ds.shuffle(20000, seed=seed).batch(batch, drop_remainder=True).prefetch(2)


def swiss_roll(n, turns=2.0):
    t = 1.5 * np.pi * (1 + turns * np.random.rand(n))
    r = t / t.max()  # SAFE: t >= 1.5 pi
    return np.stack([r * np.cos(t), r * np.sin(t)], 1).astype(np.float32)
