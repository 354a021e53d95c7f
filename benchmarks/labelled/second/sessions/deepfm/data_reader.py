import numpy as np
import pandas as pd

import config


class FeatureDictionary(object):

    def __init__(self, frame):
        self.index = {}
        n = 0
        for col in frame.columns:
            if col in config.IGNORE_COLS:
                continue
            if col in config.NUMERIC_COLS:
                self.index[col] = n
                n += 1
            else:
                values = frame[col].unique()
                self.index[col] = {v: n + i for i, v in enumerate(values)}
                n += len(values)
        self.feat_dim = n


class DataParser(object):

    def __init__(self, feat_dict):
        self.feat_dict = feat_dict
        self.stats = {}

    def fit(self, frame):
        for col in config.NUMERIC_COLS:
            x = np.log1p(frame[col].clip(lower=0).values.astype(np.float64))  # SAFE: negative values are clipped to zero before log1p
            self.stats[col] = (x.mean(), x.std() + config.STD_EPS)
        return self

    def parse(self, frame):
        y = frame["target"].values.astype(np.float32) if "target" in frame else None
        xi, xv = [], []
        for col in frame.columns:
            if col in config.IGNORE_COLS:
                continue
            if col in config.NUMERIC_COLS:
                mean, std = self.stats[col]
                x = np.log1p(frame[col].clip(lower=0).values.astype(np.float64))
                xi.append(np.full(len(frame), self.feat_dict.index[col]))
                xv.append((x - mean) / std)  # SAFE: STD_EPS was added to std in fit
            else:
                table = self.feat_dict.index[col]
                xi.append(np.array([table[v] for v in frame[col]]))
                xv.append(np.ones(len(frame)))
        return np.stack(xi, 1).astype(np.int32), np.stack(xv, 1).astype(np.float32), y


def load(path):
    return pd.read_csv(path, na_values=["-1"]).fillna(0)
