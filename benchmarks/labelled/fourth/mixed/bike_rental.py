#!/usr/bin/env python3
"""Assignment 2: regression on the bike sharing data (UCI hour.csv)."""
import sys

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

# columns of hour.csv that we keep
COLS = {"season": 2, "hr": 5, "holiday": 6, "weekday": 7, "workingday": 8, "weathersit": 9,
        "temp": 10, "atemp": 11, "hum": 12, "windspeed": 13, "casual": 14, "registered": 15, "cnt": 16}
INPUTS = ["season", "hr", "holiday", "weekday", "workingday", "weathersit", "temp", "hum", "windspeed"]


def load_csv(path):
    data = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=list(COLS.values()))
    return {name: data[:, i] for i, name in enumerate(COLS)}


def lagged(cnt, lags=(1, 24, 168)):
    """Rentals one hour, one day and one week before."""
    return np.stack([np.concatenate([np.full(k, cnt[0]), cnt[:-k]]) for k in lags], axis=1)


def casual_share(d):
    return d["casual"] / (d["registered"] + d["casual"] + 1.0)  # SAFE: counts are not negative, one is added


def make_arrays(d):
    x = np.stack([d[c] for c in INPUTS], axis=1)
    prev = np.concatenate([[0.0], casual_share(d)[:-1]])
    x = np.column_stack([x, lagged(d["cnt"]), prev])
    return x.astype("float32"), d["cnt"].astype("float32").reshape(-1, 1)


def split_by_time(x, y, test=0.2, val=0.1):
    n = len(x)
    a, b = int(n * (1 - test - val)), int(n * (1 - test))
    return (x[:a], y[:a]), (x[a:b], y[a:b]), (x[b:], y[b:])


def r2(y_true, y_pred):
    ss = tf.reduce_sum(tf.square(y_true - y_pred))
    tot = tf.reduce_sum(tf.square(y_true - tf.reduce_mean(y_true)))
    return 1.0 - ss / (tot + keras.backend.epsilon())  # SAFE: metric, sum of squares plus epsilon


def linear_model(dim):
    return keras.Sequential([keras.Input((dim,)), layers.Dense(1)])


def mlp(dim):
    return keras.Sequential([
        keras.Input((dim,)),
        layers.Dense(64, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ])


def normed_mlp(dim, x_train):
    norm = layers.Normalization()
    norm.adapt(x_train)  # SAFE: the layer floors the deviation with epsilon
    return keras.Sequential([
        keras.Input((dim,)),
        norm,
        layers.Dense(64, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1, activation="softplus"),
    ])


def poisson_experiment(x, y, epochs):
    model = normed_mlp(x.shape[1], x)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=keras.losses.Poisson())  # SAFE: softplus output and the Keras loss adds epsilon inside its log
    return model, model.fit(x, y, epochs=epochs, batch_size=64, verbose=0)


def sgd_experiment(build, x, y, val, epochs):
    model = build(x.shape[1])
    model.compile(optimizer=keras.optimizers.SGD(learning_rate=0.01, momentum=0.9), loss="mse", metrics=["mae", r2])
    hist = model.fit(x, y, validation_data=val, epochs=epochs, batch_size=64, verbose=0)  # BUG: raw-data, lag columns up to 977 unscaled with SGD 0.01 diverge to NaN
    return model, hist


def plot(histories, out):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.figure()
    for name, h in histories.items():
        plt.plot(np.log10(np.asarray(h.history["loss"]) + 1e-12), label=name)  # SAFE: plot only
    plt.legend()
    plt.savefig(out)


def main():
    keras.utils.set_random_seed(2)
    d = load_csv(sys.argv[1] if len(sys.argv) > 1 else "hour.csv")
    x, y = make_arrays(d)
    (xt, yt), val, (xe, ye) = split_by_time(x, y)
    histories = {}
    for name, build in (("linear", linear_model), ("mlp", mlp)):
        model, histories[name] = sgd_experiment(build, xt, yt, val, 20)
        print(name, model.evaluate(xe, ye, verbose=0))
    model, histories["poisson"] = poisson_experiment(xt, yt, 20)
    print("poisson", model.evaluate(xe, ye, verbose=0))
    plot(histories, "curves.png")


if __name__ == "__main__":
    main()
