# Discrete-time survival for length of stay. One output per interval, after Gensheimer & Narasimhan.
import argparse
import logging
import pathlib
import sys

import keras
import numpy as np
from keras import ops

logger = logging.getLogger("discharge")
BREAKS = np.array([0, 1, 2, 3, 4, 5, 7, 10, 14, 21, 30], dtype="float32")
N_INT = len(BREAKS) - 1
PROB_EPS = 1e-6


def to_intervals(days, discharged):
    """Target is [survived mask | event mask] over the intervals, as in nnet-survival."""
    n = len(days)
    y = np.zeros((n, 2 * N_INT), "float32")
    mid = BREAKS[:-1] + 0.5 * np.diff(BREAKS)
    for i in range(n):
        if discharged[i]:
            y[i, :N_INT] = days[i] >= BREAKS[1:]
            hit = np.searchsorted(BREAKS[1:], days[i], side="right")
            if hit < N_INT:
                y[i, N_INT + hit] = 1.0
        else:
            y[i, :N_INT] = days[i] >= mid
    return y


class HazardLoss(keras.losses.Loss):
    def call(self, y_true, y_pred):
        survived = y_true[:, :N_INT]
        failed = y_true[:, N_INT:]
        h = ops.clip(y_pred, PROB_EPS, 1.0 - PROB_EPS)
        ll_surv = survived * ops.log(1.0 - h)  # SAFE: h is clipped below one by 1e-6
        ll_fail = failed * ops.log(h)  # SAFE: h is clipped away from zero
        return -ops.sum(ll_surv + ll_fail, axis=-1)


class ColumnScaler:
    """Standardise continuous columns, leave flags alone."""

    def __init__(self):
        self.mu = self.sd = None

    def fit(self, x):
        flags = np.all((x == 0) | (x == 1), axis=0)
        self.mu = np.where(flags, 0.0, np.nanmean(x, axis=0))
        sd = np.nanstd(x, axis=0)
        sd[sd < 1e-8] = 1.0
        self.sd = np.where(flags, 1.0, sd)
        return self

    def transform(self, x):
        z = (x - self.mu) / self.sd  # SAFE: constant columns get a deviation of one
        return np.nan_to_num(np.clip(z, -6, 6)).astype("float32")


def load(path):
    """npz with x [n, d], days [n], discharged [n]."""
    with np.load(path) as z:
        x, days, done = z["x"].astype("float64"), z["days"].astype("float32"), z["discharged"].astype(bool)
    keep = np.isfinite(days) & (days >= 0)
    if not keep.any():
        sys.exit("no usable stays in %s" % path)
    logger.info("%d of %d stays kept (%.1f%%)", keep.sum(), len(keep), 100 * keep.mean())
    return x[keep], days[keep], done[keep]


def interval_rates(y):
    """Crude hazard per interval, gives the output bias a sensible start."""
    fails = y[:, N_INT:].sum(0)
    exposed = fails + y[:, :N_INT].sum(0)
    rate = (fails + 0.5) / (exposed + 1.0)  # SAFE: one is added
    return np.log(rate / (1.0 - rate))  # SAFE: the added half keeps the rate inside (0, 1)


def make_model(dim, units, bias, rate):
    inputs = keras.Input((dim,))
    h = keras.layers.Dense(units, activation="gelu")(inputs)
    h = keras.layers.BatchNormalization()(h)
    h = keras.layers.Dropout(rate)(h)
    h = keras.layers.Dense(units, activation="gelu")(h)
    out = keras.layers.Dense(N_INT, activation="sigmoid",
                             kernel_initializer=keras.initializers.RandomNormal(stddev=0.02),
                             bias_initializer=keras.initializers.Constant(bias))(h)
    return keras.Model(inputs, out)


def expected_stay(hazard):
    surv = np.cumprod(1.0 - hazard, axis=1)
    width = np.diff(BREAKS)
    return (surv * width).sum(1)


def brier(days, done, surv_at, horizon):
    known = done | (days >= horizon)
    if known.sum() == 0:
        return float("nan")
    alive = (days >= horizon).astype(float)
    return float(((surv_at - alive)[known] ** 2).sum() / known.sum())  # SAFE: returned above when none is known


def main(argv=None):
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--train", required=True)
    ap.add_argument("--valid", required=True)
    ap.add_argument("--units", type=int, default=96)
    ap.add_argument("--dropout", type=float, default=0.3)
    ap.add_argument("--batch", type=int, default=512)
    ap.add_argument("--epochs", type=int, default=40)
    ap.add_argument("--out", type=pathlib.Path, default=pathlib.Path("discharge"))
    args = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)
    args.out.mkdir(parents=True, exist_ok=True)

    x, days, done = load(args.train)
    xv, dv, ev = load(args.valid)
    scaler = ColumnScaler().fit(x)
    y, yv = to_intervals(days, done), to_intervals(dv, ev)
    bias = interval_rates(y)

    model = make_model(x.shape[1], args.units, bias, args.dropout)
    model.compile(optimizer=keras.optimizers.AdamW(5e-4, weight_decay=1e-4), loss=HazardLoss())  # SAFE: sigmoid output and a loss on probabilities
    model.fit(scaler.transform(x), y, batch_size=args.batch, epochs=args.epochs, verbose=2,  # SAFE: inputs are standardised and clipped
              validation_data=(scaler.transform(xv), yv),
              callbacks=[keras.callbacks.ModelCheckpoint(str(args.out / "best.keras"), save_best_only=True),
                         keras.callbacks.EarlyStopping(patience=6, restore_best_weights=True)])

    hazard = model.predict(scaler.transform(xv), batch_size=4096, verbose=0)
    surv = np.cumprod(1 - hazard, axis=1)
    for k in (3, 6, 8):
        logger.info("brier at day %g: %.4f", BREAKS[k + 1], brier(dv, ev, surv[:, k], BREAKS[k + 1]))
    err = np.abs(expected_stay(hazard) - np.minimum(dv, BREAKS[-1]))[ev]
    logger.info("mean abs error of discharged stays %.2f", err.mean() if err.size else float("nan"))
    rel = err / np.maximum(dv[ev], 0.25)  # SAFE: stays shorter than a quarter day are floored
    logger.info("median relative error %.2f", np.median(rel) if rel.size else float("nan"))
    np.savez(args.out / "scaler.npz", mu=scaler.mu, sd=scaler.sd)


if __name__ == "__main__":
    main()
