"""Ames house prices, homework 3. Usage: python house_prices.py train.csv"""
import csv
import sys

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


NUM = ["LotArea", "OverallQual", "OverallCond", "YearBuilt", "TotalBsmtSF", "GrLivArea", "FullBath",
       "BedroomAbvGr", "GarageCars", "GarageArea"]
CAT = {"CentralAir": ["N", "Y"], "Street": ["Grvl", "Pave"],
       "KitchenQual": ["Ex", "Gd", "TA", "Fa", "Po"]}


def to_float(s):
    try:
        return float(s)
    except ValueError:
        return np.nan


def load(path):
    num, cat, price = [], [], []
    with open(path) as f:
        for row in csv.DictReader(f):
            num.append([to_float(row[c]) for c in NUM])
            onehot = []
            for c, values in CAT.items():
                onehot += [1.0 if row[c] == v else 0.0 for v in values]
            cat.append(onehot)
            price.append(float(row["SalePrice"]))
    return np.array(num), np.array(cat), np.array(price)


def fill_missing(num):
    med = np.nanmedian(num, axis=0)
    idx = np.where(np.isnan(num))
    num[idx] = np.take(med, idx[1])
    return num


class Scaler:
    def fit(self, x):
        self.mean = x.mean(0)
        self.std = x.std(0)
        self.std[self.std == 0] = 1.0
        return self

    def transform(self, x):
        return ((x - self.mean) / self.std).astype("float32")  # SAFE: zero deviations were replaced by 1 in fit


def split(x, y, frac=0.2, seed=0):
    order = np.random.RandomState(seed).permutation(len(y))
    k = int(len(y) * frac)
    return x[order[k:]], y[order[k:]], x[order[:k]], y[order[:k]]


def build_model(n_features):
    model = keras.Sequential([
        layers.Input((n_features,)),
        layers.Dense(64, activation="relu"),
        layers.Dense(64, activation="relu"),
        layers.Dense(1),
    ])
    model.compile(optimizer=keras.optimizers.SGD(learning_rate=0.01, momentum=0.9),  # BUG: rate, SalePrice is in dollars (about 180000), so the mse gradients blow up with SGD 0.01
                  loss="mse", metrics=["mae", rmsle])
    return model


def rmsle(y_true, y_pred):
    y_pred = tf.nn.relu(y_pred)
    d = tf.math.log1p(y_pred) - tf.math.log1p(y_true)  # SAFE: relu before log1p, prices are positive
    return tf.sqrt(tf.reduce_mean(tf.square(d)))  # SAFE: only a metric, no gradient goes through the root


def r2(y, p):
    ss_res = np.sum((y - p) ** 2)
    ss_tot = np.sum((y - y.mean()) ** 2)
    return 1 - ss_res / (ss_tot + 1e-9)  # SAFE: evaluation only, with an added constant


class PrintEvery(keras.callbacks.Callback):
    def __init__(self, n):
        super().__init__()
        self.n = n

    def on_epoch_end(self, epoch, logs=None):
        if epoch % self.n == 0:
            print(epoch, {k: round(float(v), 3) for k, v in (logs or {}).items()})


def plot(history, path):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    plt.figure()
    plt.plot(history.history["loss"], label="train")
    plt.plot(history.history["val_loss"], label="val")
    plt.legend()
    plt.savefig(path)


def main():
    num, cat, price = load(sys.argv[1])
    num = fill_missing(num)
    x = np.concatenate([num, cat], 1)
    xtr, ytr, xte, yte = split(x, price.astype("float32"))
    scaler = Scaler().fit(xtr)
    xtr, xte = scaler.transform(xtr), scaler.transform(xte)
    model = build_model(xtr.shape[1])
    history = model.fit(xtr, ytr, validation_split=0.2, epochs=100, batch_size=32, verbose=0,
                        callbacks=[PrintEvery(10)])
    pred = model.predict(xte)[:, 0]
    print("R2", r2(yte, pred), "MAE", np.abs(pred - yte).mean())
    plot(history, "curve.png")


if __name__ == "__main__":
    main()
