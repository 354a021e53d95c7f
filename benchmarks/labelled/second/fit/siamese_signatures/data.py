import glob
import os

import numpy as np
import tensorflow as tf


def load_folder(root, size=(64, 96)):
    """root/<writer id>/*.png -> list of arrays, one per writer."""
    writers = []
    for folder in sorted(glob.glob(os.path.join(root, '*'))):
        images = []
        for name in sorted(glob.glob(os.path.join(folder, '*.png'))):
            raw = tf.io.decode_png(tf.io.read_file(name), channels=1)
            raw = tf.image.resize(raw, size)
            images.append(raw.numpy() / 255.0)
        if len(images) >= 2:
            writers.append(np.stack(images).astype('float32'))
    return writers


def standardise(writers):
    stacked = np.concatenate(writers)
    mean, std = stacked.mean(), stacked.std()
    return [(w - mean) / (std + 1e-6) for w in writers], mean, std  # SAFE: a small constant is added to the deviation


def make_pairs(writers, n_pairs, rng):
    left, right, labels = [], [], []
    for k in range(n_pairs):
        i = rng.randint(len(writers))
        if k % 2 == 0:
            a, b = rng.randint(len(writers[i]), size=2)
            left.append(writers[i][a])
            right.append(writers[i][b])
            labels.append(1.0)
        else:
            j = (i + 1 + rng.randint(len(writers) - 1)) % len(writers)
            left.append(writers[i][rng.randint(len(writers[i]))])
            right.append(writers[j][rng.randint(len(writers[j]))])
            labels.append(0.0)
    return [np.stack(left), np.stack(right)], np.array(labels, dtype='float32').reshape(-1, 1)
