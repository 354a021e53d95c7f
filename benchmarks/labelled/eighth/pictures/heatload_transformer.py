"""District heating load forecast, encoder-decoder transformer from scratch (quantile + Student-t head)."""
import argparse
import math
import sys

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow.keras import layers

PAST, FUTURE = 168, 24
QUANTS = (0.1, 0.5, 0.9)
COVARS = ["temp", "wind", "sun", "hod_sin", "hod_cos", "dow_sin", "dow_cos"]


def load(csv):
    df = pd.read_csv(csv, parse_dates=["time"]).sort_values(["site", "time"])
    hour, dow = df.time.dt.hour, df.time.dt.dayofweek
    df["hod_sin"], df["hod_cos"] = np.sin(2 * np.pi * hour / 24), np.cos(2 * np.pi * hour / 24)
    df["dow_sin"], df["dow_cos"] = np.sin(2 * np.pi * dow / 7), np.cos(2 * np.pi * dow / 7)
    df["load"] = df.groupby("site").load.transform(lambda s: s.interpolate(limit=3)).clip(lower=0)
    df = df.dropna(subset=["load", "temp"])
    for c in ("temp", "wind", "sun"):
        df[c] = (df[c].fillna(df[c].mean()) - df[c].mean()) / (df[c].std() + 1e-6)  # SAFE: deviation plus offset
    return df


def windows(df, stride):
    X, C, Y, S = [], [], [], []
    for _, g in df.groupby("site"):
        y = g.load.to_numpy(np.float32)
        c = g[COVARS].to_numpy(np.float32)
        for i in range(0, len(g) - PAST - FUTURE, stride):
            past = y[i:i + PAST]
            scale = np.abs(past).mean()
            if scale < 1e-2:
                continue
            X.append(past / scale)  # SAFE: windows with almost no load are skipped
            Y.append(y[i + PAST:i + PAST + FUTURE] / scale)  # SAFE: same scale as above
            C.append(c[i:i + PAST + FUTURE])
            S.append(scale)
    return tuple(np.stack(a).astype(np.float32) for a in (X, C, Y, S))


def sinusoid(n, d):
    pos = np.arange(n)[:, None]
    div = np.exp(np.arange(0, d, 2) * -(math.log(1e4) / d))  # SAFE: exponent not positive
    out = np.zeros((n, d), np.float32)
    out[:, 0::2], out[:, 1::2] = np.sin(pos * div), np.cos(pos * div)
    return tf.constant(out)


class MHA(layers.Layer):
    def __init__(self, d, h, **kw):
        super().__init__(**kw)
        self.h, self.dk = h, d // h
        self.q, self.k, self.v, self.o = (layers.Dense(d) for _ in range(4))

    def call(self, x, mem, causal=False):
        def heads(t):
            return tf.transpose(tf.reshape(t, [tf.shape(t)[0], -1, self.h, self.dk]), [0, 2, 1, 3])
        q, k, v = heads(self.q(x)), heads(self.k(mem)), heads(self.v(mem))
        s = tf.einsum("bhqd,bhkd->bhqk", q, k) / math.sqrt(self.dk)  # SAFE: head width is a positive integer
        if causal:
            n = tf.shape(s)[-1]
            s += (1.0 - tf.linalg.band_part(tf.ones([n, n]), -1, 0)) * -1e9  # SAFE: float32 and the diagonal is never masked
        s -= tf.reduce_max(s, -1, keepdims=True)
        e = tf.exp(s)  # SAFE: row maximum subtracted
        a = e / tf.reduce_sum(e, -1, keepdims=True)  # SAFE: sum contains exp(0) = 1
        y = tf.transpose(tf.einsum("bhqk,bhkd->bhqd", a, v), [0, 2, 1, 3])
        return self.o(tf.reshape(y, [tf.shape(y)[0], -1, self.h * self.dk]))


