#!/usr/bin/env python
"""Cox model with a neural risk score on the heart failure clinical records."""
import argparse
import json

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow.keras import Model, callbacks, layers, regularizers

FEATURES = ["age", "anaemia", "creatinine_phosphokinase", "diabetes", "ejection_fraction", "high_blood_pressure",
            "platelets", "serum_creatinine", "serum_sodium", "sex", "smoking"]
TIME, EVENT = "time", "DEATH_EVENT"


def read(path):
    df = pd.read_csv(path)
    df = df.dropna(subset=FEATURES + [TIME, EVENT])
    df = df[df[TIME] > 0]
    return df.reset_index(drop=True)


def describe(df):
    n, d = len(df), int(df[EVENT].sum())
    print(f"{n} patients, {d} deaths, censoring {1 - d / max(n, 1):.2%}")  # SAFE: max(n, 1)
    stats = df[FEATURES].agg(["mean", "std"]).T
    stats["cv"] = stats["std"] / stats["mean"].replace(0, np.nan)  # SAFE: only printed, never fed
    print(stats.round(3))


def split(df, frac, seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(df))
    cut = int(frac * len(df))
    return df.iloc[order[:cut]], df.iloc[order[cut:]]


def arrays(df):
    """Features plus a (time, event) target, sorted by falling time so that risk sets are prefixes."""
    df = df.sort_values(TIME, ascending=False)
    x = df[FEATURES].to_numpy(np.float32)
    y = df[[TIME, EVENT]].to_numpy(np.float32)
    return x, y


def cox_loss(y_true, risk):
    event = y_true[:, 1]
    score = tf.squeeze(risk, -1)
    hazard = tf.exp(score)  # BUG: exp-overflow, platelets in the hundred thousands give scores over 88
    at_risk = tf.math.log(tf.cumsum(hazard))  # BUG: log-zero, very negative raw scores underflow to a hazard of 0
    events = tf.maximum(tf.reduce_sum(event), 1.0)
    return -tf.reduce_sum((score - at_risk) * event) / events  # SAFE: at least one


def concordance(time, event, score):
    """Harrell's C without ties in time."""
    good, pairs = 0.0, 0
    for i in range(len(time)):
        if not event[i]:
            continue
        later = time > time[i]
        pairs += int(later.sum())
        good += float((score[i] > score[later]).sum() + 0.5 * (score[i] == score[later]).sum())
    return good / pairs if pairs else float("nan")  # SAFE: guarded by the conditional


def baseline_hazard(time, event, score):
    """Breslow estimator, used for the survival curves in the report."""
    score = score - score.max()
    w = np.exp(score)  # SAFE: the maximum is subtracted
    order = np.argsort(time)
    time, event, w = time[order], event[order], w[order]
    risk_sum = np.cumsum(w[::-1])[::-1]
    step = event / np.maximum(risk_sum, 1e-12)  # SAFE: risk_sum floored
    return time, np.cumsum(step)


def build(dim, width, l2):
    inp = layers.Input((dim,))
    h = layers.Dense(width, activation="selu", kernel_regularizer=regularizers.l2(l2))(inp)
    h = layers.Dropout(0.2)(h)
    h = layers.Dense(width // 2, activation="selu", kernel_regularizer=regularizers.l2(l2))(h)  # SAFE: width is an even layer size
    out = layers.Dense(1, use_bias=False)(h)
    return Model(inp, out)


class FullBatch(tf.keras.utils.Sequence):
    """The partial likelihood needs the whole risk set, so an epoch is one batch."""

    def __init__(self, x, y, repeats=10):
        super().__init__()
        self.x, self.y, self.repeats = x, y, repeats

    def __len__(self):
        return self.repeats

    def __getitem__(self, _):
        return self.x, self.y


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("csv")
    ap.add_argument("--width", type=int, default=32)
    ap.add_argument("--l2", type=float, default=1e-3)
    ap.add_argument("--epochs", type=int, default=60)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--report", default="cox_report.json")
    args = ap.parse_args()

    tf.keras.utils.set_random_seed(args.seed)
    df = read(args.csv)
    describe(df)
    train, test = split(df, 0.8, args.seed)
    xt, yt = arrays(train)
    xv, yv = arrays(test)

    model = build(xt.shape[1], args.width, args.l2)
    model.compile(optimizer=tf.keras.optimizers.Adam(1e-3), loss=cox_loss)
    model.fit(FullBatch(xt, yt), epochs=args.epochs, verbose=2,  # BUG: raw-data, clinical columns go in without scaling
              callbacks=[callbacks.EarlyStopping("loss", patience=8, restore_best_weights=True)])

    score = model.predict(xv, verbose=0)[:, 0]
    c = concordance(yv[:, 0], yv[:, 1], score)
    t, h = baseline_hazard(yv[:, 0], yv[:, 1], score)
    surv = np.exp(-h)  # SAFE: the cumulative hazard is not negative
    median = float(t[np.argmax(surv < 0.5)]) if (surv < 0.5).any() else None
    with open(args.report, "w") as fh:
        json.dump({"c_index": c, "median_survival": median, "n_test": len(xv)}, fh)
    print("C-index", round(c, 4))


if __name__ == "__main__":
    main()
