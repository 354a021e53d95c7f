"""Day-ahead forecast of a solar park: hourly output in kW from weather and history."""
import argparse

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

WINDOW, HORIZON = 72, 24


def load(path):
    raw = np.genfromtxt(path, delimiter=",", skip_header=1, dtype=np.float32)
    return np.nan_to_num(raw)


def clock_features(n):
    h = np.arange(n) % 24
    return np.stack([np.sin(2 * np.pi * h / 24), np.cos(2 * np.pi * h / 24)], 1).astype(np.float32)


class Scaler:
    """Min-max scaling of every channel with the statistics of the training years."""

    def __init__(self, train):
        self.lo = train.min(0)
        span = train.max(0) - self.lo
        self.span = np.where(span < 1e-6, 1.0, span)

    def __call__(self, x):
        return (x - self.lo) / self.span  # SAFE: constant channels get span 1

    def inverse_target(self, y):
        return y * self.span[0] + self.lo[0]


def windows(series, power, batch, shuffle):
    n = len(series) - WINDOW - HORIZON + 1
    x = np.stack([series[i:i + WINDOW] for i in range(n)])
    y = np.stack([power[i + WINDOW:i + WINDOW + HORIZON] for i in range(n)])
    ds = tf.data.Dataset.from_tensor_slices((x.astype(np.float32), y.astype(np.float32)))
    if shuffle:
        ds = ds.shuffle(4096)
    return ds.batch(batch).prefetch(tf.data.AUTOTUNE)


def relative_error(y_true, y_pred):
    y_true = tf.cast(y_true, y_pred.dtype)
    return tf.reduce_mean(tf.abs((y_true - y_pred) / y_true), axis=-1)  # BUG: div-zero, scaled output is 0 at night and it is the training loss


def smape(y_true, y_pred):
    num = tf.abs(y_true - y_pred)
    den = tf.abs(y_true) + tf.abs(y_pred)
    return tf.reduce_mean(2.0 * num / tf.maximum(den, 1e-3), axis=-1)  # SAFE: denominator floored, metric only


def nrmse(y_true, y_pred):
    mse = tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
    return tf.sqrt(mse)  # SAFE: metric only and the argument is not negative


class TemporalAttention(layers.Layer):
    def __init__(self, units, **kw):
        super().__init__(**kw)
        self.proj = layers.Dense(units, activation="tanh")
        self.score = layers.Dense(1)

    def call(self, h):
        e = self.score(self.proj(h))
        e = e - tf.reduce_max(e, axis=1, keepdims=True)
        w = tf.exp(e)  # SAFE: shifted by the maximum
        w = w / tf.reduce_sum(w, axis=1, keepdims=True)  # SAFE: sum is at least 1 because of the shift
        return tf.reduce_sum(w * h, axis=1)


def build(channels, units):
    inp = keras.Input((WINDOW, channels))
    x = layers.Conv1D(units, 5, padding="causal", activation="relu")(inp)
    x = layers.GRU(units, return_sequences=True)(x)
    x = TemporalAttention(units)(x)
    x = layers.Dropout(0.1)(x)
    out = layers.Dense(HORIZON, activation="softplus")(x)
    return keras.Model(inp, out)


def get_loss(name):
    return {"relative": relative_error, "mse": "mse", "huber": keras.losses.Huber(0.1)}[name]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--csv", default="data/solar_2017_2020.csv")
    ap.add_argument("--loss", default="relative", choices=["relative", "mse", "huber"])
    ap.add_argument("--units", type=int, default=48)
    ap.add_argument("--epochs", type=int, default=15)
    ap.add_argument("--lr", type=float, default=5e-4)
    args = ap.parse_args()

    raw = load(args.csv)
    cut = int(len(raw) * 0.8)
    scaler = Scaler(raw[:cut])
    z = scaler(raw)
    x = np.concatenate([z, clock_features(len(z))], 1)
    train = windows(x[:cut], z[:cut, 0], 64, True)
    valid = windows(x[cut:], z[cut:, 0], 64, False)

    model = build(x.shape[1], args.units)
    model.compile(keras.optimizers.Adam(args.lr, clipnorm=1.0), loss=get_loss(args.loss), metrics=[smape, nrmse])
    model.fit(train, validation_data=valid, epochs=args.epochs,
              callbacks=[keras.callbacks.ReduceLROnPlateau(patience=2)])
    pred = scaler.inverse_target(model.predict(valid))
    np.save("solar_forecast.npy", pred)


if __name__ == "__main__":
    main()
