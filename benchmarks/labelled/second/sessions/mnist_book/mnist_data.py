import gzip
import os
import struct

import numpy as np


def _images(path):
    with gzip.open(path, "rb") as f:
        magic, n, rows, cols = struct.unpack(">IIII", f.read(16))
        assert magic == 2051, "bad magic number in %s" % path
        buf = np.frombuffer(f.read(), np.uint8)
    return buf.reshape(n, rows, cols, 1).astype(np.float32) / 255.0


def _labels(path, depth=10):
    with gzip.open(path, "rb") as f:
        magic, n = struct.unpack(">II", f.read(8))
        assert magic == 2049
        y = np.frombuffer(f.read(), np.uint8)
    return np.eye(depth, dtype=np.float32)[y]


class DataSet(object):

    def __init__(self, images, labels, seed=0):
        self.images, self.labels = images, labels
        self._rng = np.random.RandomState(seed)
        self._pos = 0

    @property
    def num_examples(self):
        return len(self.images)

    def next_batch(self, n):
        if self._pos + n > self.num_examples or self._pos == 0:
            perm = self._rng.permutation(self.num_examples)
            self.images, self.labels = self.images[perm], self.labels[perm]
            self._pos = 0
        s = slice(self._pos, self._pos + n)
        self._pos += n
        return self.images[s], self.labels[s]


def read_data_sets(root, n_valid=5000):
    x = _images(os.path.join(root, "train-images-idx3-ubyte.gz"))
    y = _labels(os.path.join(root, "train-labels-idx1-ubyte.gz"))
    xt = _images(os.path.join(root, "t10k-images-idx3-ubyte.gz"))
    yt = _labels(os.path.join(root, "t10k-labels-idx1-ubyte.gz"))
    return (DataSet(x[n_valid:], y[n_valid:]), DataSet(x[:n_valid], y[:n_valid]), DataSet(xt, yt))
