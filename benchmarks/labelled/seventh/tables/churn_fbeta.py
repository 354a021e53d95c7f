"""Churn prediction on imbalanced telecom data, optimises the F-score directly."""
import argparse
import csv
import pathlib

import keras
import numpy as np
import tensorflow as tf
from keras import layers

CATEGORIES = {"contract": ["month", "year", "two_year"], "payment": ["check", "card", "transfer", "mail"]}
NUMERIC = ["tenure", "monthly", "total", "calls", "minutes"]


def load_csv(path):
    num, cat, y = [], [], []
    with open(path, newline="") as fh:
        for r in csv.DictReader(fh):
            num.append([float(r[c] or "nan") for c in NUMERIC])
            cat.append([CATEGORIES[k].index(r[k]) for k in sorted(CATEGORIES)])
            y.append(float(r["churn"] == "yes"))
    return np.array(num, np.float32), np.array(cat, np.int64), np.array(y, np.float32)


class FeatureBuilder:

    def fit(self, num):
        x = self.derive(num)
        self.mean = np.nanmean(x, 0)
        self.std = np.nanstd(x, 0)
        return self

    @staticmethod
    def derive(num):
        tenure, monthly, total, calls, minutes = [num[:, i] for i in range(5)]
        per_call = minutes / np.maximum(calls, 1.0)  # SAFE: customers without calls divide by one
        drift = total / (monthly * np.maximum(tenure, 1.0) + 1.0)  # SAFE: fees and tenure are not negative and one is added
        return np.stack([np.log1p(np.maximum(tenure, 0)), monthly, np.log1p(np.maximum(total, 0)), per_call, drift], 1)  # SAFE: both columns are floored at zero

    def __call__(self, num, cat):
        z = (self.derive(num) - self.mean) / np.where(self.std > 1e-6, self.std, 1.0)  # SAFE: tiny deviations are replaced by one
        z = np.clip(np.nan_to_num(z), -6, 6)
        hot = [np.eye(len(CATEGORIES[k]))[cat[:, i]] for i, k in enumerate(sorted(CATEGORIES))]
        return np.concatenate([z] + hot, 1).astype(np.float32)


def class_ratio(y):
    pos = max(float(y.sum()), 1.0)
    return (len(y) - float(y.sum())) / pos  # SAFE: floor of one positive


class FBetaLoss(keras.losses.Loss):

    def __init__(self, beta=2.0, threshold=0.5, **kw):
        super().__init__(**kw)
        self.beta2 = beta ** 2
        self.threshold = threshold

    def call(self, y_true, y_pred):
        y_true = tf.cast(y_true, tf.float32)
        hard = tf.cast(y_pred > self.threshold, tf.float32)  # BUG: cast, the comparison has no gradient so the weights never change
        tp = tf.reduce_sum(y_true * hard)
        fp = tf.reduce_sum((1.0 - y_true) * hard)
        fn = tf.reduce_sum(y_true * (1.0 - hard))
        f = (1.0 + self.beta2) * tp / ((1.0 + self.beta2) * tp + self.beta2 * fn + fp + 1e-7)  # SAFE: epsilon, the counts are not negative
        return 1.0 - f + 0.0 * tf.reduce_sum(y_pred)


class SoftFBetaLoss(keras.losses.Loss):

    def __init__(self, beta=2.0, **kw):
        super().__init__(**kw)
        self.beta2 = beta ** 2

    def call(self, y_true, y_pred):
        y_true = tf.cast(y_true, y_pred.dtype)  # SAFE: labels are cast, not predictions
        tp = tf.reduce_sum(y_true * y_pred)
        fp = tf.reduce_sum((1.0 - y_true) * y_pred)
        fn = tf.reduce_sum(y_true * (1.0 - y_pred))
        return 1.0 - (1.0 + self.beta2) * tp / ((1.0 + self.beta2) * tp + self.beta2 * fn + fp + 1e-7)  # SAFE: epsilon, the sums are not negative


