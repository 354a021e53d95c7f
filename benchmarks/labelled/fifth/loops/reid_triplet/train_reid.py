import argparse
import csv
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

import heads
import pairs


def read_index(path):
    with open(path) as f:
        rows = list(csv.DictReader(f))
    pid = {p: i for i, p in enumerate(sorted({r["pid"] for r in rows}))}
    return [r["file"] for r in rows], np.array([pid[r["pid"]] for r in rows], np.int32)


def decode(root, size):
    def fn(name, label):
        img = tf.io.decode_jpeg(tf.io.read_file(tf.strings.join([root, name], "/")), channels=3)
        img = tf.image.resize(tf.cast(img, tf.float32), size) / 255.0
        return tf.image.per_image_standardization(img), label  # SAFE: per_image_standardization floors std at 1/sqrt(n), so a constant image is fine
    return fn


def pk_batches(labels, p, k, rng):
    by = {}
    for i, l in enumerate(labels):
        by.setdefault(int(l), []).append(i)
    ids = [l for l, v in by.items() if len(v) >= 2]
    while True:
        for l in rng.choice(ids, p, replace=False):
            yield from rng.choice(by[l], k, replace=len(by[l]) < k)


def backbone(size, dim):
    x = inp = tf.keras.Input(size + (3,))
    for f in (32, 64, 128):
        x = layers.Conv2D(f, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    x = heads.GeM()(x)
    return tf.keras.Model(inp, layers.Dense(dim)(x))


class ReID:
    def __init__(self, n_ids, size=(128, 64), dim=128, margin=None, tri_weight=1.0, lr=3e-4):
        self.net = backbone(size, dim)
        self.head = heads.ArcMargin(n_ids)
        self.margin = margin
        self.tri_weight = tri_weight
        self.ce = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.opt = tf.keras.optimizers.Adam(lr)

    def triplet(self, emb, labels):
        dist = pairs.distances(emb)
        hp, hn = pairs.batch_hard(dist, labels)
        if self.margin is None:
            return tf.reduce_mean(tf.nn.softplus(hp - hn))  # SAFE: softplus does not overflow
        return tf.reduce_mean(tf.maximum(hp - hn + self.margin, 0.0))

    @tf.function
    def step(self, images, labels):
        with tf.GradientTape() as tape:
            emb = self.net(images, training=True)
            id_loss = self.ce(labels, self.head(emb, labels))
            tri = self.triplet(emb, labels)
            loss = id_loss + self.tri_weight * tri
        var = self.net.trainable_variables + self.head.trainable_variables
        self.opt.apply_gradients(zip(tape.gradient(loss, var), var))
        return id_loss, tri


def rank1(query, qlab, gallery, glab):
    q = query / np.maximum(np.linalg.norm(query, axis=1, keepdims=True), 1e-12)  # SAFE: norm floored, numpy and no gradient
    g = gallery / np.maximum(np.linalg.norm(gallery, axis=1, keepdims=True), 1e-12)  # SAFE: norm floored
    best = np.argmax(q @ g.T, axis=1)
    return float(np.mean(glab[best] == qlab))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--root", default="market1501")
    ap.add_argument("--P", type=int, default=16)
    ap.add_argument("--K", type=int, default=4)
    ap.add_argument("--steps", type=int, default=40000)
    ap.add_argument("--margin", type=float, default=None)
    a = ap.parse_args()
    files, labels = read_index(os.path.join(a.root, "train.csv"))
    rng = np.random.default_rng(0)
    gen = pk_batches(labels, a.P, a.K, rng)
    fn = decode(a.root, (128, 64))
    model = ReID(int(labels.max()) + 1, margin=a.margin)
    for t in range(a.steps):
        idx = [next(gen) for _ in range(a.P * a.K)]
        imgs = tf.stack([fn(files[i], 0)[0] for i in idx])
        il, tl = model.step(imgs, tf.constant(labels[idx]))
        if t % 50 == 0:
            print(f"{t} id {il:.4f} tri {tl:.4f}")


if __name__ == "__main__":
    main()
