#!/usr/bin/env python
"""Weld seam X-ray defect segmentation (porosity / crack / inclusion).

Usage:
    python weld_defect_unet.py --root /data/welds --size 256 --epochs 60
"""
import argparse
import glob
import json
import logging
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers as L

log = logging.getLogger("weld")
CLASSES = ("background", "porosity", "crack", "inclusion")


def list_pairs(root, split):
    with open(os.path.join(root, f"{split}.txt")) as fh:
        stems = [line.strip() for line in fh if line.strip()]
    imgs = [os.path.join(root, "images", s + ".png") for s in stems]
    msks = [os.path.join(root, "masks", s + ".png") for s in stems]
    missing = [m for m in msks if not os.path.exists(m)]
    if missing:
        raise FileNotFoundError(f"{len(missing)} masks missing, e.g. {missing[0]}")
    return imgs, msks


def load_pair(img_path, msk_path, size):
    img = tf.io.decode_png(tf.io.read_file(img_path), channels=1, dtype=tf.uint16)
    img = tf.cast(img, tf.float32)
    lo = tf.reduce_min(img)
    hi = tf.reduce_max(img)
    img = (img - lo) / tf.maximum(hi - lo, 1.0)  # SAFE: range is at least one grey level after the maximum
    msk = tf.io.decode_png(tf.io.read_file(msk_path), channels=1)
    img = tf.image.resize(img, (size, size), antialias=True)
    msk = tf.image.resize(msk, (size, size), method="nearest")
    onehot = tf.one_hot(tf.cast(msk[..., 0], tf.int32), len(CLASSES))  # SAFE: ids 0..3 fit, uint8 to int32 widens
    return img, onehot


def random_gamma(img, msk):
    gamma = tf.exp(tf.random.uniform([], -0.4, 0.4))  # SAFE: exponent bounded to +-0.4
    img = tf.pow(tf.clip_by_value(img, 0.0, 1.0), gamma)  # SAFE: base is clipped to [0,1] and no gradient in the input pipeline
    if tf.random.uniform([]) < 0.5:
        img = tf.image.flip_left_right(img)
        msk = tf.image.flip_left_right(msk)
    return img, msk


def make_ds(root, split, size, batch, train):
    imgs, msks = list_pairs(root, split)
    ds = tf.data.Dataset.from_tensor_slices((imgs, msks))
    if train:
        ds = ds.shuffle(len(imgs), reshuffle_each_iteration=True)
    ds = ds.map(lambda a, b: load_pair(a, b, size), num_parallel_calls=tf.data.AUTOTUNE)
    if train:
        ds = ds.map(random_gamma, num_parallel_calls=tf.data.AUTOTUNE)
    return ds.batch(batch, drop_remainder=train).prefetch(2)


def conv_block(x, filters):
    for _ in range(2):
        x = L.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
        x = L.BatchNormalization()(x)
        x = L.ReLU()(x)
    return x


def build_unet(size, base=16, depth=4):
    inp = keras.Input((size, size, 1))
    skips, x = [], inp
    for d in range(depth):
        x = conv_block(x, base * 2 ** d)
        skips.append(x)
        x = L.MaxPool2D()(x)
    x = conv_block(x, base * 2 ** depth)
    for d in reversed(range(depth)):
        x = L.Conv2DTranspose(base * 2 ** d, 2, strides=2, padding="same")(x)
        x = L.Concatenate()([x, skips[d]])
        x = conv_block(x, base * 2 ** d)
    out = L.Conv2D(len(CLASSES), 1, activation="softmax", name="prob")(x)
    return keras.Model(inp, out, name="weld_unet")


class GeneralizedDice(keras.losses.Loss):
    """Sudre et al. 2017, class weights are the inverse squared volumes."""

    def __init__(self, smooth=1e-5, name="gdl"):
        super().__init__(name=name)
        self.smooth = smooth

    def call(self, y_true, y_pred):
        y_true = tf.cast(y_true, y_pred.dtype)
        vol = tf.reduce_sum(y_true, axis=(1, 2))
        w = 1.0 / tf.square(vol)  # BUG: div-zero, classes absent from an image have volume 0 and the smooth term is not used here
        inter = tf.reduce_sum(y_true * y_pred, axis=(1, 2))
        union = tf.reduce_sum(y_true + y_pred, axis=(1, 2))
        num = 2.0 * tf.reduce_sum(w * inter, axis=-1) + self.smooth
        den = tf.reduce_sum(w * union, axis=-1) + self.smooth
        return 1.0 - num / den  # SAFE: volumes are sums of probabilities plus smooth, always positive


