"""N-BEATS style quantile forecaster with reversible instance normalisation (M4 hourly)."""
import argparse
import csv

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

QUANTILES = (0.1, 0.5, 0.9)


def read_m4(path):
    series = []
    with open(path) as f:
        next(f)
        for row in csv.reader(f):
            v = np.array([float(c) for c in row[1:] if c != ""], "float32")
            series.append(v)
    return series


class WindowSampler(keras.utils.Sequence):
    def __init__(self, series, lookback, horizon, batch, steps, seed=0, **kw):
        super().__init__(**kw)
        self.series = [s for s in series if len(s) > lookback + horizon]
        self.lookback, self.horizon, self.batch, self.steps = lookback, horizon, batch, steps
        self.rng = np.random.default_rng(seed)

    def __len__(self):
        return self.steps

    def __getitem__(self, _):
        x = np.empty((self.batch, self.lookback), "float32")
        y = np.empty((self.batch, self.horizon), "float32")
        for i in range(self.batch):
            s = self.series[self.rng.integers(len(self.series))]
            t = self.rng.integers(self.lookback, len(s) - self.horizon + 1)
            x[i], y[i] = s[t - self.lookback:t], s[t:t + self.horizon]
        return x, y


class RevIN(layers.Layer):
    """Normalises every window; the statistics are handed back to undo it on the forecast."""

    def __init__(self, eps=1e-3, **kw):
        super().__init__(**kw)
        self.eps = eps

    def call(self, x):
        mean = tf.stop_gradient(tf.reduce_mean(x, axis=1, keepdims=True))
        var = tf.stop_gradient(tf.math.reduce_variance(x, axis=1, keepdims=True))
        scale = tf.sqrt(var + self.eps)  # SAFE: eps inside the root, and the statistics are constants for the gradient
        return (x - mean) / scale, mean, scale  # SAFE: scale is at least sqrt(1e-3)


class Block(layers.Layer):
    def __init__(self, lookback, horizon, width, theta, kind, **kw):
        super().__init__(**kw)
        self.fc = [layers.Dense(width, activation="relu") for _ in range(4)]
        self.kind = kind
        self.theta_b = layers.Dense(theta, use_bias=False)
        self.theta_f = layers.Dense(theta * len(QUANTILES), use_bias=False)
        self.horizon, self.theta = horizon, theta
        self.basis_b, self.basis_f = self.bases(lookback, horizon, theta, kind)

    @staticmethod
    def bases(lookback, horizon, theta, kind):
        tb = np.arange(lookback, dtype="float64") / lookback  # SAFE: positive constant
        tf_ = np.arange(horizon, dtype="float64") / horizon  # SAFE: positive constant
        if kind == "trend":
            fn = lambda t: np.stack([t ** k for k in range(theta)])  # SAFE: t in [0, 1) and integer powers, 0 ** 0 is 1
        else:
            fn = lambda t: np.stack([np.cos(2 * np.pi * (k // 2) * t) if k % 2 == 0 else np.sin(2 * np.pi * (k // 2 + 1) * t)
                                     for k in range(theta)])
        return tf.constant(fn(tb), tf.float32), tf.constant(fn(tf_), tf.float32)

    def call(self, x):
        h = x
        for d in self.fc:
            h = d(h)
        back = tf.matmul(self.theta_b(h), self.basis_b)
        f = tf.reshape(self.theta_f(h), (-1, len(QUANTILES), self.theta))
        return back, tf.matmul(f, self.basis_f)


class NBeats(keras.Model):
    def __init__(self, lookback, horizon, width=128, blocks=("trend", "seasonal", "seasonal")):
        super().__init__()
        self.revin = RevIN()
        self.blocks = [Block(lookback, horizon, width, 4 if k == "trend" else 16, k) for k in blocks]

    def call(self, x, training=False):
        r, mean, scale = self.revin(x)
        total = 0.0
        for b in self.blocks:
            back, fore = b(r)
            r = r - back
            total = total + fore
        low, mid, high = tf.unstack(total, axis=1)
        q = tf.stack([mid - tf.nn.softplus(low), mid, mid + tf.nn.softplus(high)], axis=1)  # SAFE: softplus is stable and keeps the quantiles in order
        return q * scale[:, None] + mean[:, None]


class ScaledPinball(keras.losses.Loss):
    """Pinball loss divided by the mean absolute target of the window (weighted quantile loss)."""

    def call(self, y, q):
        y = tf.expand_dims(y, 1)
        tau = tf.reshape(tf.constant(QUANTILES), (1, -1, 1))
        e = y - q
        loss = tf.reduce_mean(tf.maximum(tau * e, (tau - 1.0) * e), axis=[1, 2])
        denom = tf.reduce_mean(tf.abs(y), axis=[1, 2])
        return 2.0 * loss / tf.maximum(denom, 1.0)  # SAFE: floored at 1, windows of zeros are fine


def mase(insample, y, yhat, season=24):
    scale = np.abs(insample[season:] - insample[:-season]).mean() if len(insample) > season else 0.0
    return np.abs(y - yhat).mean() / scale if scale > 0 else np.nan  # SAFE: divides only by a positive scale, reporting only


def coverage(y, q):
    return float(((y >= q[:, 0]) & (y <= q[:, 2])).mean())


def smape(y, yhat):
    d = np.abs(y) + np.abs(yhat)
    return 200 * np.mean(np.where(d > 0, np.abs(y - yhat) / np.maximum(d, 1e-9), 0.0))  # SAFE: floored denominator, numpy, reporting only


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("train")
    ap.add_argument("--horizon", type=int, default=48)
    ap.add_argument("--multiple", type=int, default=5)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--steps", type=int, default=200)
    ap.add_argument("--epochs", type=int, default=40)
    a = ap.parse_args()
    series = read_m4(a.train)
    lookback = a.horizon * a.multiple
    train = [s[:-a.horizon] for s in series]
    model = NBeats(lookback, a.horizon)
    lr = keras.optimizers.schedules.CosineDecay(a.lr, max(a.steps * a.epochs, 1))  # SAFE: decay steps at least 1
    model.compile(keras.optimizers.Adam(lr, clipnorm=1.0), ScaledPinball())
    model.fit(WindowSampler(train, lookback, a.horizon, 256, a.steps), epochs=a.epochs,
              callbacks=[keras.callbacks.TerminateOnNaN()])
    for s in series[:10]:
        if len(s) < lookback + a.horizon:
            continue
        past, y = s[:-a.horizon], s[-a.horizon:]
        q = model.predict(past[None, -lookback:], verbose=0)
        print(mase(past, y, q[0, 1]), smape(y, q[0, 1]), coverage(y[None], q))


if __name__ == "__main__":
    main()
