"""Remaining useful life of turbofan engines with a recurrent Weibull model (discrete time).

C-MAPSS text files: unit, cycle, 3 settings, 21 sensors.
"""
import argparse
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

SENSORS = [2, 3, 4, 7, 8, 9, 11, 12, 13, 14, 15, 17, 20, 21]
WINDOW = 50
K = tf.keras.backend


def read_cmapss(path):
    raw = np.loadtxt(path)
    unit = raw[:, 0].astype(int)
    feats = raw[:, [4 + s for s in SENSORS]]
    return unit, feats


def scale(feats, lo=None, hi=None):
    if lo is None:
        lo, hi = feats.min(0), feats.max(0)
    return ((feats - lo) / np.maximum(hi - lo, 1e-6)).astype(np.float32), lo, hi  # SAFE: the range is floored, constant sensors become 0


def windows(unit, feats, censor_after=None, rng=None):
    X, T, E = [], [], []
    for u in np.unique(unit):
        f = feats[unit == u]
        n = len(f)
        end, event = n, 1.0
        if censor_after is not None and rng.random() < 0.3:
            end, event = max(WINDOW, int(n * censor_after)), 0.0
        for t in range(1, end + 1):
            w = np.zeros((WINDOW, f.shape[1]), np.float32)
            part = f[max(0, t - WINDOW):t]
            w[-len(part):] = part
            X.append(w)
            T.append(end - t)
            E.append(event)
    return np.stack(X), np.array(T, np.float32), np.array(E, np.float32)


class WeibullHead(layers.Layer):
    """Maps two units to (alpha, beta)."""

    def __init__(self, init_alpha, max_beta=5.0, **kw):
        super().__init__(**kw)
        self.init_alpha = float(init_alpha)
        self.max_beta = max_beta

    def call(self, h):
        a, b = tf.split(h, 2, axis=-1)
        alpha = self.init_alpha * tf.exp(tf.clip_by_value(a, -5.0, 5.0))  # SAFE: exponent limited to 5
        shift = float(np.log(self.max_beta - 1.0))  # SAFE: max_beta is 5 everywhere in this script
        beta = self.max_beta * tf.sigmoid(b - shift)
        return tf.concat([alpha, beta], -1)


class WeibullLoss:
    def __init__(self, kind="discrete"):
        self.kind = kind

    def hazard(self, t, alpha, beta):
        return tf.pow((t + 1e-6) / alpha, beta)  # SAFE: t >= 0 so the base is positive, alpha >= init_alpha * exp(-5)

    def discrete(self, t, e, alpha, beta):
        h0 = self.hazard(t, alpha, beta)
        h1 = self.hazard(t + 1.0, alpha, beta)
        return e * tf.math.log(tf.exp(h1 - h0) - 1.0) - h1  # BUG: log-zero, with large alpha the two hazards differ by less than float32 resolution (exp - 1 = 0), with small alpha exp overflows; censored rows give 0 * -inf

    def continuous(self, t, e, alpha, beta):
        r = (t + 1e-2) / alpha
        return e * (tf.math.log(beta) - tf.math.log(t + 1e-2) + beta * tf.math.log(r)) - tf.pow(r, beta)  # MAYBE: beta is a sigmoid that could underflow for extreme scores; unused by default

    def __call__(self, y, pred):
        t, e = y[:, 0], y[:, 1]
        alpha, beta = pred[:, 0], tf.maximum(pred[:, 1], 1e-3)
        ll = self.discrete(t, e, alpha, beta) if self.kind == "discrete" else self.continuous(t, e, alpha, beta)
        return -tf.reduce_mean(ll)


def build(n_feat, init_alpha):
    x = inp = tf.keras.Input((WINDOW, n_feat))
    x = layers.Masking()(x)
    x = layers.GRU(32, activation="tanh")(x)
    x = layers.Dense(16, activation="tanh")(x)
    x = layers.Dense(2)(x)
    return tf.keras.Model(inp, WeibullHead(init_alpha)(x))


def init_alpha_from(t, e):
    """MLE of a geometric distribution on the training targets."""
    mean = t.sum() / max(e.sum(), 1.0)  # SAFE: number of events floored at 1
    mean = max(mean, 1.0)
    return -1.0 / np.log(1.0 - 1.0 / (mean + 1.0))  # SAFE: mean >= 1 so the argument lies in [0.5, 1)


def phm_score(t, pred):
    d = np.clip(pred - t, -300, 300)
    return float(np.sum(np.where(d < 0, np.exp(-d / 13.0) - 1, np.exp(d / 10.0) - 1)))  # SAFE: difference clipped to 300 cycles


def weibull_mode(alpha, beta):
    b = np.maximum(beta, 1.0 + 1e-3)
    return alpha * ((b - 1.0) / b) ** (1.0 / b)  # SAFE: b > 1


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--train", default="train_FD001.txt")
    p.add_argument("--loss", default="discrete", choices=["discrete", "continuous"])
    p.add_argument("--epochs", type=int, default=60)
    p.add_argument("--batch", type=int, default=256)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--out", default="wtte_out")
    a = p.parse_args()
    unit, feats = read_cmapss(a.train)
    feats, lo, hi = scale(feats)
    X, T, E = windows(unit, feats, 0.7, np.random.default_rng(0))
    model = build(X.shape[-1], init_alpha_from(T, E))
    loss_fn = WeibullLoss(a.loss)
    opt = tf.keras.optimizers.RMSprop(a.lr, clipvalue=0.5)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = loss_fn(y, model(x, training=True))
        g = tape.gradient(loss, model.trainable_variables)
        opt.apply_gradients(zip(g, model.trainable_variables))
        return loss

    ds = tf.data.Dataset.from_tensor_slices((X, np.stack([T, E], 1))).shuffle(20000).batch(a.batch)
    os.makedirs(a.out, exist_ok=True)
    for ep in range(a.epochs):
        m = tf.keras.metrics.Mean()
        for x, y in ds:
            m.update_state(step(x, y))
        pred = model.predict(X[:2000], verbose=0)
        mode = weibull_mode(pred[:, 0], pred[:, 1])
        print(ep, float(m.result()), "score", phm_score(T[:2000], mode))
    model.save(os.path.join(a.out, "model.keras"))


if __name__ == "__main__":
    main()
