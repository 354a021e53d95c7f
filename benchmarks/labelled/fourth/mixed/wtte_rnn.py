"""Weibull time-to-event RNN for turbofan degradation (C-MAPSS FD001), censored units allowed."""
import argparse
import logging
import math

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

logger = logging.getLogger(__name__)
WINDOW = 40
MAX_RUL = 130.0


def load(path):
    raw = np.loadtxt(path)
    units = {}
    for row in raw:
        units.setdefault(int(row[0]), []).append(row[2:])
    return {u: np.array(v, np.float32) for u, v in units.items()}


def drop_flat(units):
    allx = np.concatenate(list(units.values()))
    sd = allx.std(0)
    keep = np.flatnonzero(sd > 1e-4)
    mu = allx.mean(0)
    return {u: (x[:, keep] - mu[keep]) / sd[keep] for u, x in units.items()}  # SAFE: columns without spread are left out


def windows(units, censor_every=5):
    xs, ts, es = [], [], []
    for k, (u, x) in enumerate(sorted(units.items())):
        end = len(x) - (20 if k % censor_every == 0 else 0)
        for j in range(WINDOW, end + 1, 5):
            xs.append(x[j - WINDOW:j])
            ts.append(min(float(end - j), MAX_RUL))
            es.append(0.0 if k % censor_every == 0 or end - j > MAX_RUL else 1.0)
    return np.stack(xs).astype(np.float32), np.array(ts, np.float32), np.array(es, np.float32)


class WeibullHead(layers.Layer):
    def __init__(self, scale, **kw):
        super().__init__(**kw)
        self.scale = float(scale)
        self.fc = layers.Dense(2, kernel_initializer=tf.keras.initializers.RandomNormal(stddev=0.01))

    def call(self, h):
        a, b = tf.split(self.fc(h), 2, axis=-1)
        alpha = self.scale * tf.exp(4.0 * tf.tanh(a / 4.0))  # SAFE: exponent is limited to -4..4
        beta = 0.2 + 4.8 * tf.sigmoid(b)
        return tf.concat([alpha, beta], -1)


def weibull_loglik(t, event, ab):
    """Discrete Weibull: P(t <= T < t+1) for events, survival for censored."""
    alpha, beta = ab[:, 0], ab[:, 1]
    h0 = tf.pow((t + 1e-3) / alpha, beta)  # SAFE: base is positive, alpha is at least scale * exp(-4), beta in 0.2..5
    h1 = tf.pow((t + 1.0) / alpha, beta)  # SAFE: same ranges, base is positive
    d = tf.maximum(h1 - h0, 1e-6)
    log_inc = tf.where(d > 20.0, d, tf.math.log(tf.math.expm1(tf.minimum(d, 20.0))))  # SAFE: the unused branch sees a clamped value, d is at least 1e-6
    return event * log_inc - h1


def quantile(ab, q):
    c = -math.log(1.0 - q)  # SAFE: called with 0.5 and 0.9
    return ab[:, 0] * np.power(c, 1.0 / ab[:, 1])  # SAFE: beta is at least 0.2


def init_scale(t, e):
    """Moment estimate of an exponential model: total time over number of events."""
    return float(max(t.sum(), 1.0) / max(e.sum(), 1.0))  # SAFE: floored


class Net(tf.keras.Model):
    def __init__(self, scale, units=32):
        super().__init__()
        self.rnn = layers.LSTM(units)
        self.norm = layers.LayerNormalization(epsilon=1e-5)
        self.head = WeibullHead(scale)

    def call(self, x, training=False):
        return self.head(self.norm(self.rnn(x)))


class Fit:
    def __init__(self, net, lr):
        self.net = net
        self.opt = tf.keras.optimizers.Adam(lr)
        self.avg = tf.keras.metrics.Mean()

    @tf.function(reduce_retracing=True)
    def step(self, x, t, e, w):
        with tf.GradientTape() as tape:
            ll = weibull_loglik(t, e, self.net(x, training=True))
            loss = -tf.reduce_sum(w * tf.maximum(ll, -50.0)) / tf.reduce_sum(w)  # SAFE: weights are in 0.5..1
        g, _ = tf.clip_by_global_norm(tape.gradient(loss, self.net.trainable_variables), 1.0)
        self.opt.apply_gradients(zip(g, self.net.trainable_variables))
        self.avg.update_state(loss)


def sample_weight(t):
    return (0.5 + 0.5 * np.exp(-t / MAX_RUL)).astype(np.float32)  # SAFE: t is in 0..130


def phm_score(pred, true):
    d = np.clip(pred - true, -100, 100)
    return float(np.where(d < 0, np.exp(-d / 13.0) - 1, np.exp(d / 10.0) - 1).sum())  # SAFE: d is clipped to -100..100


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="CMAPSS/train_FD001.txt")
    ap.add_argument("--epochs", type=int, default=40)
    ap.add_argument("--lr", type=float, default=1e-3)
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO)
    x, t, e = windows(drop_flat(load(a.data)))
    net = Net(init_scale(t, e))
    fit = Fit(net, a.lr)
    ds = tf.data.Dataset.from_tensor_slices((x, t, e, sample_weight(t))).shuffle(10000).batch(64)
    for epoch in range(a.epochs):
        fit.avg.reset_state()
        for batch in ds:
            fit.step(*batch)
        ab = net.predict(x[:1000], verbose=0)
        logger.info("epoch %d loss %.3f score %.1f", epoch, float(fit.avg.result()),
                    phm_score(quantile(ab, 0.5), t[:1000]))
    net.save_weights("wtte.weights.h5")


if __name__ == "__main__":
    main()
