"""Store/item daily sales -> training windows."""
import numpy as np
import tensorflow as tf


def read_sales(path):
    import pandas as pd
    df = pd.read_csv(path, parse_dates=["date"])
    wide = df.pivot_table(index=["store", "item"], columns="date", values="sales", aggfunc="sum")
    return wide.fillna(0.0).clip(lower=0.0).to_numpy(np.float32)


def calendar_features(n_days, start_dow=0):
    d = (np.arange(n_days) + start_dow) % 7
    ang = 2.0 * np.pi * d / 7.0
    return np.stack([np.sin(ang), np.cos(ang)], -1).astype(np.float32)


class WindowSampler:
    def __init__(self, sales, backcast, horizon, seed=0):
        self.sales = sales
        self.backcast = backcast
        self.horizon = horizon
        self.rng = np.random.default_rng(seed)

    def __call__(self):
        n, t = self.sales.shape
        span = self.backcast + self.horizon
        while True:
            i = self.rng.integers(n)
            s = self.rng.integers(t - span + 1)
            w = self.sales[i, s:s + span]
            yield w[:self.backcast], w[self.backcast:]


def by_level(past, future):
    """Scale every window by its own level so that items are comparable."""
    level = tf.reduce_mean(past, axis=-1, keepdims=True)
    return past / level, future / level, level  # BUG: div-zero, intermittent items have all-zero lookback windows, level is 0


def by_log(past, future):
    one = tf.ones_like(past[..., :1])
    return tf.math.log1p(past), tf.math.log1p(future), one  # SAFE: sales are clipped to >= 0 in read_sales


def by_range(past, future):
    lo = tf.reduce_min(past, axis=-1, keepdims=True)
    hi = tf.reduce_max(past, axis=-1, keepdims=True)
    rng = tf.where(hi > lo, hi - lo, tf.ones_like(hi))
    return (past - lo) / rng, (future - lo) / rng, rng  # SAFE: rng is replaced by 1 where the window is constant


SCALERS = {"level": by_level, "log": by_log, "range": by_range}


def make_dataset(sampler, scaling, batch):
    sig = (tf.TensorSpec([sampler.backcast], tf.float32), tf.TensorSpec([sampler.horizon], tf.float32))
    ds = tf.data.Dataset.from_generator(sampler, output_signature=sig)
    ds = ds.map(lambda p, f: SCALERS[scaling](p, f))
    return ds.batch(batch).prefetch(2)
