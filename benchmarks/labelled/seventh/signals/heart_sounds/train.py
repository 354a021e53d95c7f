import argparse
import json

import keras
import numpy as np
import tensorflow as tf

from model import build
from records import RATE, class_weight, parse_label, read_reference, segments, split


def modified_accuracy(y, p, threshold=0.5):
    """Mean of sensitivity and specificity."""
    hit = p >= threshold
    pos, neg = y > 0, y <= 0
    se = hit[pos].sum() / max(pos.sum(), 1)  # SAFE: max with 1
    sp = (~hit[neg]).sum() / max(neg.sum(), 1)  # SAFE: max with 1
    return 0.5 * (se + sp)


def pool_records(prob, names):
    """Mean log-odds over the segments of a recording."""
    q = np.clip(prob, 1e-4, 1.0 - 1e-4)
    odds = np.log(q / (1.0 - q))  # SAFE: clipped away from 0 and 1
    out = {}
    for n, o in zip(names, odds):
        out.setdefault(n, []).append(o)
    return {n: float(1.0 / (1.0 + np.exp(-np.mean(v)))) for n, v in out.items()}  # SAFE: odds are limited to +-9.3 by the clip


def make_dataset(records, seconds, batch, weights, seed):
    def gen():
        rng = np.random.default_rng(seed)
        for x, y in segments(records, seconds, rng):
            yield x[:, None], y, np.float32(weights[int(y)])

    n = int(seconds * RATE)
    sig = (tf.TensorSpec([n, 1]), tf.TensorSpec([]), tf.TensorSpec([]))
    ds = tf.data.Dataset.from_generator(gen, output_signature=sig)
    return ds.shuffle(1024).batch(batch).prefetch(2)


def compile_model(model, lr, smoothing):
    model.compile(
        optimizer=keras.optimizers.Adam(lr, clipnorm=1.0),
        loss=keras.losses.BinaryCrossentropy(label_smoothing=smoothing),  # BUG: loss-pairing, parse_label delivers -1 / +1 but the loss wants 0 / 1: the value falls without bound for -1 samples and the outputs collapse to 0
        weighted_metrics=["AUC"])
    return model


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("root")
    ap.add_argument("--seconds", type=float, default=5.0)
    ap.add_argument("--fold", type=int, default=0)
    ap.add_argument("--batch", type=int, default=32)
    ap.add_argument("--epochs", type=int, default=40)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--smoothing", type=float, default=0.0)
    a = ap.parse_args()
    train, val = split(read_reference(a.root), a.fold)
    weights = class_weight([parse_label(r) for r in train])
    tr = make_dataset(train, a.seconds, a.batch, weights, 0)
    va = make_dataset(val, a.seconds, a.batch, {-1: 1.0, 1: 1.0}, 1)
    model = compile_model(build(int(a.seconds * RATE)), a.lr, a.smoothing)
    h = model.fit(tr, validation_data=va, epochs=a.epochs, callbacks=[
        keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=4),
        keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)])
    rng = np.random.default_rng(2)
    x, y, names = [], [], []
    for r in val:
        for s, lab in segments([r], a.seconds, rng):
            x.append(s[:, None])
            names.append(r.name)
        y.append(lab)
    pooled = pool_records(model.predict(np.stack(x))[:, 0], names)
    macc = modified_accuracy(np.array(y), np.array([pooled[r.name] for r in val]))
    with open("fold%d.json" % a.fold, "w") as fh:
        json.dump({"macc": float(macc), "loss": h.history["loss"]}, fh)
    model.save("pcg_fold%d.keras" % a.fold)


if __name__ == "__main__":
    main()
