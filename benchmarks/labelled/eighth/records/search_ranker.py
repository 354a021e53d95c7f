"""Learning to rank for the shop search: lists of up to 40 offers per query, graded relevance 0..4.

Data are npz shards with features [n, d], query [n] (sorted) and grade [n].
"""
import argparse
import glob
import logging
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

log = logging.getLogger("ranker")
LIST = 40


def load(pattern):
    x, q, g, offset = [], [], [], 0
    for path in sorted(glob.glob(pattern)):
        with np.load(path) as z:
            x.append(z["features"].astype(np.float32))
            q.append(z["query"].astype(np.int64) + offset)
            g.append(z["grade"].astype(np.float32))
        offset = q[-1].max() + 1
    if not x:
        raise FileNotFoundError(pattern)
    return np.concatenate(x), np.concatenate(q), np.concatenate(g)


class RankGauss:
    """Columns are replaced by standardised log-moduli, then clipped."""

    def fit(self, x):
        z = self._squash(x)
        self.mean, self.std = z.mean(0), z.std(0)
        return self

    @staticmethod
    def _squash(x):
        x = np.nan_to_num(x, nan=0.0, posinf=1e6, neginf=-1e6)
        return np.sign(x) * np.log1p(np.abs(x))  # SAFE: log1p of a modulus

    def __call__(self, x):
        return np.clip((self._squash(x) - self.mean) / np.maximum(self.std, 1e-3), -5, 5)  # SAFE: deviation floored


def to_lists(x, q, g):
    """Pads or cuts every query to LIST offers; queries without any relevant offer are useless."""
    _, start, size = np.unique(q, return_index=True, return_counts=True)
    xs, gs, ms = [], [], []
    for s, n in zip(start, size):
        n = min(n, LIST)
        if n < 2 or g[s:s + n].max() <= 0:
            continue
        pad = LIST - n
        xs.append(np.pad(x[s:s + n], ((0, pad), (0, 0))))
        gs.append(np.pad(g[s:s + n], (0, pad)))
        ms.append(np.pad(np.ones(n, np.float32), (0, pad)))
    return np.stack(xs).astype(np.float32), np.stack(gs), np.stack(ms)


def ideal_dcg(grade):
    top = tf.sort(grade, axis=1, direction="DESCENDING")
    disc = 1.0 / (tf.math.log(tf.range(2.0, LIST + 2.0)) / tf.math.log(2.0))  # SAFE: logs of 2 to 41
    return tf.reduce_sum((tf.pow(2.0, top) - 1.0) * disc[None], axis=1)  # SAFE: grades end at four


def ndcg_loss(grade, mask, score):
    diff = score[:, None, :] - score[:, :, None]
    beats = 0.5 * (1.0 + tf.sign(diff))  # BUG: dead-grad, the derivative of sign is zero everywhere so the network gets nothing from the ranks
    pair_mask = mask[:, None, :] * mask[:, :, None]
    eye = tf.eye(LIST)[None]
    rank = 1.0 + tf.reduce_sum(beats * pair_mask * (1.0 - eye), axis=2)
    gain = tf.pow(2.0, grade) - 1.0  # SAFE: grades end at four
    dcg = tf.reduce_sum(mask * gain / (tf.math.log(1.0 + rank) / tf.math.log(2.0)), axis=1)  # SAFE: rank is at least one, so the log is at least log 2
    ideal = tf.maximum(ideal_dcg(grade * mask), 1e-3)
    return 1.0 - tf.reduce_mean(dcg / ideal)  # SAFE: floored


def exact_ndcg(grade, mask, score, k=10):
    s = np.where(mask > 0, score, -np.inf)  # SAFE: evaluation sorting only
    order = np.argsort(-s, axis=1)[:, :k]
    disc = 1.0 / np.log2(np.arange(2, k + 2))  # SAFE: from two on
    dcg = ((2.0 ** np.take_along_axis(grade, order, 1) - 1) * disc).sum(1)
    best = ((2.0 ** -np.sort(-grade, axis=1)[:, :k] - 1) * disc).sum(1)
    return float((dcg / np.maximum(best, 1e-9)).mean())  # SAFE: floored


class SetRanker(keras.Model):
    """Every offer sees the mean of its list."""

    def __init__(self, width, drop):
        super().__init__()
        self.d1 = layers.Dense(width, activation="relu", kernel_regularizer=keras.regularizers.l2(1e-5))
        self.d2 = layers.Dense(width, activation="relu", kernel_regularizer=keras.regularizers.l2(1e-5))
        self.drop = layers.Dropout(drop)
        self.out = layers.Dense(1, kernel_regularizer=keras.regularizers.l2(1e-5))

    def call(self, x, mask, training=False):
        h = self.d1(x)
        n = tf.maximum(tf.reduce_sum(mask, 1, keepdims=True), 1.0)
        mean = tf.reduce_sum(h * mask[..., None], 1) / n  # SAFE: n is floored at one
        both = tf.concat([h, tf.repeat(mean[:, None], LIST, 1)], -1)
        return tf.squeeze(self.out(self.drop(self.d2(both), training=training)), -1)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="ltr/train/*.npz")
    ap.add_argument("--valid", default="ltr/valid/*.npz")
    ap.add_argument("--width", type=int, default=128)
    ap.add_argument("--drop", type=float, default=0.2)
    ap.add_argument("--batch", type=int, default=128)
    ap.add_argument("--epochs", type=int, default=20)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--out", default="ranker")
    args = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    os.makedirs(args.out, exist_ok=True)
    x, q, g = load(args.train)
    scaler = RankGauss().fit(x)
    train = to_lists(scaler(x), q, g)
    xv, qv, gv = load(args.valid)
    valid = to_lists(scaler(xv), qv, gv)
    log.info("%d train lists, %d valid lists, mean length %.1f", len(train[0]), len(valid[0]), train[2].sum(1).mean())

    model = SetRanker(args.width, args.drop)
    opt = keras.optimizers.Adam(args.lr)  # SAFE: 1e-3
    ds = tf.data.Dataset.from_tensor_slices(train).shuffle(10000).batch(args.batch).prefetch(2)

    @tf.function(reduce_retracing=True)
    def step(bx, bg, bm):
        with tf.GradientTape() as tape:
            score = model(bx, bm, training=True)
            loss = ndcg_loss(bg, bm, score)
            total = loss + tf.add_n(model.losses)
        tv = model.trainable_variables
        opt.apply_gradients(zip(tape.gradient(total, tv), tv))
        return loss

    best, wait = -1.0, 0
    for epoch in range(args.epochs):
        losses = [float(step(*b)) for b in ds]
        score = np.concatenate([model(valid[0][i:i + 512], valid[2][i:i + 512]).numpy() for i in range(0, len(valid[0]), 512)])
        n10 = exact_ndcg(valid[1], valid[2], score)
        log.info("epoch %d loss %.4f ndcg@10 %.4f", epoch, np.mean(losses), n10)
        if n10 > best:
            best, wait = n10, 0
            model.save_weights(os.path.join(args.out, "best.weights.h5"))
        else:
            wait += 1
            if wait >= 5:
                break


if __name__ == "__main__":
    main()
