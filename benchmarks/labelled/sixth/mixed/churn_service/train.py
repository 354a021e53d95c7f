import argparse
import os
import numpy as np
import tensorflow as tf
import settings
from features import Preprocessor, positive_weight, read
from model import build, compile_model


def lift_at(y, s, frac=0.1):
    k = max(int(len(y) * frac), 1)
    top = np.argsort(-s)[:k]
    base = y.mean()
    return float(y[top].mean() / base) if base > 0 else 0.0  # SAFE: conditional on a positive base rate


def ks_statistic(y, s):
    order = np.argsort(s)
    pos = np.cumsum(y[order]) / max(y.sum(), 1)  # SAFE: number of positives floored at one
    neg = np.cumsum(1 - y[order]) / max((1 - y).sum(), 1)
    return float(np.abs(pos - neg).max())


def run(cfg, x, y, out=None):
    n = int(0.8 * len(x))
    pre = Preprocessor(cfg["features"]).fit(x[:n])
    model = compile_model(build(cfg), cfg)
    w = cfg["positive_weight"] or positive_weight(y[:n])
    hist = model.fit(pre.transform(x[:n]), y[:n], validation_data=(pre.transform(x[n:]), y[n:]),
                     class_weight={0: 1.0, 1: w}, batch_size=cfg["batch_size"], epochs=cfg["epochs"], verbose=0)
    s = model.predict(pre.transform(x[n:]), verbose=0)[:, 0]
    print("lift %.2f KS %.3f" % (lift_at(y[n:], s), ks_statistic(y[n:], s)))
    if out:
        os.makedirs(out, exist_ok=True)
        model.save(os.path.join(out, "churn.keras"))
        np.savez(os.path.join(out, "pre.npz"), **pre.state())
    return model, hist


def main():
    p = argparse.ArgumentParser()
    p.add_argument("csv")
    p.add_argument("--config")
    p.add_argument("--out", default="artifacts")
    a = p.parse_args()
    cfg = settings.load(a.config)
    tf.keras.utils.set_random_seed(11)
    x, y = read(a.csv, cfg["features"])
    run(cfg, x, y, a.out)


if __name__ == "__main__":
    main()
