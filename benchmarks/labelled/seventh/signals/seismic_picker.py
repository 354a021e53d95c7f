"""P/S phase picking on three component seismograms (PhaseNet-like 1D U-Net).

Expected layout: <root>/*.npz with data [3000, 3] (counts), p_idx, s_idx (negative = no pick).
"""
import argparse
import glob
import logging
import os
import sys

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

NPTS = 3000
logger = logging.getLogger("picker")


def detrend(x):
    t = np.linspace(-1.0, 1.0, len(x))[:, None]
    slope = (t * x).sum(0) / (t ** 2).sum()  # SAFE: the time axis from -1 to 1 is a fixed grid
    return x - x.mean(0) - slope * t


def taper(x, frac=0.05):
    n = max(int(len(x) * frac), 1)
    w = np.ones(len(x))
    ramp = 0.5 * (1 - np.cos(np.pi * np.arange(n) / n))  # SAFE: n is at least 1
    w[:n], w[-n:] = ramp, ramp[::-1]
    return x * w[:, None]


def normalize_channels(x):
    """Zero mean, unit variance per component."""
    return (x - x.mean(axis=0)) / x.std(axis=0)  # BUG: div-zero, a dead component (constant counts, padded zeros) has std 0 and the whole channel becomes NaN


def gaussian_label(idx, sigma=15.0):
    y = np.zeros(NPTS, np.float32)
    if idx >= 0:
        t = np.arange(NPTS)
        y = np.exp(-0.5 * ((t - idx) / sigma) ** 2).astype(np.float32)  # SAFE: negative exponent, sigma is the constant 15
    return y


def make_target(p_idx, s_idx):
    p, s = gaussian_label(p_idx), gaussian_label(s_idx)
    noise = np.maximum(1.0 - p - s, 0.0)
    y = np.stack([noise, p, s], -1)
    return y / y.sum(-1, keepdims=True)  # SAFE: the three channels sum to at least 1 because noise is 1 - p - s cut at 0


class Waveforms:
    def __init__(self, root, augment=True, seed=5):
        self.files = sorted(glob.glob(os.path.join(root, "*.npz")))
        self.augment = augment
        self.rng = np.random.default_rng(seed)

    def drop_components(self, x):
        """Simulates single-component stations."""
        if self.rng.random() < 0.2:
            keep = self.rng.integers(3)
            for c in range(3):
                if c != keep:
                    x[:, c] = 0.0
        return x

    def add_noise(self, x):
        level = self.rng.uniform(0.0, 0.1) * np.abs(x).max()
        return x + level * self.rng.normal(size=x.shape) * (np.abs(x).max(0) > 0)

    def __call__(self):
        for f in self.rng.permutation(self.files):
            with np.load(f) as z:
                x = taper(detrend(z["data"].astype(np.float64)))
                p, s = int(z["p_idx"]), int(z["s_idx"])
            if self.augment:
                x = self.add_noise(self.drop_components(x))
            x = normalize_channels(x)
            yield x.astype(np.float32), make_target(p, s).astype(np.float32)


