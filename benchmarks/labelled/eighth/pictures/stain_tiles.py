"""Tumour / stroma / necrosis tiles of H&E slides with a home-made stain normalisation.

tiles.npz: x uint8 [N,96,96,3], y int64 [N], slide int64 [N]
"""
import argparse
import json
import sys
import time

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

NAMES = ["tumour", "stroma", "necrosis", "other"]
HE = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])


def optical_density(x):
    return -np.log((x.astype(np.float32) + 1.0) / 256.0)  # SAFE: grey level plus one, never zero


def unmix(od):
    m = HE / np.linalg.norm(HE, axis=1, keepdims=True)  # SAFE: constant stain vectors
    return od @ np.linalg.inv(m).astype(np.float32)


def center_tiles(x, means):
    """Shift every tile so that its channel mean matches the reference slide."""
    ref = np.array([180, 140, 190], np.uint8)
    shift = means.astype(np.uint8)[:, None, None, :]
    return x - shift + ref  # BUG: cast, uint8 arithmetic wraps around for dark pixels instead of going negative


def background(x, thr=220):
    return (x.min(-1) > thr).mean((1, 2))


class TileSet:
    def __init__(self, path, val_slides, mode):
        with np.load(path) as z:
            x, y, s = z["x"], z["y"], z["slide"]
        keep = background(x) < 0.6
        x, y, s = x[keep], y[keep], s[keep]
        if mode == "he":
            f = unmix(optical_density(x))[..., :2]
            lo, hi = np.percentile(f, (1, 99), axis=(0, 1, 2))
            f = (np.clip(f, lo, hi) - lo) / np.maximum(hi - lo, 1e-3)  # SAFE: stain range floored
        else:
            f = center_tiles(x, x.mean((1, 2)))
            f = f.astype(np.float32) / 255.0
        val = np.isin(s, val_slides)
        self.train, self.val = (f[~val], y[~val]), (f[val], y[val])
        self.channels = f.shape[-1]

    def weights(self):
        n = np.bincount(self.train[1], minlength=len(NAMES)).astype(float)
        w = n.sum() / np.maximum(n, 1.0)  # SAFE: counts floored at one
        return dict(enumerate(w / w.mean()))

    def stream(self, which, batch):
        x, y = self.train if which == "train" else self.val
        ds = tf.data.Dataset.from_tensor_slices((x.astype(np.float32), y.astype(np.int32)))
        if which == "train":
            ds = ds.shuffle(20000).map(lambda a, b: (tf.image.random_flip_left_right(tf.image.random_flip_up_down(a)), b))
        return ds.batch(batch).prefetch(2)


class Squeeze(layers.Layer):
    def __init__(self, ch, **kw):
        super().__init__(**kw)
        self.a, self.b = layers.Dense(ch // 8, activation="relu"), layers.Dense(ch, activation="sigmoid")

    def call(self, x):
        return x * self.b(self.a(tf.reduce_mean(x, [1, 2])))[:, None, None]


def model(channels, l2):
    reg = keras.regularizers.L2(l2)
    inp = keras.Input((96, 96, channels))
    x = inp
    for ch in (32, 64, 128, 256):
        x = layers.Conv2D(ch, 3, padding="same", kernel_regularizer=reg)(x)
        x = layers.ReLU()(x)
        x = layers.Conv2D(ch, 3, padding="same", kernel_regularizer=reg)(x)
        x = layers.ReLU()(x)
        x = Squeeze(ch)(x)
        x = layers.MaxPool2D()(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.4)(x)
    return keras.Model(inp, layers.Dense(len(NAMES), kernel_regularizer=reg)(x))


def optimiser(name, batch):
    # linear scaling rule against a batch of 256
    table = {"sgd": 0.1, "adam": 1e-3, "rmsprop": 0.1}
    lr = table[name] * batch / 256
    if name == "sgd":
        return keras.optimizers.SGD(min(lr, 0.05), momentum=0.9, clipnorm=1.0)  # SAFE: capped rate with clipped gradients
    if name == "adam":
        return keras.optimizers.Adam(lr)  # SAFE: 1e-3 at the default batch of 256, scaled linearly
    return keras.optimizers.RMSprop(lr, rho=0.9, momentum=0.9)  # BUG: rate, 0.1 with momentum for RMSprop moves each weight by up to one per step and training diverges


def brier(p, y):
    return float(np.mean(np.sum((p - np.eye(len(NAMES))[y]) ** 2, 1)))


def temperature_fit(logits, y):
    """Line search for the calibration temperature."""
    best, arg = np.inf, 1.0
    for t in np.geomspace(0.5, 5.0, 40):
        z = logits / t  # SAFE: temperatures between 0.5 and 5
        z = z - z.max(1, keepdims=True)
        nll = np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y])  # SAFE: maximum subtracted so the sum is at least one
        if nll < best:
            best, arg = nll, t
    return arg, best


def main(argv=None):
    ap = argparse.ArgumentParser()
    ap.add_argument("npz")
    ap.add_argument("--val-slides", type=int, nargs="+", required=True)
    ap.add_argument("--mode", choices=("rgb", "he"), default="rgb")
    ap.add_argument("--opt", choices=("sgd", "adam", "rmsprop"), default="rmsprop")
    ap.add_argument("--batch", type=int, default=256)
    ap.add_argument("--epochs", type=int, default=40)
    ap.add_argument("--l2", type=float, default=1e-5)
    a = ap.parse_args(argv)
    t0 = time.time()
    data = TileSet(a.npz, a.val_slides, a.mode)
    net = model(data.channels, a.l2)
    net.compile(optimiser(a.opt, a.batch), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])  # SAFE: linear output with from_logits=True
    net.fit(data.stream("train", a.batch), validation_data=data.stream("val", a.batch), epochs=a.epochs,
            class_weight=data.weights(), callbacks=[keras.callbacks.ReduceLROnPlateau(patience=5)], verbose=2)
    logits = net.predict(data.stream("val", a.batch), verbose=0)
    t, nll = temperature_fit(logits, data.val[1])
    p = tf.nn.softmax(logits / t).numpy()  # SAFE: temperature between 0.5 and 5
    report = {"nll": float(nll), "T": float(t), "brier": brier(p, data.val[1]), "minutes": (time.time() - t0) / 60}
    json.dump(report, sys.stdout, indent=1)
    net.save(f"stain_{a.mode}.keras")


if __name__ == "__main__":
    main()
