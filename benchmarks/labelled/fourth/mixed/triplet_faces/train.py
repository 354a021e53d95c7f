import argparse
import os
import time

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

from losses import LOSSES


def load_faces(root):
    d = np.load(os.path.join(root, "faces_64.npz"))
    return (d["images"].astype(np.float32) - 127.5) / 128.0, d["ids"].astype(np.int32)


def pk_batches(x, ids, p, k, rng):
    """P identities with K pictures each."""
    by_id = {i: np.flatnonzero(ids == i) for i in np.unique(ids)}
    usable = [i for i, v in by_id.items() if len(v) >= 2]
    while True:
        chosen = rng.choice(usable, p, replace=False)
        rows = np.concatenate([rng.choice(by_id[c], k, replace=len(by_id[c]) < k) for c in chosen])
        yield x[rows], ids[rows]


class Embedder(tf.keras.Model):
    def __init__(self, dim=64, width=16):
        super().__init__()
        self.convs = [layers.Conv2D(width * 2 ** i, 3, strides=2, padding="same") for i in range(3)]
        self.norms = [layers.BatchNormalization() for _ in range(3)]
        self.head = layers.Dense(dim)

    def call(self, x, training=False):
        for c, n in zip(self.convs, self.norms):
            x = tf.nn.relu(n(c(x), training=training))
        z = self.head(tf.reduce_mean(x, [1, 2]))
        return z / tf.sqrt(tf.reduce_sum(tf.square(z), -1, keepdims=True) + 1e-8)  # SAFE: 1e-8 inside the root, finite value and gradient at zero


def recall_at_1(emb, ids):
    s = emb @ emb.T
    np.fill_diagonal(s, -np.inf)
    return float(np.mean(ids[s.argmax(1)] == ids))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--root", default="data/faces")
    ap.add_argument("--loss", default="weighted", choices=sorted(LOSSES))
    ap.add_argument("-p", type=int, default=12)
    ap.add_argument("-k", type=int, default=4)
    ap.add_argument("--lr", type=float, default=3e-4)
    ap.add_argument("--iters", type=int, default=5000)
    a = ap.parse_args()
    x, ids = load_faces(a.root)
    net = Embedder()
    opt = tf.keras.optimizers.Adam(a.lr)
    loss_fn = LOSSES[a.loss]

    @tf.function
    def step(xb, yb):
        with tf.GradientTape() as tape:
            loss = loss_fn(yb, net(xb, training=True))
        opt.apply_gradients(zip(tape.gradient(loss, net.trainable_variables), net.trainable_variables))
        return loss

    start = time.time()
    batches = pk_batches(x, ids, a.p, a.k, np.random.default_rng(0))
    for it in range(a.iters):
        xb, yb = next(batches)
        loss = step(tf.constant(xb), tf.constant(yb))
        if it % 100 == 0:
            rate = (it + 1) / max(time.time() - start, 1e-3)  # SAFE: floored elapsed time, only printed
            print("%5d %.4f  %.1f it/s  r@1 %.3f" % (it, loss, rate, recall_at_1(net(x[:500]).numpy(), ids[:500])))
    net.save_weights("faces.weights.h5")


if __name__ == "__main__":
    main()
