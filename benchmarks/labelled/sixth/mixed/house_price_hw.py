# Homework 3: Ames housing, linear model + small MLP
import csv
import sys
import numpy as np
import tensorflow as tf
from tensorflow import keras

FEATURES = ["LotArea", "OverallQual", "YearBuilt", "TotalBsmtSF", "GrLivArea", "GarageArea", "BedroomAbvGr"]


def to_float(s):
    try:
        return float(s)
    except ValueError:
        return 0.0


def read_csv(path):
    X, y = [], []
    with open(path) as f:
        for row in csv.DictReader(f):
            X.append([to_float(row[c]) for c in FEATURES])
            y.append(to_float(row["SalePrice"]))
    return np.array(X, "float32"), np.array(y, "float32")


def split(X, y, frac=0.8, seed=1):
    idx = np.random.RandomState(seed).permutation(len(X))
    k = int(frac * len(X))
    return X[idx[:k]], y[idx[:k]], X[idx[k:]], y[idx[k:]]


class Standardizer:
    def fit(self, X):
        self.mu = X.mean(0)
        self.sd = X.std(0)
        self.sd[self.sd < 1e-6] = 1.0
        return self

    def transform(self, X):
        return (X - self.mu) / self.sd  # SAFE: zero standard deviations were replaced by 1 in fit


def closed_form(X, y, lam=1.0):
    """Ridge baseline on standardized features."""
    A = np.concatenate([X, np.ones((len(X), 1), "float32")], 1).astype("float64")
    w = np.linalg.solve(A.T @ A + lam * np.eye(A.shape[1]), A.T @ y)  # SAFE: the ridge term makes the matrix positive definite
    return w


def linear_model(n):
    m = keras.Sequential([keras.layers.Input((n,)), keras.layers.Dense(1)])
    m.compile(optimizer=keras.optimizers.SGD(learning_rate=0.01), loss="mse", metrics=["mae"])
    return m


def mlp(n):
    m = keras.Sequential([keras.layers.Input((n,)),
                          keras.layers.Dense(32, activation="relu"),
                          keras.layers.Dense(16, activation="relu"),
                          keras.layers.Dense(1)])
    m.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse")
    return m


def fit_linear(Xtr, ytr, epochs=50):
    m = linear_model(Xtr.shape[1])
    h = m.fit(Xtr, ytr / 1000.0, epochs=epochs, batch_size=32, verbose=0)  # BUG: raw-data, main passes unscaled lot areas and years (1e3..1e5) to SGD 0.01, the weights blow up to NaN
    return m, h


def fit_mlp(Xtr, ytr, epochs=100):
    sc = Standardizer().fit(Xtr)
    target = np.log1p(ytr)  # SAFE: sale prices are positive amounts
    mean = target.mean()
    m = mlp(Xtr.shape[1])
    h = m.fit(sc.transform(Xtr), target - mean, epochs=epochs, batch_size=32, verbose=0)  # SAFE: standardized inputs and centred log target
    return m, sc, mean, h


def predict_mlp(m, sc, mean, X):
    z = m.predict(sc.transform(X), verbose=0)[:, 0] + mean
    return np.expm1(np.clip(z, 0.0, 20.0))  # SAFE: exponent clipped to 20


def report(name, y, p):
    rmse = np.sqrt(np.mean((y - p) ** 2))  # SAFE: mean of squares in numpy, only printed
    ss = np.sum((y - y.mean()) ** 2)
    r2 = 1.0 - np.sum((y - p) ** 2) / ss if ss > 0 else float("nan")  # SAFE: printed score, division guarded by the condition
    mape = np.mean(np.abs(y - p) / np.maximum(y, 1.0)) * 100  # SAFE: price floored at one dollar
    print("%-10s RMSE %.0f R2 %.3f MAPE %.1f%%" % (name, rmse, r2, mape))
    return rmse


def main(path="AmesHousing.csv"):
    keras.utils.set_random_seed(3)
    X, y = read_csv(path)
    Xtr, ytr, Xte, yte = split(X, y)
    sc0 = Standardizer().fit(Xtr)
    w = closed_form(sc0.transform(Xtr), ytr)
    report("ridge", yte, np.c_[sc0.transform(Xte), np.ones(len(Xte))] @ w)
    lin, _ = fit_linear(Xtr, ytr)
    report("linear", yte, lin.predict(Xte, verbose=0)[:, 0] * 1000.0)
    m, sc, mean, _ = fit_mlp(Xtr, ytr)
    report("mlp", yte, predict_mlp(m, sc, mean, Xte))


if __name__ == "__main__":
    main(*sys.argv[1:])
