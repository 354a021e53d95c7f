import numpy as np
import tensorflow as tf


class Ratings:
    def __init__(self, path):
        cols = []
        with open(path, encoding="latin1") as f:
            for line in f:
                u, m, r, t = line.strip().split("::")
                cols.append((int(u), int(m), float(r), int(t)))
        self.set_rows(np.array(cols, np.float64))

    def set_rows(self, rows):
        self.users, self.user_idx = np.unique(rows[:, 0], return_inverse=True)
        self.items, self.item_idx = np.unique(rows[:, 1], return_inverse=True)
        self.r = rows[:, 2].astype(np.float32)
        self.t = rows[:, 3]

    @property
    def target(self):
        lo, hi = 1.0, 5.0
        return (self.r - lo) / (hi - lo)  # SAFE: constants, divides by 4

    def recency(self):
        age = (self.t.max() - self.t) / 86400.0
        return np.exp(-age / 365.0).astype(np.float32)  # SAFE: age is not negative, exponent at most 0

    def log_popularity(self):
        cnt = np.bincount(self.item_idx, minlength=len(self.items))
        p = cnt / cnt.sum()
        return np.log(p).astype(np.float32)  # SAFE: items come from np.unique of the same rows, every count is at least 1

    def user_means(self):
        s = np.bincount(self.user_idx, weights=self.r)
        n = np.bincount(self.user_idx)
        return (s / n).astype(np.float32)  # SAFE: dense index from np.unique, every user has a row

    def as_dataset(self, batch):
        x = {"user": self.user_idx.astype(np.int32), "item": self.item_idx.astype(np.int32)}
        ds = tf.data.Dataset.from_tensor_slices((x, self.target, self.recency()))
        return ds.shuffle(100000).batch(batch, drop_remainder=True).prefetch(4)
