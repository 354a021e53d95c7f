"""House price regression, first course project."""
import csv
import sys

import keras
import numpy as np
from keras import layers, ops

NUMERIC = ["LotArea", "OverallQual", "YearBuilt", "TotalBsmtSF", "GrLivArea", "GarageCars", "FullBath"]
TARGET = "SalePrice"


def read_table(path):
    rows = []
    with open(path, newline="") as f:
        for r in csv.DictReader(f):
            rows.append([float(r[c]) if r[c] not in ("", "NA") else np.nan for c in NUMERIC + [TARGET]])
    t = np.array(rows, dtype=np.float32)
    return t[:, :-1], t[:, -1]


def fill_missing(x, ref=None):
    ref = x if ref is None else ref
    med = np.nanmedian(ref, axis=0)
    med = np.where(np.isnan(med), 0.0, med)
    return np.where(np.isnan(x), med, x).astype(np.float32)


def split(x, y, frac=0.2, seed=1):
    order = np.random.RandomState(seed).permutation(len(x))
    k = int(len(x) * frac)
    return x[order[k:]], y[order[k:]], x[order[:k]], y[order[:k]]


class Standardizer:

    def fit(self, x):
        self.mean = x.mean(0)
        self.std = x.std(0)
        self.std[self.std < 1e-6] = 1.0
        return self

    def __call__(self, x):
        return (x - self.mean) / self.std  # SAFE: deviations below 1e-6 were replaced by one in fit

    def inverse(self, z):
        return z * self.std + self.mean


def rmsle(y_true, y_pred):
    first = ops.log(y_pred + 1.0)  # BUG: domain, the last layer is linear and predicts values below -1
    second = ops.log(y_true + 1.0)  # SAFE: sale prices are positive
    return ops.mean(ops.square(first - second))


def rmsle_metric(y_true, y_pred):
    first = ops.log(ops.maximum(y_pred, 0.0) + 1.0)  # SAFE: maximum with zero before the logarithm
    second = ops.log(ops.maximum(y_true, 0.0) + 1.0)  # SAFE: same
    return ops.sqrt(ops.mean(ops.square(first - second)))  # SAFE: a metric, no gradient is taken


def r2(y_true, y_pred):
    res = ops.sum(ops.square(y_true - y_pred))
    tot = ops.sum(ops.square(y_true - ops.mean(y_true)))
    return 1.0 - res / (tot + keras.backend.epsilon())  # SAFE: epsilon, and a metric


def percentage_error(y_true, y_pred):
    return ops.mean(ops.abs(y_true - y_pred) / ops.maximum(ops.abs(y_true), 1.0))  # SAFE: floored denominator


def baseline(n_in):
    model = keras.Sequential([
        keras.Input((n_in,)),
        layers.Dense(64, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ])
    model.compile(optimizer=keras.optimizers.SGD(learning_rate=0.01), loss="mse", metrics=["mae"])  # MAYBE: the rate alone would do for standardised data
    return model


def improved(n_in, loss):
    inp = keras.Input((n_in,))
    h = layers.Dense(64, activation="relu", kernel_regularizer=keras.regularizers.l2(1e-4))(inp)
    h = layers.Dropout(0.1)(h)
    h = layers.Dense(32, activation="relu")(h)
    out = layers.Dense(1)(h)
    model = keras.Model(inp, out)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss, metrics=[rmsle_metric, r2, percentage_error])
    return model


def log_target_model(n_in):
    inp = keras.Input((n_in,))
    h = layers.Dense(64, activation="relu")(inp)
    out = layers.Dense(1)(h)
    model = keras.Model(inp, out)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=keras.losses.Huber(), metrics=["mae"])
    return model


def experiment_baseline(xt, yt, xv, yv):
    model = baseline(xt.shape[1])
    model.fit(xt, yt, epochs=50, batch_size=32, validation_data=(xv, yv), verbose=2)  # BUG: raw-data, lot areas and years unscaled with mse on dollars and SGD, the loss is NaN in the first epoch
    return model


def experiment_rmsle(xt, yt, xv, yv):
    scale = Standardizer().fit(xt)
    model = improved(xt.shape[1], rmsle)
    stop = keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)
    model.fit(scale(xt), yt, epochs=200, batch_size=32, validation_data=(scale(xv), yv),  # SAFE: inputs are standardised
              callbacks=[stop], verbose=2)
    return model


def experiment_log_target(xt, yt, xv, yv):
    scale = Standardizer().fit(xt)
    lt, lv = np.log1p(yt), np.log1p(yv)  # SAFE: sale prices are positive
    ts = Standardizer().fit(lt[:, None])
    model = log_target_model(xt.shape[1])
    model.fit(scale(xt), ts(lt[:, None]), epochs=200, batch_size=32,  # SAFE: inputs and target are standardised
              validation_data=(scale(xv), ts(lv[:, None])), verbose=2)
    pred = np.expm1(np.clip(ts.inverse(model.predict(scale(xv), verbose=0)), 0.0, 20.0))  # SAFE: clipped to 20 before the exponential
    err = np.sqrt(np.mean((np.log1p(pred[:, 0]) - lv) ** 2))  # SAFE: pred is expm1 of a clipped non-negative number
    print("validation rmsle", err)
    return model


def main(path):
    x, y = read_table(path)
    keep = np.isfinite(y) & (y > 0)
    x, y = fill_missing(x[keep]), y[keep]
    xt, yt, xv, yv = split(x, y)
    print("train", xt.shape, "valid", xv.shape, "mean price", yt.mean())
    for fn in (experiment_baseline, experiment_rmsle, experiment_log_target):
        model = fn(xt, yt, xv, yv)
        model.save(fn.__name__ + ".keras")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "train.csv")
