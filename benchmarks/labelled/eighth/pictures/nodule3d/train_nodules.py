import argparse
import os

import numpy as np
import tensorflow as tf

from ct_config import get
from net3d import build, focal_bce
from volumes import CandidateSet


def froc_point(scores, labels, scans, fp_per_scan):
    neg = np.sort(scores[labels == 0])[::-1]
    k = int(fp_per_scan * scans)
    thr = neg[min(k, len(neg) - 1)]
    return (scores[labels == 1] > thr).mean()


def cpm(scores, labels, scans):
    return np.mean([froc_point(scores, labels, scans, f) for f in (0.125, 0.25, 0.5, 1, 2, 4, 8)])


def calibration(scores, labels, bins=10):
    idx = np.minimum((scores * bins).astype(int), bins - 1)  # SAFE: scores are sigmoid outputs in [0,1]
    n = np.bincount(idx, minlength=bins)
    conf = np.bincount(idx, scores, minlength=bins) / np.maximum(n, 1)  # SAFE: empty bins floored at one
    acc = np.bincount(idx, labels, minlength=bins) / np.maximum(n, 1)
    return float((n / n.sum() * np.abs(conf - acc)).sum())  # SAFE: validation set is not empty


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--root", required=True)
    ap.add_argument("--train-table", required=True)
    ap.add_argument("--val-table", required=True)
    ap.add_argument("--exp", default="wide")
    a = ap.parse_args()
    cfg = get(a.exp)
    os.makedirs(cfg.workdir, exist_ok=True)
    tr = CandidateSet(a.root, a.train_table, cfg, True)
    va = CandidateSet(a.root, a.val_table, cfg, False)
    net = build(cfg, tr.prior())
    if cfg.momentum is None:
        opt = tf.keras.optimizers.Adam(cfg.lr)
    else:
        opt = tf.keras.optimizers.SGD(cfg.lr, momentum=cfg.momentum)
    net.compile(opt, loss=focal_bce)
    best = -1.0
    for ep in range(cfg.epochs):
        h = net.fit(tr.dataset(), epochs=1, verbose=2)  # BUG: raw-data, the chosen experiment has no HU window so patches are raw values around -1000
        s = tf.sigmoid(net.predict(va.dataset(), verbose=0)).numpy()[:, 0]
        y = va.df["label"].to_numpy()
        score = cpm(s, y, va.df["uid"].nunique())
        print(f"[{ep}] loss {h.history['loss'][-1]:.4f} CPM {score:.4f} ECE {calibration(s, y):.4f}")
        if score > best:
            best = score
            net.save(os.path.join(cfg.workdir, "best.keras"))


if __name__ == "__main__":
    main()