class FocalLoss(keras.losses.Loss):

    def __init__(self, gamma=2.0, alpha=0.25, **kw):
        super().__init__(**kw)
        self.gamma, self.alpha = gamma, alpha

    def call(self, y_true, y_pred):
        y_true = tf.cast(y_true, y_pred.dtype)
        p = tf.clip_by_value(y_pred, 1e-6, 1.0 - 1e-6)
        pt = y_true * p + (1.0 - y_true) * (1.0 - p)
        w = tf.pow(1.0 - pt, self.gamma)  # SAFE: the base is at least 5e-7 and the exponent is 2
        a = y_true * self.alpha + (1.0 - y_true) * (1.0 - self.alpha)
        return tf.reduce_mean(-a * w * tf.math.log(pt), -1)  # SAFE: pt is clipped away from zero


class FScore(keras.metrics.Metric):

    def __init__(self, threshold=0.5, name="f1", **kw):
        super().__init__(name=name, **kw)
        self.threshold = threshold
        self.tp, self.fp, self.fn = (self.add_weight(name=n, initializer="zeros") for n in ("tp", "fp", "fn"))

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = tf.cast(y_true, tf.float32)
        hard = tf.cast(y_pred > self.threshold, tf.float32)  # SAFE: a metric, no gradient is needed
        self.tp.assign_add(tf.reduce_sum(y_true * hard))
        self.fp.assign_add(tf.reduce_sum((1.0 - y_true) * hard))
        self.fn.assign_add(tf.reduce_sum(y_true * (1.0 - hard)))

    def result(self):
        return tf.math.divide_no_nan(2.0 * self.tp, 2.0 * self.tp + self.fp + self.fn)  # SAFE: divide_no_nan

    def reset_state(self):
        for v in (self.tp, self.fp, self.fn):
            v.assign(0.0)


LOSSES = {"fbeta": FBetaLoss, "soft_fbeta": SoftFBetaLoss, "focal": FocalLoss}


def make_model(n_in, units, dropout, prior):
    bias = keras.initializers.Constant(float(np.log(prior / (1.0 - prior))))  # SAFE: the prior is clipped in run()
    inp = keras.Input((n_in,))
    h = inp
    for u in units:
        h = layers.Dense(u, use_bias=False)(h)
        h = layers.BatchNormalization(epsilon=1e-3)(h)
        h = layers.Activation("swish")(h)
        h = layers.Dropout(dropout)(h)
    return keras.Model(inp, layers.Dense(1, activation="sigmoid", bias_initializer=bias)(h))


def best_threshold(p, y):
    best = (0.0, 0.5)
    for t in np.linspace(0.05, 0.95, 19):
        tp, fp, fn = ((p > t) * y).sum(), ((p > t) * (1 - y)).sum(), ((p <= t) * y).sum()
        best = max(best, (2 * tp / max(2 * tp + fp + fn, 1), t))  # SAFE: floor of one
    return best


def run(args):
    num, cat, y = load_csv(args.csv)
    order = np.random.default_rng(args.seed).permutation(len(y))
    cut = int(0.8 * len(y))
    tr, te = order[:cut], order[cut:]
    fb = FeatureBuilder().fit(num[tr])
    xt, xv = fb(num[tr], cat[tr]), fb(num[te], cat[te])
    prior = float(np.clip(y[tr].mean(), 0.01, 0.99))
    model = make_model(xt.shape[1], args.units, args.dropout, prior)
    model.compile(optimizer=keras.optimizers.Adam(args.lr), loss=LOSSES[args.loss](), metrics=[FScore(), keras.metrics.AUC(curve="PR")])
    print("negatives per positive:", class_ratio(y[tr]))
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    model.fit(xt, y[tr][:, None], validation_data=(xv, y[te][:, None]), epochs=args.epochs, batch_size=args.batch,
              callbacks=[keras.callbacks.ReduceLROnPlateau(patience=3), keras.callbacks.CSVLogger(str(out / "log.csv"))], verbose=2)
    f, t = best_threshold(model.predict(xv, verbose=0)[:, 0], y[te])
    print(f"best F1 {f:.3f} at {t:.2f}")
    model.save(out / "churn.keras")


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--csv", default="churn.csv")
    ap.add_argument("--loss", default="fbeta", choices=sorted(LOSSES))
    ap.add_argument("--units", type=int, nargs="+", default=[64, 32])
    ap.add_argument("--dropout", type=float, default=0.2)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--batch", type=int, default=512)
    ap.add_argument("--epochs", type=int, default=30)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--out", default="out")
    run(ap.parse_args())
