import argparse
import json

import numpy as np
import tensorflow as tf

import schema
from blocks import DeepFM
from objective import NormalizedEntropy, WeightedLogLoss, calibration


def load(path, stats=None):
    with open(path) as f:
        recs = [json.loads(line) for line in f]
    raw = {c: np.array([r.get(c) if r.get(c) is not None else np.nan for r in recs], "float64")
           for c in schema.NUMERIC}
    raw = {c: np.nan_to_num(v) for c, v in raw.items()}
    num, stats = schema.numeric_block(raw, stats)
    ids = np.stack([schema.bucket([str(r.get(c)) for r in recs], n)
                    for c, n in schema.CATEGORICAL.items()], axis=1)
    y = np.array([r["click"] for r in recs], "float32")[:, None]
    return {"ids": ids, "num": num}, y, stats


def downsample(x, y, rate, seed=0):
    rng = np.random.RandomState(seed)
    keep = (y[:, 0] > 0.5) | (rng.rand(len(y)) < rate)
    return {k: v[keep] for k, v in x.items()}, y[keep]


def make_model(neg_rate, lr):
    model = DeepFM(list(schema.CATEGORICAL.values()))
    model.compile(tf.keras.optimizers.Adam(lr, clipnorm=10.0), loss=WeightedLogLoss(neg_rate),
                  metrics=[NormalizedEntropy(), tf.keras.metrics.AUC(from_logits=True)])
    return model


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="data/clicks_train.jsonl")
    ap.add_argument("--valid", default="data/clicks_valid.jsonl")
    ap.add_argument("--neg-rate", type=float, default=0.2)
    ap.add_argument("--lr", type=float, default=5e-4)
    ap.add_argument("--batch", type=int, default=1024)
    ap.add_argument("--epochs", type=int, default=3)
    args = ap.parse_args()
    x, y, stats = load(args.train)
    xv, yv, _ = load(args.valid, stats)
    x, y = downsample(x, y, args.neg_rate)
    model = make_model(args.neg_rate, args.lr)
    model.fit(x, y, validation_data=(xv, yv), batch_size=args.batch, epochs=args.epochs)
    z = model.predict(xv, batch_size=4096)[:, 0]
    p = 1.0 / (1.0 + np.exp(-np.clip(z, -30, 30)))  # SAFE: clipped to 30
    print("calibration", calibration(yv, p))


if __name__ == "__main__":
    main()
