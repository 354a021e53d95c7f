"""DLRM style click model. All in half precision so that the tables fit onto one card.

tsv in the Criteo layout: label, 13 counts, 26 hashed categories.
"""
import argparse
import logging
import math
import os
import time

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

DENSE, SPARSE = 13, 26
log = logging.getLogger("dlrm")


def parse_line(line, buckets):
    parts = tf.strings.split(line, "\t")
    parts = tf.ensure_shape(parts, [1 + DENSE + SPARSE])
    label = tf.strings.to_number(parts[0])
    raw = parts[1:1 + DENSE]
    raw = tf.strings.to_number(tf.where(raw == "", tf.fill([DENSE], "0"), raw))
    dense = tf.math.log1p(tf.maximum(raw, 0.0)) / 4.0  # SAFE: floored at zero
    cats = tf.strings.to_hash_bucket_fast(parts[1 + DENSE:], buckets)
    return (tf.cast(dense, tf.float16), tf.cast(cats, tf.int32)), tf.reshape(label, [1])


def dataset(path, buckets, batch, training):
    ds = tf.data.TextLineDataset(path)
    if training:
        ds = ds.shuffle(100_000)
    ds = ds.map(lambda s: parse_line(s, buckets), num_parallel_calls=tf.data.AUTOTUNE)
    return ds.batch(batch, drop_remainder=training).prefetch(2)


class Interaction(layers.Layer):
    """Dot products of all pairs of field vectors."""

    def __init__(self, fields, **kw):
        super().__init__(**kw)
        self.rows, self.cols = np.triu_indices(fields, k=1)

    def call(self, z):
        scaled = z / math.sqrt(int(z.shape[-1]))  # SAFE: the embedding width
        dots = tf.matmul(scaled, z, transpose_b=True)
        flat = tf.gather(tf.reshape(dots, [tf.shape(z)[0], z.shape[1] * z.shape[1]]), self.rows * z.shape[1] + self.cols, axis=1)
        return flat


class DLRM(keras.Model):
    def __init__(self, buckets, dim, bottom, top):
        super().__init__()
        init = keras.initializers.RandomUniform(-0.05, 0.05)
        self.tables = [layers.Embedding(buckets, dim, embeddings_initializer=init) for _ in range(SPARSE)]
        self.bottom = [layers.Dense(w, activation="relu") for w in bottom] + [layers.Dense(dim, activation="relu")]
        self.inter = Interaction(SPARSE + 1)
        self.top = [layers.Dense(w, activation="relu") for w in top]
        self.out = layers.Dense(1)

    def call(self, inputs):
        dense, cats = inputs
        for layer in self.bottom:
            dense = layer(dense)
        vecs = [t(cats[:, j]) for j, t in enumerate(self.tables)]
        h = tf.concat([dense, self.inter(tf.stack([dense] + vecs, axis=1))], -1)
        for layer in self.top:
            h = layer(h)
        return self.out(h)


def click_loss(y, logit):
    wide = tf.cast(logit, tf.float32)
    ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=wide)  # SAFE: the logits are cast to float32
    return tf.reduce_mean(ce)


def normalised_entropy(loss, rate):
    rate = min(max(rate, 1e-4), 1 - 1e-4)
    base = -(rate * math.log(rate) + (1 - rate) * math.log(1 - rate))  # SAFE: rate is clipped
    return loss / base  # SAFE: the entropy of a clipped rate is positive


def auc(y, s):
    order = np.argsort(s)
    rank = np.empty(len(s))
    rank[order] = np.arange(1, len(s) + 1)
    pos = y.sum()
    neg = len(y) - pos
    if pos == 0 or neg == 0:
        return float("nan")
    return float((rank[y == 1].sum() - pos * (pos + 1) / 2) / (pos * neg))  # SAFE: returned above for one class


def evaluate(model, ds, limit=200):
    ys, zs = [], []
    for x, y in ds.take(limit):
        zs.append(model(x).numpy()[:, 0].astype(np.float64))
        ys.append(y.numpy()[:, 0])
    y, z = np.concatenate(ys), np.concatenate(zs)
    loss = float(np.mean(np.logaddexp(0.0, z) - y * z))  # SAFE: logaddexp is stable
    return normalised_entropy(loss, float(y.mean())), auc(y, z)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="criteo/train.tsv")
    ap.add_argument("--valid", default="criteo/valid.tsv")
    ap.add_argument("--buckets", type=int, default=400_000)
    ap.add_argument("--dim", type=int, default=32)
    ap.add_argument("--batch", type=int, default=4096)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--eps", type=float, default=1e-8)
    ap.add_argument("--every", type=int, default=1000)
    ap.add_argument("--out", default="dlrm")
    args = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    keras.config.set_floatx("float16")
    keras.utils.set_random_seed(5)
    train = dataset(args.train, args.buckets, args.batch, True)
    valid = dataset(args.valid, args.buckets, 8192, False)
    model = DLRM(args.buckets, args.dim, (256, 64), (256, 128))
    opt = keras.optimizers.Adam(args.lr, epsilon=args.eps)  # BUG: half, slots are float16 where the second moments and the epsilon of 1e-8 both round to 0

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = click_loss(y, model(x))
        tv = model.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, tv), tv))
        return loss

    t0, total, count = time.time(), 0.0, 0
    for i, (x, y) in enumerate(train):
        total += float(step(x, y))
        count += 1
        if count == args.every:
            ne, a = evaluate(model, valid)
            speed = args.batch * count / max(time.time() - t0, 1e-3)  # SAFE: at least a millisecond
            log.info("%d loss %.4f NE %.4f AUC %.4f %.0f rows/s", i + 1, total / count, ne, a, speed)  # SAFE: count equals args.every
            t0, total, count = time.time(), 0.0, 0
            os.makedirs(args.out, exist_ok=True)
            model.save_weights(os.path.join(args.out, "last.weights.h5"))


if __name__ == "__main__":
    main()
