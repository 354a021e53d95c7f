import logging

import numpy as np
import pandas as pd

from . import schema

log = logging.getLogger(__name__)


def load_policies(path, min_exposure):
    df = pd.read_csv(path, dtype={c: "category" for c in schema.CATEGORICAL})
    before = len(df)
    df = df[df[schema.EXPOSURE] >= min_exposure]
    df[schema.EXPOSURE] = df[schema.EXPOSURE].clip(upper=1.0)
    df[schema.CLAIMS] = df[schema.CLAIMS].fillna(0).clip(0, 4)
    for col, cap in schema.AGE_CAP.items():
        df[col] = df[col].clip(0, cap)
    log.info("%d policies read, %d kept", before, len(df))
    return df


def numeric_block(df, stats=None):
    cols = []
    for name in schema.NUMERIC:
        v = df[name].fillna(0).to_numpy(np.float64)
        if name in schema.LOG_COLUMNS:
            v = np.log1p(np.maximum(v, 0.0))  # SAFE: negatives are floored at zero
        cols.append(v)
    x = np.stack(cols, axis=1)
    if stats is None:
        sd = x.std(axis=0)
        stats = x.mean(axis=0), np.where(sd > 0, sd, 1.0)
    mean, sd = stats
    return ((x - mean) / sd).astype(np.float32), stats  # SAFE: zero deviations are replaced by one


def offset(df):
    e = df[schema.EXPOSURE].to_numpy(np.float32)
    return np.log(e)[:, None]  # BUG: log-zero, cancelled policies have exposure 0 and min_exposure lets them in


def severity_rows(df, cap):
    """One row for each policy with a paid claim; target is the mean cost of a claim."""
    paid = df[(df[schema.CLAIMS] > 0) & (df[schema.PAID] > 0)].copy()
    paid["mean_cost"] = (paid[schema.PAID] / paid[schema.CLAIMS]).clip(upper=cap)  # SAFE: filtered to claims > 0
    return paid


def code_maps(df):
    return {c: {v: i + 1 for i, v in enumerate(sorted(df[c].cat.categories))} for c in schema.CATEGORICAL}


def categorical_block(df, maps):
    return {c: df[c].map(maps[c]).astype("float").fillna(0).to_numpy().astype(np.int32) for c in schema.CATEGORICAL}
