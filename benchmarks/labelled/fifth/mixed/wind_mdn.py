"""Mixture density network for wind speed and direction 6 hours ahead.

Input rows: 12 columns of station data.  Targets: speed [m/s], direction [deg].
"""
import argparse
import math
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
MAX_SPEED = 60.0


def read_table(path):
    a = np.genfromtxt(path, delimiter=";", skip_header=1).astype("float32")
    a = a[~np.isnan(a).any(axis=1)]
    return a[:, :12], a[:, 12], a[:, 13]


def targets(speed, degrees):
    rad = np.deg2rad(degrees)
    unit = np.stack([np.cos(rad), np.sin(rad)], axis=1)
    speed = np.clip(speed, 0.0, MAX_SPEED) / 10.0
    return np.concatenate([speed[:, None], unit], axis=1).astype("float32")


class Standard:
    def __init__(self, x):
        self.m = x.mean(0)
        self.s = np.maximum(x.std(0), 1e-2)

    def __call__(self, x):
        return np.clip((x - self.m) / self.s, -6.0, 6.0).astype("float32")  # SAFE: the deviation is kept at 1e-2 or more in the constructor


class MixtureHead(layers.Layer):
    def __init__(self, k, min_scale=0.01, **kw):
        super().__init__(**kw)
        self.k, self.min_scale = k, min_scale
        self.logits = layers.Dense(k)
        self.loc = layers.Dense(k, bias_initializer=tf.keras.initializers.RandomUniform(0.0, 1.5))
        self.raw = layers.Dense(k)

    def call(self, h):
        scale = tf.nn.softplus(self.raw(h)) + self.min_scale
        return tf.concat([self.logits(h), self.loc(h), scale], axis=-1)


class DirectionHead(layers.Layer):
    def __init__(self, **kw):
        super().__init__(**kw)
        self.out = layers.Dense(2)

    def call(self, h):
        v = self.out(h)
        return tf.math.l2_normalize(v, axis=-1, epsilon=1e-8)  # SAFE: the square sum is at least 1e-8


def split(params):
    logits, loc, scale = tf.split(params, 3, axis=-1)
    return logits, loc, scale


def mixture_nll(y, params):
    logits, loc, scale = split(params)
    pi = tf.nn.softmax(logits, axis=-1)
    z = (y - loc) / scale  # SAFE: softplus plus 0.01 in the head
    comp = tf.exp(-0.5 * tf.square(z)) / (scale * math.sqrt(2.0 * math.pi))  # SAFE: the exponent is never positive, the scale is at least 0.01
    return -tf.math.log(tf.reduce_sum(pi * comp, axis=-1))  # BUG: log-zero, far from all components every exp underflows to 0


def mixture_logprob(y, params):
    """Used by the evaluation."""
    logits, loc, scale = split(params)
    z = (y - loc) / scale  # SAFE: softplus plus 0.01 in the head
    lp = tf.nn.log_softmax(logits) - 0.5 * tf.square(z) - tf.math.log(scale) - HALF_LOG_2PI  # SAFE: the scale is at least 0.01
    return tf.reduce_logsumexp(lp, axis=-1)  # SAFE: logsumexp subtracts the maximum


def mixture_mean(params):
    logits, loc, _ = split(params)
    return tf.reduce_sum(tf.nn.softmax(logits) * loc, axis=-1)


def angular_loss(u_true, u_pred):
    cosine = tf.reduce_sum(u_true * u_pred, axis=-1)
    return tf.acos(cosine)  # BUG: domain, two equal unit vectors have a product of 1 (or above by rounding), there the slope of acos is Inf or NaN


def angular_error_deg(u_true, u_pred):
    cosine = np.clip(np.sum(u_true * u_pred, axis=-1), -1.0, 1.0)
    return np.rad2deg(np.arccos(cosine))  # SAFE: clipped to [-1, 1], NumPy metric


class WindNet(tf.keras.Model):
    def __init__(self, k=5, width=64, **kw):
        super().__init__(**kw)
        self.trunk = tf.keras.Sequential([layers.Dense(width, activation="selu", kernel_initializer="lecun_normal"),
                                          layers.Dense(width, activation="selu", kernel_initializer="lecun_normal")])
        self.mix, self.dir = MixtureHead(k), DirectionHead()

    def call(self, x):
        h = self.trunk(x)
        return self.mix(h), self.dir(h)


def speed_weight(speed):
    """Rare strong wind counts more."""
    return tf.minimum(1.0 + tf.sqrt(tf.maximum(speed, 0.0)), 3.0)  # SAFE: targets are constants, cut at 0, no gradient


def train_step(model, opt, x, y, dir_weight):
    with tf.GradientTape() as tape:
        params, u = model(x, training=True)
        w = speed_weight(y[:, 0])
        nll = tf.reduce_sum(w * mixture_nll(y[:, :1], params)) / tf.reduce_sum(w)  # SAFE: every weight is at least 1
        ang = tf.reduce_mean(angular_loss(y[:, 1:], u))
        loss = nll + dir_weight * ang
    grads = tape.gradient(loss, model.trainable_variables)
    opt.apply_gradients(zip(grads, model.trainable_variables))
    return loss


def crps_sample(params, y, n=50, seed=0):
    rng = np.random.RandomState(seed)
    logits, loc, scale = [np.asarray(t) for t in split(params)]
    g = -np.log(-np.log(rng.uniform(1e-9, 1.0 - 1e-9, (n,) + logits.shape)))  # SAFE: uniform between 1e-9 and 1 - 1e-9 in float64
    pick = (logits[None] + g).argmax(-1)[..., None]
    mu = np.take_along_axis(np.broadcast_to(loc, g.shape), pick, -1)[..., 0]
    sd = np.take_along_axis(np.broadcast_to(scale, g.shape), pick, -1)[..., 0]
    s = mu + sd * rng.randn(*mu.shape)
    return float(np.mean(np.abs(s - y[None]).mean(0) - 0.5 * np.abs(s[:, None] - s[None]).mean((0, 1))))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--csv", default="data/station.csv")
    ap.add_argument("--epochs", type=int, default=50)
    ap.add_argument("--batch", type=int, default=256)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--dir-weight", type=float, default=0.5)
    ap.add_argument("--out", default="runs/wind")
    args = ap.parse_args()
    x, speed, deg = read_table(args.csv)
    cut = int(0.8 * len(x))
    std = Standard(x[:cut])
    x, y = std(x), targets(speed, deg)
    model, opt = WindNet(), tf.keras.optimizers.Adam(args.lr)
    step = tf.function(lambda a, b: train_step(model, opt, a, b, args.dir_weight))
    ds = tf.data.Dataset.from_tensor_slices((x[:cut], y[:cut])).shuffle(cut).batch(args.batch)
    for epoch in range(args.epochs):
        losses = [float(step(a, b)) for a, b in ds]
        params, u = model(x[cut:])
        lp = tf.reduce_mean(mixture_logprob(y[cut:, :1], params))
        print("epoch %d loss %.4f valid logprob %.4f crps %.4f angle %.1f" % (
            epoch, np.mean(losses), lp, crps_sample(params, y[cut:, 0]),
            angular_error_deg(y[cut:, 1:], u.numpy()).mean()))
    os.makedirs(args.out, exist_ok=True)
    model.save_weights(os.path.join(args.out, "wind.weights.h5"))


if __name__ == "__main__":
    main()
