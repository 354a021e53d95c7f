"""Reading of resampled CT volumes (.npy int16 HU, 1mm) and candidate tables."""
import os

import numpy as np
import pandas as pd
import tensorflow as tf


def window(vol, lim):
    lo, hi = lim
    return np.clip((vol - lo) / (hi - lo), 0.0, 1.0) * 2.0 - 1.0  # SAFE: window limits in the settings are distinct


class CandidateSet:
    def __init__(self, root, table, cfg, train, seed=0):
        self.root, self.cfg, self.train = root, cfg, train
        df = pd.read_csv(table)
        self.pos = df[df["label"] == 1].reset_index(drop=True)
        self.neg = df[df["label"] == 0].reset_index(drop=True)
        self.df = df
        self.rng = np.random.default_rng(seed)
        self.cache = {}

    def volume(self, uid):
        if uid not in self.cache:
            v = np.load(os.path.join(self.root, uid + ".npy"), mmap_mode="r")
            self.cache[uid] = v
        return self.cache[uid]

    def crop(self, row):
        v = self.volume(row.uid)
        h = self.cfg.patch // 2
        c = np.array([row.z, row.y, row.x]).round().astype(int)  # SAFE: voxel indices, small integers
        if self.train:
            c = c + self.rng.integers(-2, 3, 3)
        c = np.clip(c, h, np.array(v.shape) - h)
        p = np.asarray(v[c[0] - h:c[0] + h, c[1] - h:c[1] + h, c[2] - h:c[2] + h]).astype(np.float32)
        if self.cfg.hu_window is not None:
            p = window(p, self.cfg.hu_window)
        if self.train:
            for ax in range(3):
                if self.rng.random() < 0.5:
                    p = np.flip(p, ax)
        return p[..., None]

    def __call__(self):
        if not self.train:
            for row in self.df.itertuples():
                yield self.crop(row), np.float32(row.label)
            return
        for _ in range(4 * len(self.pos)):
            use_pos = self.rng.random() < self.cfg.pos_fraction
            t = self.pos if use_pos else self.neg
            row = t.iloc[self.rng.integers(len(t))]
            yield self.crop(row), np.float32(use_pos)

    def dataset(self):
        s = self.cfg.patch
        sig = (tf.TensorSpec([s, s, s, 1], tf.float32), tf.TensorSpec([], tf.float32))
        return tf.data.Dataset.from_generator(self, output_signature=sig).batch(self.cfg.batch).prefetch(2)

    def prior(self):
        p = self.cfg.pos_fraction
        return float(np.log(p / (1.0 - p)))  # SAFE: fraction of positives is the configured 0.25
