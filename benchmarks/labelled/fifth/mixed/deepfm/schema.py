"""Columns of the ad click log."""
import numpy as np

NUMERIC = ["age", "hist_clicks", "hist_views", "price", "dwell"]
CATEGORICAL = {"site": 5000, "device": 200, "city": 3000, "campaign": 20000, "hour": 24}
PRIOR_CLICKS = 1.0
PRIOR_VIEWS = 20.0


def bucket(values, size):
    return (np.array([hash(v) for v in values]) % size).astype("int32")


def smoothed_ctr(clicks, views):
    return (clicks + PRIOR_CLICKS) / (views + PRIOR_VIEWS)  # SAFE: views are counts, 20 is added


def log_transform(x):
    return np.sign(x) * np.log1p(np.abs(x))  # SAFE: log1p of an absolute value


def numeric_block(raw, stats=None):
    """raw: dict of float arrays.  Returns the matrix and the statistics used."""
    cols = [log_transform(np.nan_to_num(raw[c])) for c in NUMERIC]
    ctr = smoothed_ctr(np.maximum(raw["hist_clicks"], 0), np.maximum(raw["hist_views"], 0))
    cols.append(np.log(ctr / np.maximum(1.0 - ctr, 1e-3)))  # SAFE: ctr is at least 1 / (views + 20) and the denominator at least 1e-3
    x = np.stack(cols, axis=1).astype("float32")
    if stats is None:
        mean, std = x.mean(0), x.std(0)
        std = np.where(std < 1e-6, 1.0, std)
        stats = (mean, std)
    mean, std = stats
    return np.clip((x - mean) / std, -8, 8).astype("float32"), stats  # SAFE: small deviations were replaced by 1
