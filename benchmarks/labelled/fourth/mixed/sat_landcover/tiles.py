"""Sentinel-2 tiles: npz files with `bands` (H, W, 6) uint16 and `label` (H, W) uint8."""
import glob
import os

import numpy as np
import tensorflow as tf

from constants import B, EPS, IGNORE, NUM_CLASSES, REFLECTANCE_SCALE, TILE


def normalized_difference(a, b):
    return (a - b) / (a + b)  # BUG: div-zero, no-data pixels are zero in all bands and the tiles are padded with zeros


def enhanced_vegetation(x):
    nir, red, blue = x[..., B["nir"]], x[..., B["red"]], x[..., B["blue"]]
    den = np.maximum(nir + 6.0 * red - 7.5 * blue + 1.0, 0.1)
    return np.clip(2.5 * (nir - red) / den, -2.0, 2.0)  # SAFE: denominator floored at 0.1


def features(bands):
    x = bands.astype(np.float32) / REFLECTANCE_SCALE
    ndvi = normalized_difference(x[..., B["nir"]], x[..., B["red"]])
    ndwi = normalized_difference(x[..., B["green"]], x[..., B["nir"]])
    bright = np.log(x.mean(-1) + EPS)  # SAFE: reflectance is not negative (uint16) and EPS is added in float32
    return np.concatenate([x, np.stack([ndvi, ndwi, enhanced_vegetation(x), bright / 10.0], -1)], -1)


def pad(a, size, value):
    h, w = a.shape[:2]
    width = [(0, max(0, size - h)), (0, max(0, size - w))] + [(0, 0)] * (a.ndim - 2)
    return np.pad(a, width, constant_values=value)[:size, :size]


def read_tile(path):
    d = np.load(path)
    return features(pad(d["bands"], TILE, 0)), pad(d["label"], TILE, IGNORE).astype(np.int32)


def frequencies(labels):
    cnt = np.zeros(NUM_CLASSES)
    for y in labels:
        cnt += np.bincount(y[y < NUM_CLASSES], minlength=NUM_CLASSES)
    return cnt / max(cnt.sum(), 1.0)  # SAFE: floored at one


def load_split(root, split):
    xs, ys = zip(*[read_tile(p) for p in sorted(glob.glob(os.path.join(root, split, "*.npz")))])
    return np.stack(xs), np.stack(ys)


def to_dataset(x, y, batch, training):
    ds = tf.data.Dataset.from_tensor_slices((x, y))
    if training:
        ds = ds.shuffle(512)
    return ds.batch(batch).prefetch(2)