def focal(y_true, y_pred, gamma=2.0):
    p = tf.clip_by_value(y_pred, 1e-6, 1.0 - 1e-6)
    ce = -y_true * tf.math.log(p)  # SAFE: p clipped to at least 1e-6
    mod = tf.pow(1.0 - p, gamma)  # SAFE: base at least 1e-6 and integer-valued exponent 2
    return tf.reduce_mean(tf.reduce_sum(mod * ce, axis=-1))


class MixedLoss(keras.losses.Loss):
    def __init__(self, alpha):
        super().__init__(name="mixed")
        self.alpha = alpha
        self.gdl = GeneralizedDice()

    def call(self, y_true, y_pred):
        return self.alpha * self.gdl(y_true, y_pred) + (1 - self.alpha) * focal(y_true, y_pred)


class DefectIoU(keras.metrics.Metric):
    def __init__(self, n, name="defect_iou", **kw):
        super().__init__(name=name, **kw)
        self.n = n
        self.inter = self.add_weight(name="inter", shape=(n,), initializer="zeros")
        self.union = self.add_weight(name="union", shape=(n,), initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        t = tf.one_hot(tf.argmax(y_true, -1), self.n)
        p = tf.one_hot(tf.argmax(y_pred, -1), self.n)
        i = tf.reduce_sum(t * p, axis=(0, 1, 2))
        self.inter.assign_add(i)
        self.union.assign_add(tf.reduce_sum(t + p, axis=(0, 1, 2)) - i)

    def result(self):
        iou = tf.math.divide_no_nan(self.inter, self.union)  # SAFE: divide_no_nan returns 0 for classes never seen
        return tf.reduce_mean(iou[1:])


def class_frequencies(ds):
    total = np.zeros(len(CLASSES))
    for _, m in ds:
        total += m.numpy().sum(axis=(0, 1, 2))
    return total / max(total.sum(), 1.0)  # SAFE: max keeps the denominator positive


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--root", required=True)
    ap.add_argument("--size", type=int, default=256)
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--epochs", type=int, default=60)
    ap.add_argument("--alpha", type=float, default=0.7)
    ap.add_argument("--out", default="runs/weld")
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO)
    os.makedirs(a.out, exist_ok=True)

    train = make_ds(a.root, "train", a.size, a.batch, True)
    val = make_ds(a.root, "val", a.size, a.batch, False)
    freq = class_frequencies(train)
    log.info("class frequencies %s", dict(zip(CLASSES, freq.round(5))))
    log.info("class entropy %.3f", -np.sum(freq * np.log(freq + 1e-12)))  # SAFE: offset inside the log, float64, reporting only

    model = build_unet(a.size)
    steps = len(glob.glob(os.path.join(a.root, "images", "*.png"))) // a.batch
    sched = keras.optimizers.schedules.CosineDecay(1e-3, max(steps, 1) * a.epochs)  # SAFE: decay length is at least one step
    model.compile(keras.optimizers.Adam(sched), loss=MixedLoss(a.alpha), metrics=[DefectIoU(len(CLASSES))])
    cbs = [
        keras.callbacks.ModelCheckpoint(os.path.join(a.out, "best.keras"), monitor="val_defect_iou", mode="max",
                                        save_best_only=True),
        keras.callbacks.CSVLogger(os.path.join(a.out, "log.csv")),
    ]
    hist = model.fit(train, validation_data=val, epochs=a.epochs, callbacks=cbs)
    with open(os.path.join(a.out, "history.json"), "w") as fh:
        json.dump({k: [float(x) for x in v] for k, v in hist.history.items()}, fh)


if __name__ == "__main__":
    main()
