import argparse
import csv
import json

import keras
import numpy as np
import tensorflow as tf

import spec
import surrogate


def read_table(path):
    names = [n for n, _, _ in spec.INPUTS]
    with open(path) as fh:
        rows = list(csv.DictReader(fh))
    x = np.array([[float(r[n]) for n in names] for r in rows], np.float32)
    y = np.array([[float(r[n]) for n in spec.OUTPUTS] for r in rows], np.float32)
    ok = np.isfinite(x).all(1) & np.isfinite(y).all(1)
    return x[ok], y[ok]


def split(x, y, frac=0.15, seed=3):
    idx = np.random.default_rng(seed).permutation(len(x))
    k = max(1, int(len(x) * frac))
    return (x[idx[k:]], y[idx[k:]]), (x[idx[:k]], y[idx[:k]])


def r2(y, p):
    ss = np.square(y - p).sum(0)
    tot = np.square(y - y.mean(0)).sum(0)
    return 1.0 - ss / np.maximum(tot, 1e-12)  # SAFE: constant columns are floored at 1e-12, report only


class Report(keras.callbacks.Callback):
    def __init__(self, x, y, every=20):
        super().__init__()
        self.x, self.y, self.every = x, y, every

    def on_epoch_end(self, epoch, logs=None):
        if epoch % self.every == 0:
            p = self.model.predict(self.x, verbose=0)
            ld = surrogate.lift_to_drag(tf.constant(p))
            mach = self.x[:, 1]
            comp = surrogate.prandtl_glauert(tf.constant(p[:, 0]), mach)
            print("epoch", epoch, logs, "r2", r2(self.y, p).round(3),
                  "max L/D", float(tf.reduce_max(ld)), "cl comp", float(tf.reduce_mean(comp)))


def main(argv=None):
    ap = argparse.ArgumentParser()
    ap.add_argument("table")
    ap.add_argument("--preset", default="standard", choices=sorted(spec.PRESETS))
    ap.add_argument("--epochs", type=int, default=300)
    ap.add_argument("--batch", type=int, default=64)
    a = ap.parse_args(argv)
    (x, y), (vx, vy) = split(*read_table(a.table))
    model = surrogate.build(a.preset)
    model.compile(surrogate.optimizer(a.preset), loss=surrogate.AeroLoss())
    h = model.fit(x, y, validation_data=(vx, vy), batch_size=a.batch, epochs=a.epochs,
                  callbacks=[Report(vx, vy)], verbose=0)
    model.save("surrogate_%s.keras" % a.preset)
    with open("history_%s.json" % a.preset, "w") as fh:
        json.dump({k: [float(v) for v in vs] for k, vs in h.history.items()}, fh)
    return model


if __name__ == "__main__":
    main()