class Layer(layers.Layer):
    def __init__(self, d, h, drop, cross, **kw):
        super().__init__(**kw)
        self.sa = MHA(d, h)
        self.ca = MHA(d, h) if cross else None
        self.f1, self.f2 = layers.Dense(4 * d, activation="gelu"), layers.Dense(d)
        self.n = [layers.LayerNormalization(epsilon=1e-6) for _ in range(3)]  # SAFE: 1e-6 inside the root in float32
        self.dr = layers.Dropout(drop)

    def call(self, x, mem=None, training=False):
        h = self.n[0](x)
        x = x + self.dr(self.sa(h, h, causal=self.ca is not None), training=training)
        if self.ca is not None:
            x = x + self.dr(self.ca(self.n[1](x), mem), training=training)
        return x + self.dr(self.f2(self.f1(self.n[2](x))), training=training)


class HeatFormer(tf.keras.Model):
    def __init__(self, d=64, h=4, depth=2, drop=0.1):
        super().__init__()
        self.pe = sinusoid(PAST + FUTURE, d)
        self.past_in, self.fut_in = layers.Dense(d), layers.Dense(d)
        self.enc = [Layer(d, h, drop, False) for _ in range(depth)]
        self.dec = [Layer(d, h, drop, True) for _ in range(depth)]
        self.head = layers.Dense(len(QUANTS) + 3)

    def call(self, inputs, training=False):
        x, c = inputs
        m = self.past_in(tf.concat([x[..., None], c[:, :PAST]], -1)) + self.pe[:PAST]
        for l in self.enc:
            m = l(m, training=training)
        y = self.fut_in(c[:, PAST:]) + self.pe[PAST:]
        for l in self.dec:
            y = l(y, mem=m, training=training)
        return self.head(y)


def student_nll(y, p):
    mu = p[..., 0]
    s = tf.nn.softplus(p[..., 1]) + 1e-2
    nu = 2.5 + tf.nn.softplus(tf.minimum(p[..., 2], 50.0))
    z = (y - mu) / s  # SAFE: scale is at least 1e-2
    return (tf.math.lgamma(nu / 2) - tf.math.lgamma((nu + 1) / 2) + 0.5 * tf.math.log(math.pi * nu)  # SAFE: degrees of freedom above 2.5
            + tf.math.log(s) + 0.5 * (nu + 1) * tf.math.log1p(z * z / nu))  # SAFE: positive scale, log1p of a square


def pinball(y, q):
    d = y[..., None] - q
    t = tf.constant(QUANTS)
    return tf.reduce_sum(tf.maximum(t * d, (t - 1.0) * d), -1)


def objective(y, out):
    k = len(QUANTS)
    return tf.reduce_mean(pinball(y, out[..., :k])) + 0.2 * tf.reduce_mean(student_nll(y, out[..., k:]))


def mase(y, p, past):
    naive = np.abs(past[:, 24:] - past[:, :-24]).mean(1)
    return float(np.mean(np.abs(y - p).mean(1) / np.maximum(naive, 1e-3)))  # SAFE: naive error floored


def main(argv):
    ap = argparse.ArgumentParser()
    ap.add_argument("csv")
    ap.add_argument("--epochs", type=int, default=40)
    ap.add_argument("--batch", type=int, default=128)
    ap.add_argument("--lr", type=float, default=5e-4)
    ap.add_argument("--stride", type=int, default=6)
    a = ap.parse_args(argv)
    df = load(a.csv)
    cut = df.time.quantile(0.85)
    X, C, Y, _ = windows(df[df.time <= cut], a.stride)
    vX, vC, vY, vS = windows(df[df.time > cut], 24)
    net = HeatFormer()
    opt = tf.keras.optimizers.Adam(a.lr, clipnorm=1.0)
    net.compile(optimizer=opt, loss=objective)
    es = tf.keras.callbacks.EarlyStopping(patience=6, restore_best_weights=True)
    net.fit((X, C), Y, validation_data=((vX, vC), vY), epochs=a.epochs, batch_size=a.batch, callbacks=[es], verbose=2)
    p = net.predict((vX, vC), batch_size=256, verbose=0)
    med = p[..., 1]
    cover = np.mean((vY >= p[..., 0]) & (vY <= p[..., 2]))
    wape = np.sum(np.abs(vY - med) * vS[:, None]) / np.sum(np.abs(vY) * vS[:, None])  # SAFE: validation loads are positive after the window filter
    print(f"MASE {mase(vY, med, vX):.3f} WAPE {wape:.3%} 80% interval covers {cover:.3f}")
    net.save_weights("heatformer.weights.h5")


if __name__ == "__main__":
    main(sys.argv[1:])
