"""Electric load forecasting with quantiles: Keras fit, pandas preprocessing, custom layers and losses."""
import argparse
import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow.keras import layers

QUANTILES = (0.1, 0.5, 0.9)
HISTORY, HORIZON = 96, 24


def load(path):
    df = pd.read_csv(path, parse_dates=["timestamp"]).set_index("timestamp").sort_index()
    df = df[~df.index.duplicated()].resample("1h").mean().interpolate(limit=6).fillna(0.0)
    return df


def calendar(idx):
    h, d = idx.hour.to_numpy(), idx.dayofyear.to_numpy()
    return np.stack([np.sin(2 * np.pi * h / 24), np.cos(2 * np.pi * h / 24), np.sin(2 * np.pi * d / 365.25), np.cos(2 * np.pi * d / 365.25)], 1).astype("float32")  # SAFE: constant periods


def humidity_index(temp, rh):
    rh = np.clip(rh, 1.0, 100.0)
    g = np.log(rh / 100.0) + 17.62 * temp / (243.12 + np.maximum(temp, -60.0))  # SAFE: humidity clipped to 1..100 percent and temperature floored at -60
    return 243.12 * g / np.maximum(17.62 - g, 1.0)  # SAFE: denominator floored at 1


def growth(x):
    prev = np.roll(x, 24)
    prev[:24] = x[:24]
    return np.divide(x - prev, prev, out=np.zeros_like(x), where=prev > 1e-3)  # SAFE: np.divide only where the previous day is positive, zero elsewhere


def frame_features(df):
    f = np.concatenate([calendar(df.index), humidity_index(df["temp"].to_numpy(), df["rh"].to_numpy())[:, None] / 30.0,
                        np.clip(growth(df["load"].to_numpy().astype("float64")), -2, 2)[:, None]], 1)
    return f.astype("float32"), df["load"].to_numpy("float32")


def windows(f, load):
    xs, fut, ys = [], [], []
    for s in range(0, len(load) - HISTORY - HORIZON + 1, HORIZON):
        e = s + HISTORY
        xs.append(np.concatenate([load[s:e, None], f[s:e]], 1))
        fut.append(f[e:e + HORIZON, :4])
        ys.append(load[e:e + HORIZON])
    return np.stack(xs), np.stack(fut), np.stack(ys)


class InstanceScale(layers.Layer):
    """Reversible scaling of the first channel by its window statistics."""

    def call(self, x):
        y = x[..., :1]
        mu = tf.reduce_mean(y, 1, keepdims=True)
        sd = tf.sqrt(tf.reduce_mean(tf.square(y - mu), 1, keepdims=True) + 1e-4)  # SAFE: 1e-4 under the root
        return tf.concat([(y - mu) / sd, x[..., 1:]], -1), mu[:, 0], sd[:, 0]  # SAFE: sd is at least 0.01


class GLU(layers.Layer):
    def __init__(self, units, **kw):
        super().__init__(**kw)
        self.a, self.b = layers.Dense(units), layers.Dense(units)

    def call(self, x):
        return self.a(x) * tf.sigmoid(self.b(x))


class SparseMax(layers.Layer):
    """Sparsemax variable selection."""

    def call(self, z):
        k = tf.range(1, tf.shape(z)[-1] + 1, dtype=z.dtype)
        s = tf.sort(z, direction="DESCENDING")
        c = tf.cumsum(s, -1) - 1.0
        support = tf.cast(k * s > c, z.dtype)
        n = tf.reduce_sum(support, -1, keepdims=True)
        tau = (tf.reduce_sum(s * support, -1, keepdims=True) - 1.0) / tf.maximum(n, 1.0)  # SAFE: support size floored at one
        return tf.nn.relu(z - tau)


class Forecaster(tf.keras.Model):
    def __init__(self, units=32):
        super().__init__()
        self.scale, self.select = InstanceScale(), SparseMax()
        self.gate, self.enc = layers.Dense(7), layers.GRU(units, return_sequences=True, return_state=True)
        self.fut, self.att, self.glu = layers.Dense(units), layers.MultiHeadAttention(2, units // 2), GLU(units)
        self.norm, self.out = layers.LayerNormalization(), layers.Dense(len(QUANTILES))

    def call(self, inputs, training=False):
        x, f = inputs
        z, mu, sd = self.scale(x)
        z = z * self.select(self.gate(z))
        seq, st = self.enc(z)
        q = self.fut(f) + st[:, None]
        h = self.norm(q + self.glu(self.att(q, seq, training=training)))
        o = self.out(h)
        steps = tf.nn.softplus(o[..., 1:])
        qs = tf.concat([o[..., :1], o[..., :1] + tf.cumsum(steps, -1)], -1)
        return qs * sd[:, None] + mu[:, None]


class Pinball(tf.keras.losses.Loss):
    def __init__(self, scale, smooth=1e-2, **kw):
        super().__init__(**kw)
        self.scale, self.smooth = max(float(scale), 1e-3), smooth

    def call(self, y, q):
        e = (y[..., None] - q) / self.scale  # SAFE: scale floored at 1e-3 in the constructor
        t = tf.constant(QUANTILES)
        soft = self.smooth * tf.nn.softplus(-e / self.smooth)  # SAFE: softplus is stable and smooth is the constant 0.01
        return tf.reduce_mean(tf.reduce_sum(t * e + soft, -1))


def coverage(y, q):
    return float(np.mean((y >= q[..., 0]) & (y <= q[..., -1])))


def mase(y, p, naive):
    return float(np.mean(np.abs(y - p)) / max(np.mean(np.abs(y - naive)), 1e-6))  # SAFE: naive error floored


def mape(y, p):
    m = np.abs(y) > 1.0
    return float(np.mean(np.abs((y[m] - p[m]) / y[m]))) if m.any() else 0.0  # SAFE: only loads above one megawatt are divided by


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--csv", default="load.csv")
    ap.add_argument("--epochs", type=int, default=40)
    a = ap.parse_args()
    f, l = frame_features(load(a.csv))
    x, fut, y = windows(f, l / max(l.max(), 1.0))  # SAFE: peak load floored at one
    n = int(0.85 * len(x))
    m = Forecaster()
    m.compile(tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.CosineDecay(2e-3, a.epochs * max(n // 32, 1)), clipnorm=1.0), loss=Pinball(y[:n].std()))
    m.fit((x[:n], fut[:n]), y[:n], batch_size=32, epochs=a.epochs)
    q = m.predict((x[n:], fut[n:]))
    print(coverage(y[n:], q), mape(y[n:] * l.max(), q[..., 1] * l.max()), mase(y[n:], q[..., 1], x[n:, -HORIZON:, 0]))


if __name__ == "__main__":
    main()