def block(x, f, stride=1):
    x = layers.Conv1D(f, 7, strides=stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU()(x)


def phasenet(width=8, depth=3):
    inp = keras.Input((NPTS, 3))
    x, skips = block(inp, width), []
    for i in range(depth):
        skips.append(x)
        x = block(x, width * 2 ** (i + 1), 5 if i == 0 else 2)
    for i in reversed(range(depth)):
        x = layers.Conv1DTranspose(width * 2 ** i, 7, strides=5 if i == 0 else 2, padding="same")(x)
        x = block(layers.Concatenate()([x, skips[i]]), width * 2 ** i)
    return keras.Model(inp, layers.Conv1D(3, 1)(x))


class PickLoss:
    def __init__(self, weights=(1.0, 5.0, 5.0)):
        self.w = tf.constant(weights)

    def probabilities(self, logits):
        return tf.exp(logits) / tf.reduce_sum(tf.exp(logits), axis=-1, keepdims=True)  # BUG: exp-overflow, logits are unbounded (BatchNorm + linear conv) and exp of more than 88 is inf, then inf/inf

    def __call__(self, target, logits):
        p = tf.clip_by_value(self.probabilities(logits), 1e-7, 1.0)
        ce = -tf.reduce_sum(self.w * target * tf.math.log(p), axis=-1)  # SAFE: p clipped to at least 1e-7 in float32
        return tf.reduce_mean(ce)


class SnrWeight:
    """Sample weight from the ratio of the energy after and before the P pick."""

    def __call__(self, x, target):
        p = target[..., 1]
        after = tf.cumsum(p, axis=1)
        after = after / tf.maximum(tf.reduce_max(after, axis=1, keepdims=True), 1e-3)  # SAFE: floored at 1e-3
        e = tf.reduce_sum(tf.square(x), -1)
        sig = tf.reduce_sum(after * e, 1) / (tf.reduce_sum(after, 1) + 1.0)  # SAFE: non-negative sum plus 1
        noi = tf.reduce_sum((1.0 - after) * e, 1) / (tf.reduce_sum(1.0 - after, 1) + 1.0)  # SAFE: after is in [0, 1], non-negative sum plus 1
        db = 10.0 * tf.math.log((sig + 1e-6) / (noi + 1e-6)) / np.log(10.0)  # SAFE: both energies are >= 0 plus 1e-6
        return tf.sigmoid(db / 10.0)  # SAFE: constant


def picks(prob, threshold=0.3):
    out = []
    for c in (1, 2):
        i = int(np.argmax(prob[:, c]))
        out.append(i if prob[i, c] >= threshold else -1)
    return out


def residual_stats(pred, true, rate=100.0):
    ok = (pred >= 0) & (true >= 0)
    d = (pred[ok] - true[ok]) / rate  # SAFE: sampling rate is the constant 100
    if not len(d):
        return {"n": 0, "mean": None, "mad": None, "f1": 0.0}
    hit = np.sum(np.abs(d) < 0.5)
    prec = hit / max(np.sum(pred >= 0), 1)  # SAFE: max with 1
    rec = hit / max(np.sum(true >= 0), 1)  # SAFE: max with 1
    f1 = 2 * prec * rec / (prec + rec + 1e-9)  # SAFE: non-negative sum plus 1e-9
    return {"n": len(d), "mean": d.mean(), "mad": np.median(np.abs(d - np.median(d))), "f1": f1}


def train(args):
    sig = (tf.TensorSpec([NPTS, 3]), tf.TensorSpec([NPTS, 3]))
    ds = tf.data.Dataset.from_generator(Waveforms(args.root), output_signature=sig).batch(args.batch).prefetch(2)
    model = phasenet()
    loss_fn, weight_fn = PickLoss(), SnrWeight()
    opt = keras.optimizers.Adam(args.lr)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = loss_fn(y, model(x, training=True))
        g = tape.gradient(loss, model.trainable_variables)
        opt.apply_gradients(zip(g, model.trainable_variables))
        return loss, tf.reduce_mean(weight_fn(x, y))

    for epoch in range(args.epochs):
        for i, (x, y) in enumerate(ds):
            loss, w = step(x, y)
            if i % 100 == 0:
                logger.info("epoch %d step %d loss %.4f snr weight %.2f", epoch, i, loss, w)
        prob = loss_fn.probabilities(model(x)).numpy()
        pp = np.array([picks(q) for q in prob])
        tt = np.array([picks(q) for q in y.numpy()])
        logger.info("P %s  S %s", residual_stats(pp[:, 0], tt[:, 0]), residual_stats(pp[:, 1], tt[:, 1]))
        model.save_weights(args.out)


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("root")
    ap.add_argument("--batch", type=int, default=32)
    ap.add_argument("--lr", type=float, default=1e-2)
    ap.add_argument("--epochs", type=int, default=50)
    ap.add_argument("--out", default="picker.weights.h5")
    logging.basicConfig(stream=sys.stdout, level=logging.INFO)
    train(ap.parse_args())
