"""Credit default: deep tanh network against a logistic baseline (course project)."""
import argparse
import csv
import json

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import initializers, layers

TARGET = "default"
SKIP = {"id", TARGET}


def read(path):
    with open(path) as f:
        rows = list(csv.DictReader(f))
    cols = [c for c in rows[0] if c not in SKIP]
    x = np.array([[float(r[c] or "nan") for c in cols] for r in rows], "float64")
    y = np.array([float(r[TARGET]) for r in rows], "float32")
    return x, y, cols


class Preprocess:
    """Median imputation, signed log for money columns, standardisation, clipping."""

    def fit(self, x):
        med = np.nanmedian(x, axis=0)
        self.med = np.where(np.isnan(med), 0.0, med)
        z = self._fill(x)
        self.wide = np.abs(z).max(0) > 1000
        z = self._squash(z)
        self.mu, self.sd = z.mean(0), z.std(0)
        return self

    def _fill(self, x):
        return np.where(np.isnan(x), self.med, x)

    def _squash(self, z):
        return np.where(self.wide, np.sign(z) * np.log1p(np.abs(z)), z)  # SAFE: log1p of an absolute value

    def transform(self, x):
        z = self._squash(self._fill(x))
        return np.clip((z - self.mu) / (self.sd + 1e-8), -6, 6).astype("float32")  # SAFE: float64 with 1e-8 added, a constant column gives 0


def class_prior_bias(y):
    p = np.clip(y.mean(), 1e-3, 1 - 1e-3)
    return float(np.log(p / (1 - p)))  # SAFE: rate clipped to [0.001, 0.999]


def hidden(n, activation):
    return layers.Dense(n, activation=activation,
                        kernel_initializer=initializers.RandomNormal(mean=0.0, stddev=1.0))  # BUG: init, stddev 1 with 256 inputs drives tanh to +-1 in every layer, gradients vanish


def build_deep(n_features, bias, depth=8, width=256):
    model = keras.Sequential(name="deep")
    model.add(keras.Input((n_features,)))
    for _ in range(depth):
        model.add(hidden(width, "tanh"))
    model.add(layers.Dense(1, activation="sigmoid", bias_initializer=initializers.Constant(bias),
                           kernel_initializer=initializers.RandomNormal(stddev=0.01)))  # SAFE: small weights in the output layer only
    return model


def build_logistic(n_features, bias):
    model = keras.Sequential(name="logistic")
    model.add(keras.Input((n_features,)))
    model.add(layers.Dense(1, activation="sigmoid", kernel_initializer="zeros",  # SAFE: a single layer trains from zero weights
                           bias_initializer=initializers.Constant(bias)))
    return model


def focal(alpha=0.25, gamma=2.0):
    def loss(y, p):
        p = tf.clip_by_value(p, 1e-6, 1.0 - 1e-6)
        pt = tf.where(y > 0.5, p, 1.0 - p)
        w = tf.where(y > 0.5, alpha, 1.0 - alpha)
        return -tf.reduce_mean(w * tf.pow(1.0 - pt, gamma) * tf.math.log(pt))  # SAFE: pt is in [1e-6, 1 - 1e-6] by the clip
    return loss


def ks_statistic(y, p):
    order = np.argsort(-p)
    y = y[order]
    pos = np.cumsum(y) / max(y.sum(), 1)  # SAFE: at least 1
    neg = np.cumsum(1 - y) / max((1 - y).sum(), 1)  # SAFE: at least 1
    return float(np.abs(pos - neg).max())


def psi(expected, actual, bins=10):
    edges = np.quantile(expected, np.linspace(0, 1, bins + 1))
    edges[0], edges[-1] = -np.inf, np.inf
    e = np.histogram(expected, edges)[0] / len(expected) + 1e-6  # SAFE: array of predictions is not empty
    a = np.histogram(actual, edges)[0] / len(actual) + 1e-6  # SAFE: array of predictions is not empty
    return float(((a - e) * np.log(a / e)).sum())  # SAFE: both got 1e-6 above


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("csv")
    ap.add_argument("--model", choices=["deep", "logistic"], default="deep")
    ap.add_argument("--loss", choices=["bce", "focal"], default="bce")
    ap.add_argument("--lr", type=float, default=1e-3)
    a = ap.parse_args()
    x, y, cols = read(a.csv)
    order = np.random.RandomState(0).permutation(len(y))
    tr, te = order[len(y) // 5:], order[:len(y) // 5]
    prep = Preprocess().fit(x[tr])
    bias = class_prior_bias(y[tr])
    model = (build_deep if a.model == "deep" else build_logistic)(len(cols), bias)
    model.compile(keras.optimizers.SGD(a.lr * 10, momentum=0.9),  # SAFE: 0.01 on standardised inputs
                  loss=focal() if a.loss == "focal" else "binary_crossentropy", metrics=[keras.metrics.AUC(name="auc")])
    model.fit(prep.transform(x[tr]), y[tr][:, None], validation_split=0.1, epochs=40, batch_size=256)
    p_tr, p = model.predict(prep.transform(x[tr]))[:, 0], model.predict(prep.transform(x[te]))[:, 0]
    print(json.dumps({"ks": ks_statistic(y[te], p), "psi": psi(p_tr, p)}))


if __name__ == "__main__":
    main()
