"""Part segmentation + keypoints of scanned hand tools.  python learn.py --h5 tools.h5"""
import argparse
import math

import h5py
import numpy as np
import tensorflow as tf

import geometry as geo
from network import PartNet


def read(path, split):
    with h5py.File(path, "r") as f:
        g = f[split]
        return g["xyz"][:].astype("float32"), g["part"][:].astype("int32"), g["key"][:].astype("float32")


def pipeline(data, batch, train):
    ds = tf.data.Dataset.from_tensor_slices(data)
    if train:
        ds = ds.shuffle(2048)

    def norm(x, p, k):
        c = tf.reduce_mean(x, 1, keepdims=True)
        r = tf.sqrt(tf.reduce_max(tf.reduce_sum(tf.square(x - c), -1), 1))[:, None, None]  # SAFE: no gradient in tf.data
        x, k = (x - c) / (r + 1e-8), (k - c) / (r + 1e-8)  # SAFE: scans have extent, offset guards duplicates
        if train:
            R = geo.random_rotation(tf.shape(x)[0])
            x, k = tf.matmul(x, R), tf.matmul(k, R)
            x += tf.clip_by_value(tf.random.normal(tf.shape(x), stddev=0.01), -0.03, 0.03)
        return x, p, k

    return ds.batch(batch, drop_remainder=train).map(norm).prefetch(2)


def part_iou(pred, true, parts):
    out = []
    for c in range(parts):
        u = np.logical_or(pred == c, true == c).sum()
        if u:
            out.append(np.logical_and(pred == c, true == c).sum() / u)  # SAFE: empty unions are skipped
    return float(np.mean(out))  # SAFE: at least one part is present in a labelled cloud


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--h5", required=True)
    ap.add_argument("--epochs", type=int, default=100)
    ap.add_argument("--batch", type=int, default=16)
    ap.add_argument("--w-key", type=float, default=1.0)
    ap.add_argument("--w-rep", type=float, default=0.1)
    a = ap.parse_args()
    tr, va = read(a.h5, "train"), read(a.h5, "val")
    parts, keys = int(tr[1].max()) + 1, tr[2].shape[1]
    net = PartNet(parts, keys)
    freq = np.bincount(tr[1].ravel(), minlength=parts) / tr[1].size
    w = tf.constant(1.0 / np.log(1.1 + freq), tf.float32)  # SAFE: log of at least 1.1
    opt = tf.keras.optimizers.Adam(1e-3)

    @tf.function
    def step(x, p, k):
        with tf.GradientTape() as t:
            logits, key = net(x, training=True)
            ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=p, logits=logits)  # SAFE: head ends in a linear Dense
            seg = tf.reduce_mean(ce * tf.gather(w, p))
            pos = geo.chamfer(key, k)
            loss = seg + a.w_key * pos + a.w_rep * geo.repulsion(key)
        g = t.gradient(loss, net.trainable_variables)
        opt.apply_gradients(zip(g, net.trainable_variables))
        return seg, pos

    for ep in range(a.epochs):
        opt.learning_rate.assign(1e-3 * 0.5 * (1 + math.cos(math.pi * ep / a.epochs)))  # SAFE: epochs positive, rate reaches a small positive value
        s = [[float(v) for v in step(*b)] for b in pipeline(tr, a.batch, True)]
        iou = [part_iou(np.argmax(net(x)[0], -1), p.numpy(), parts) for x, p, _ in pipeline(va, a.batch, False)]
        print(ep, np.mean(s, 0).round(4), "mIoU %.4f" % np.mean(iou))
        net.save_weights("partnet.weights.h5")


if __name__ == "__main__":
    main()
