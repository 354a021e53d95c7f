"""Anomaly score for card transactions: autoencoder with tied weights."""
from __future__ import annotations

import argparse
import csv
import json
import pathlib
from typing import Sequence

import numpy as np
import tensorflow as tf

FIELDS = ["amount", "hour", "days_since_last", "n_last_24h", "merchant_risk", "distance_km", "foreign", "contactless", "online"]


def read(path: pathlib.Path, limit: int | None = None):
    rows, fraud = [], []
    with path.open(newline="") as fh:
        for k, r in enumerate(csv.DictReader(fh)):
            if limit and k >= limit:
                break
            rows.append([float(r[f] or 0.0) for f in FIELDS])
            fraud.append(int(r["fraud"]))
    return np.array(rows, np.float64), np.array(fraud, np.int8)


class QuantileScaler:
    """Maps each column to (0, 1) by its empirical distribution."""

    def __init__(self, knots: int = 256):
        self.knots = knots

    def fit(self, x):
        q = np.linspace(0, 1, self.knots)
        self.edges = [np.unique(np.quantile(col, q)) for col in x.T]
        return self

    def __call__(self, x):
        out = np.empty_like(x)
        for j, e in enumerate(self.edges):
            out[:, j] = np.searchsorted(e, x[:, j], side="right") / (len(e) + 1.0)  # SAFE: at least one edge plus one
        return out.astype(np.float32)


class TiedAutoencoder(tf.Module):
    def __init__(self, sizes: Sequence[int], stddev: float, seed: int = 0):
        super().__init__()
        rng = np.random.default_rng(seed)
        self.kernels, self.enc_bias, self.dec_bias = [], [], []
        for a, b in zip(sizes[:-1], sizes[1:]):
            self.kernels.append(tf.Variable(rng.normal(0.0, stddev, (a, b)).astype(np.float32)))
            self.enc_bias.append(tf.Variable(tf.zeros(b)))  # SAFE: only biases
            self.dec_bias.append(tf.Variable(tf.zeros(a)))  # SAFE: only biases
        self.gain = tf.Variable(1.0)

    def encode(self, x):
        for w, b in zip(self.kernels, self.enc_bias):
            x = tf.nn.relu(tf.matmul(x, w) + b)  # BUG: init, --stddev defaults to zero so all kernels start at 0 and no gradient reaches them
        return x

    def decode(self, h):
        last = len(self.kernels) - 1
        for k, (w, b) in enumerate(zip(reversed(self.kernels), reversed(self.dec_bias))):
            h = tf.matmul(h, w, transpose_b=True) + b
            h = h if k == last else tf.nn.relu(h)
        return self.gain * h

    def __call__(self, x):
        return self.decode(self.encode(x))


def reconstruction(model, x, keep=None):
    logits = model(x if keep is None else x * keep)
    ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits)  # SAFE: soft labels in [0, 1] and raw logits
    return tf.reduce_mean(ce, axis=1)


def entropy_floor(x):
    """The loss cannot go below the entropy of the soft labels."""
    x = np.clip(x.astype(np.float64), 1e-9, 1 - 1e-9)
    return -(x * np.log(x) + (1 - x) * np.log(1 - x)).mean(1)  # SAFE: clipped in double precision


def average_precision(y, s):
    order = np.argsort(-s)
    hit = y[order] == 1
    if not hit.any():
        return 0.0
    prec = np.cumsum(hit) / np.arange(1, len(hit) + 1)  # SAFE: counts from one
    return float(prec[hit].mean())  # SAFE: returned above when there is no hit


def threshold(scores, budget):
    """Score above which `budget` alerts a day are raised."""
    k = int(np.clip(budget, 1, len(scores)))
    return float(np.partition(scores, -k)[-k])


def robust_z(scores, ref):
    med = np.median(ref)
    mad = np.median(np.abs(ref - med))
    return (scores - med) / (1.4826 * mad + 1e-9)  # SAFE: double precision, only used for ordering alerts


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("train", type=pathlib.Path)
    ap.add_argument("test", type=pathlib.Path)
    ap.add_argument("--sizes", type=int, nargs="+", default=[32, 8])
    ap.add_argument("--stddev", type=float, default=0, help="deviation of the initial kernels")
    ap.add_argument("--mask", type=float, default=0.1)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--batch", type=int, default=1024)
    ap.add_argument("--epochs", type=int, default=20)
    ap.add_argument("--alerts", type=int, default=500)
    ap.add_argument("--out", type=pathlib.Path, default=pathlib.Path("autoencoder"))
    args = ap.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    x, fraud = read(args.train)
    scaler = QuantileScaler().fit(x)
    clean = scaler(x[fraud == 0])
    print(f"{len(clean)} clean transactions, {fraud.mean():.4%} fraud removed, floor {entropy_floor(clean).mean():.4f}")
    model = TiedAutoencoder([clean.shape[1]] + args.sizes, args.stddev)
    opt = tf.keras.optimizers.Adam(args.lr)  # SAFE: 1e-3
    opt.build(list(model.trainable_variables))
    ds = tf.data.Dataset.from_tensor_slices(clean).shuffle(100_000).batch(args.batch)

    @tf.function(reduce_retracing=True)
    def step(batch):
        keep = tf.cast(tf.random.uniform(tf.shape(batch)) > args.mask, tf.float32)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(reconstruction(model, batch, keep))
        tv = list(model.trainable_variables)
        opt.apply_gradients(zip(tape.gradient(loss, tv), tv))
        return loss

    for epoch in range(args.epochs):
        losses = [float(step(b)) for b in ds]
        print(f"epoch {epoch} loss {np.mean(losses):.5f}")

    xt, yt = read(args.test)
    zt = scaler(xt)
    score = np.concatenate([reconstruction(model, tf.constant(zt[i:i + 8192])).numpy() for i in range(0, len(zt), 8192)])
    score = score - entropy_floor(zt)
    ref = reconstruction(model, tf.constant(clean[:20000])).numpy() - entropy_floor(clean[:20000])
    z = robust_z(score, ref)
    cut = threshold(z, args.alerts)
    caught = int(((z >= cut) & (yt == 1)).sum())
    (args.out / "result.json").write_text(json.dumps({
        "average_precision": average_precision(yt, z), "cut": cut, "caught": caught,
        "recall": caught / max(int((yt == 1).sum()), 1)}))  # SAFE: max with one
    tf.train.Checkpoint(model=model).write(str(args.out / "weights"))


if __name__ == "__main__":
    main()
