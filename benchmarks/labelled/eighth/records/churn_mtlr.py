"""Multi-task logistic regression (Yu et al. 2011, Fotso 2018) for subscriber churn."""
import argparse
import json
import os
import pickle

import numpy as np
import tensorflow as tf
from tensorflow import keras


def km_survival(time, event):
    """Kaplan-Meier estimate on the unique times."""
    t = np.unique(time)
    s, out = 1.0, []
    for v in t:
        risk = (time >= v).sum()
        d = ((time == v) & event).sum()
        s *= 1.0 - d / risk  # SAFE: whoever has time v is at risk at v
        out.append(s)
    return t, np.array(out)


def quantile_bins(time, event, n_bins):
    q = np.quantile(time[event], np.linspace(0, 1, n_bins + 1)[1:-1])
    edges = np.unique(np.concatenate([[0.0], q]))
    return np.append(edges, max(time.max(), edges[-1]) + 1.0)


def encode(time, event, edges):
    """Row of ones over the bins that are still possible: one bin for an event, all later bins for a censored row."""
    k = np.clip(np.searchsorted(edges, time, side="right") - 1, 0, len(edges) - 2)
    grid = np.arange(len(edges) - 1)[None]
    y = np.where(event[:, None], grid == k[:, None], grid >= k[:, None])
    return y.astype(np.float32)


class CumulativeScores(keras.layers.Layer):
    """score of bin j is the sum of the utilities from j to the end"""

    def call(self, psi):
        return tf.cumsum(psi, axis=1, reverse=True)


def mtlr_loss(y_true, scores):
    norm = tf.reduce_logsumexp(scores, axis=1)  # SAFE: reduce_logsumexp subtracts the maximum
    allowed = tf.where(y_true > 0.5, scores, tf.fill(tf.shape(scores), -1e9))
    part = tf.reduce_logsumexp(allowed, axis=1)  # SAFE: every row has at least one possible bin
    return norm - part


class SmoothL2(keras.regularizers.Regularizer):
    """Penalises differences of the utilities of adjacent bins."""

    def __init__(self, c1, c2):
        self.c1, self.c2 = c1, c2

    def __call__(self, w):
        d = w[:, 1:] - w[:, :-1]
        return self.c1 * tf.reduce_sum(tf.square(w)) + self.c2 * tf.reduce_sum(tf.square(d))

    def get_config(self):
        return {"c1": self.c1, "c2": self.c2}


class Prep:
    def __init__(self, x):
        self.log = x.min(0) >= 0
        z = self._warp(x)
        self.m, self.s = z.mean(0), z.std(0)
        self.s[self.s == 0] = 1.0

    def _warp(self, x):
        z = x.astype(np.float64).copy()
        z[:, self.log] = np.log1p(np.maximum(z[:, self.log], 0))  # SAFE: floored at zero
        return z

    def __call__(self, x):
        return np.clip((self._warp(x) - self.m) / self.s, -5, 5).astype(np.float32)  # SAFE: constant columns get one


def survival(scores):
    z = scores - scores.max(1, keepdims=True)
    p = np.exp(z)  # SAFE: the maximum is subtracted
    p /= p.sum(1, keepdims=True)  # SAFE: the largest term is one
    return 1.0 - np.cumsum(p, 1)


def ipcw_brier(time, event, surv_at, horizon, ct, cs):
    """Brier score weighted by the censoring distribution."""
    def g(t):
        i = np.searchsorted(ct, t, side="right") - 1
        return np.where(i < 0, 1.0, cs[np.clip(i, 0, len(cs) - 1)])
    early = event & (time <= horizon)
    late = time > horizon
    w = np.where(early, 1.0 / np.maximum(g(time), 0.05), 0.0) + np.where(late, 1.0 / np.maximum(g(np.full_like(time, horizon)), 0.05), 0.0)  # SAFE: floored at 0.05, numpy only
    alive = late.astype(float)
    return float((w * (alive - surv_at) ** 2).mean())


def tune_horizons(edges):
    inner = edges[1:-1]
    return inner[:: max(len(inner) // 5, 1)]  # SAFE: the step is at least one


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("pickle", help="dict with x, months, churned, names")
    ap.add_argument("--bins", type=int, default=24)
    ap.add_argument("--hidden", type=int, nargs="*", default=[64])
    ap.add_argument("--c1", type=float, default=1e-4)
    ap.add_argument("--c2", type=float, default=1e-3)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--epochs", type=int, default=50)
    ap.add_argument("--out", default="churn")
    a = ap.parse_args()
    keras.utils.set_random_seed(31)
    os.makedirs(a.out, exist_ok=True)
    with open(a.pickle, "rb") as fh:
        d = pickle.load(fh)
    x, time, event = np.asarray(d["x"], np.float64), np.asarray(d["months"], np.float64), np.asarray(d["churned"], bool)
    keep = np.isfinite(x).all(1) & (time >= 0)
    x, time, event = x[keep], time[keep], event[keep]
    if event.sum() < 50:
        raise SystemExit("too few churners")
    order = np.random.permutation(len(x))
    cut = int(0.8 * len(x))
    tr, te = order[:cut], order[cut:]

    edges = quantile_bins(time[tr], event[tr], a.bins)
    prep = Prep(x[tr])
    model = keras.Sequential([keras.layers.Input((x.shape[1],))])
    for w in a.hidden:
        model.add(keras.layers.Dense(w, activation="relu"))
        model.add(keras.layers.Dropout(0.2))
    model.add(keras.layers.Dense(len(edges) - 1, kernel_initializer="zeros", kernel_regularizer=SmoothL2(a.c1, a.c2)))  # SAFE: output layer of a softmax, the gradient of zero weights is alive
    model.add(CumulativeScores())
    model.compile(keras.optimizers.Adam(a.lr, clipnorm=2.0), loss=mtlr_loss)  # SAFE: raw scores go to a loss on raw scores
    model.fit(prep(x[tr]), encode(time[tr], event[tr], edges), batch_size=512, epochs=a.epochs, validation_split=0.1, verbose=2,  # SAFE: prepared inputs are within five deviations
              callbacks=[keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)])

    surv = survival(model.predict(prep(x[te]), batch_size=4096, verbose=0).astype(np.float64))
    ct, cs = km_survival(time[tr], ~event[tr])
    scores = {}
    for h in tune_horizons(edges):
        j = int(np.searchsorted(edges, h)) - 1
        scores["%.1f" % h] = ipcw_brier(time[te], event[te], surv[:, j], h, ct, cs)
    median = edges[1:][np.argmax(surv <= 0.5, axis=1)]
    mae = np.abs(median - time[te])[event[te]]
    scores["median_mae"] = float(mae.mean()) if len(mae) else None  # SAFE: empty slices are handled
    with open(os.path.join(a.out, "scores.json"), "w") as fh:
        json.dump(scores, fh, indent=1)
    model.save_weights(os.path.join(a.out, "mtlr.weights.h5"))
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
