"""Diabetic retinopathy grade (0-4) as a cumulative link model on fundus features.

EyePACS style: labels.csv with columns image, level; images pre-cropped to jpeg.
"""
import argparse
import math
import os

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow import keras

GRADES = 5


def circle_mask(size):
    ax = np.linspace(-1, 1, size)
    rr = np.sqrt(ax[:, None] ** 2 + ax[None] ** 2)  # SAFE: geometry constant, numpy
    return (rr < 0.92).astype(np.float32)[..., None]


def ben_graham(img, size):
    """Local mean subtraction on the disc."""
    img = tf.image.resize(tf.cast(img, tf.float32), (size, size))
    k = size // 15 * 2 + 1
    box = tf.nn.avg_pool2d(img[None], k, 1, "SAME")[0]
    out = 4.0 * (img - box) / 255.0 + 0.5
    return tf.clip_by_value(out, 0.0, 1.0)


def dataset(df, root, size, batch, train):
    mask = tf.constant(circle_mask(size))

    def load(name, y):
        raw = tf.io.read_file(tf.strings.join([root, "/", name, ".jpeg"]))
        img = ben_graham(tf.io.decode_jpeg(raw, channels=3), size) * mask
        if train:
            img = tf.image.random_flip_left_right(tf.image.random_flip_up_down(img))
            img = tf.image.random_brightness(img, 0.05)
        return img - 0.5, y

    ds = tf.data.Dataset.from_tensor_slices((df.image.to_numpy(str), df.level.to_numpy(np.int32)))
    if train:
        ds = ds.shuffle(len(df))
    return ds.map(load, num_parallel_calls=4).batch(batch).prefetch(2)


class OrderedThresholds(keras.layers.Layer):
    """theta_0 < theta_1 < ... via softplus increments."""

    def build(self, shape):
        self.first = self.add_weight(name="first", shape=(1,), initializer=keras.initializers.Constant(-1.0))
        self.raw = self.add_weight(name="raw", shape=(GRADES - 2,), initializer="zeros")

    def call(self, score):
        inc = tf.nn.softplus(self.raw) + 1e-2
        theta = tf.concat([self.first, self.first + tf.cumsum(inc)], 0)
        return theta[None] - score


def cum_to_probs(z):
    cdf = tf.sigmoid(z)
    n = tf.shape(z)[0]
    upper = tf.concat([cdf, tf.ones([n, 1])], 1)
    lower = tf.concat([tf.zeros([n, 1]), cdf], 1)
    return upper - lower


class OrdinalNLL(keras.losses.Loss):
    def __init__(self, cost=None):
        super().__init__(name="ordinal_nll")
        d = np.abs(np.arange(GRADES)[:, None] - np.arange(GRADES)[None]) if cost is None else cost
        self.cost = tf.constant(d / d.max(), tf.float32)  # SAFE: constant cost matrix with maximum 4

    def call(self, y_true, z):
        p = cum_to_probs(z)
        y = tf.one_hot(tf.reshape(tf.cast(y_true, tf.int32), [-1]), GRADES)
        nll = -tf.math.log(tf.reduce_sum(y * p, -1))  # BUG: log-sigmoid, difference of saturated sigmoids is exactly 0 for confident wrong scores
        exp_cost = tf.reduce_sum(tf.matmul(y, self.cost) * p, -1)
        return nll + 0.3 * exp_cost


class QuadraticKappa(keras.callbacks.Callback):
    def __init__(self, ds, y):
        super().__init__()
        self.ds, self.y, self.best = ds, y, -1.0
        i = np.arange(GRADES)
        self.w = (i[:, None] - i[None]) ** 2 / (GRADES - 1) ** 2  # SAFE: constant 16

    def on_epoch_end(self, epoch, logs=None):
        p = cum_to_probs(self.model.predict(self.ds, verbose=0)).numpy()
        hat = np.rint((p * np.arange(GRADES)).sum(1)).clip(0, GRADES - 1).astype(int)
        o = np.zeros((GRADES, GRADES))
        np.add.at(o, (self.y, hat), 1)
        e = np.outer(o.sum(1), o.sum(0)) / o.sum()  # SAFE: validation set is not empty
        kappa = 1.0 - (self.w * o).sum() / max((self.w * e).sum(), 1e-9)  # SAFE: denominator floored
        logs["val_qwk"] = kappa
        print(f" - val_qwk: {kappa:.4f}")
        if kappa > self.best:
            self.best = kappa
            self.model.save_weights("retina_best.weights.h5")


class ScaledL2(keras.regularizers.Regularizer):
    def __init__(self, k):
        self.k = k

    def __call__(self, w):
        return self.k * tf.reduce_sum(tf.square(w)) / tf.cast(tf.size(w), w.dtype)  # SAFE: size of a weight tensor is positive

    def get_config(self):
        return {"k": self.k}


def build(size, dropout):
    inp = keras.Input((size, size, 3))
    x = inp
    for ch in (32, 64, 96, 128, 192):
        x = keras.layers.Conv2D(ch, 3, 2, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization(epsilon=1e-3)(x)  # SAFE: default sized epsilon in float32
        x = keras.layers.Activation("swish")(x)
    avg = keras.layers.GlobalAveragePooling2D()(x)
    top = keras.layers.GlobalMaxPooling2D()(x)
    x = keras.layers.Dropout(dropout)(keras.layers.Concatenate()([avg, top]))
    score = keras.layers.Dense(1, kernel_regularizer=ScaledL2(1e-3))(x)
    return keras.Model(inp, OrderedThresholds()(score))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("root")
    ap.add_argument("labels")
    ap.add_argument("--size", type=int, default=384)
    ap.add_argument("--batch", type=int, default=24)
    ap.add_argument("--epochs", type=int, default=40)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--dropout", type=float, default=0.4)
    args = ap.parse_args()
    df = pd.read_csv(args.labels).sample(frac=1.0, random_state=5)
    cut = int(0.85 * len(df))
    tr, va = df[:cut], df[cut:]
    freq = tr.level.value_counts(normalize=True).sort_index()
    print("grade entropy (bits)", -sum(f * math.log2(f) for f in freq if f > 0))  # SAFE: zero frequencies are skipped
    net = build(args.size, args.dropout)
    net.compile(keras.optimizers.Adam(args.lr), loss=OrdinalNLL())
    ds_va = dataset(va, args.root, args.size, args.batch, False)
    net.fit(dataset(tr, args.root, args.size, args.batch, True), epochs=args.epochs, verbose=2,
            callbacks=[QuadraticKappa(ds_va, va.level.to_numpy()),
                       keras.callbacks.LearningRateScheduler(lambda e, lr: args.lr * 0.5 * (1 + math.cos(math.pi * e / args.epochs)))])  # SAFE: epochs is a positive count
    print("done", os.getcwd())


if __name__ == "__main__":
    main()
