"""Online batch-hard triplet training (Hermans et al.), embedding not normalised."""
import argparse
import collections
import os
import random

import numpy as np
import tensorflow as tf

IMG = 96


def backbone(dim):
    return tf.keras.Sequential([
        tf.keras.layers.Input((IMG, IMG, 3)),
        tf.keras.layers.Conv2D(32, 3, 2, activation="relu"),
        tf.keras.layers.Conv2D(64, 3, 2, activation="relu"),
        tf.keras.layers.Conv2D(128, 3, 2, activation="relu"),
        tf.keras.layers.GlobalAveragePooling2D(),
        tf.keras.layers.Dense(dim),
    ])


def pairwise_sq(e):
    dot = tf.matmul(e, e, transpose_b=True)
    sq = tf.linalg.diag_part(dot)
    return tf.maximum(sq[:, None] - 2.0 * dot + sq[None, :], 0.0)


def pairwise_distances(e, squared=False):
    d2 = pairwise_sq(e)
    if squared:
        return d2
    zero = tf.cast(tf.equal(d2, 0.0), tf.float32)
    d = tf.sqrt(d2 + zero * 1e-16)  # SAFE: entries equal to 0 become 1e-16 (gradient 5e7 times an exact 0 in the product), no inf
    return d * (1.0 - zero)


def center_distances(e, centers):
    diff = e[:, None, :] - centers[None, :, :]
    return tf.norm(diff, axis=-1)  # BUG: norm-grad, an identity with one image in the batch has the embedding itself as its center


def batch_hard(labels, emb, margin):
    d = pairwise_distances(emb)
    same = tf.cast(tf.equal(labels[:, None], labels[None, :]), tf.float32)
    pos = same - tf.eye(tf.shape(labels)[0])
    hardest_pos = tf.reduce_max(pos * d, axis=1)
    top = tf.reduce_max(d, axis=1, keepdims=True)
    hardest_neg = tf.reduce_min(d + top * same, axis=1)
    return tf.reduce_mean(tf.nn.softplus(hardest_pos - hardest_neg + margin))  # SAFE: softplus is the stable soft margin


def class_centers(labels, emb, n_ids):
    total = tf.math.unsorted_segment_sum(emb, labels, n_ids)
    count = tf.math.unsorted_segment_sum(tf.ones_like(labels, tf.float32), labels, n_ids)
    return total / tf.maximum(count, 1.0)[:, None]  # SAFE: count at least 1


def center_loss(labels, emb, n_ids):
    centers = class_centers(labels, emb, n_ids)
    d = center_distances(emb, centers)
    own = tf.one_hot(labels, n_ids)
    return tf.reduce_mean(tf.reduce_sum(own * d, axis=1))


class PKSampler:
    def __init__(self, root, p, k):
        self.by_id = collections.defaultdict(list)
        for person in sorted(os.listdir(root)):
            folder = os.path.join(root, person)
            for f in sorted(os.listdir(folder)):
                self.by_id[person].append(os.path.join(folder, f))
        self.ids = sorted(self.by_id)
        self.p, self.k = p, k

    @staticmethod
    def read(path):
        img = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        img = tf.image.resize(img, (IMG, IMG))
        return (img - 127.5) / 128.0  # SAFE: constant divisor, centred pixels

    def batch(self):
        imgs, labels = [], []
        for j, pid in enumerate(random.sample(self.ids, self.p)):
            files = self.by_id[pid]
            for f in random.sample(files, min(self.k, len(files))):
                imgs.append(self.read(f))
                labels.append(j)
        return tf.stack(imgs), tf.constant(labels, tf.int32)


class Trainer:
    def __init__(self, dim, margin, center_w, n_ids, lr):
        self.net = backbone(dim)
        self.margin, self.center_w, self.n_ids = margin, center_w, n_ids
        self.opt = tf.keras.optimizers.Adam(lr)

    def losses(self, x, labels):
        emb = self.net(x, training=True)
        tri = batch_hard(labels, emb, self.margin)
        cen = center_loss(labels, emb, self.n_ids)
        return tri, cen, emb

    @tf.function(reduce_retracing=True)
    def step(self, x, labels):
        with tf.GradientTape() as tape:
            tri, cen, emb = self.losses(x, labels)
            loss = tri + self.center_w * cen
        g = tape.gradient(loss, self.net.trainable_variables)
        self.opt.apply_gradients(zip(g, self.net.trainable_variables))
        return tri, cen, tf.reduce_mean(tf.norm(emb, axis=1))  # SAFE: outside of the tape, only reported


def verification_rate(emb, labels):
    e = emb / np.maximum(np.linalg.norm(emb, axis=1, keepdims=True), 1e-12)  # SAFE: maximum in the divisor, evaluation
    sim = e @ e.T
    np.fill_diagonal(sim, -1)
    return float((labels[sim.argmax(1)] == labels).mean())


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--root", default="faces")
    ap.add_argument("-p", type=int, default=16)
    ap.add_argument("-k", type=int, default=4)
    ap.add_argument("--margin", type=float, default=0.2)
    ap.add_argument("--center", type=float, default=0.01)
    ap.add_argument("--iters", type=int, default=25000)
    a = ap.parse_args()
    sampler = PKSampler(a.root, a.p, a.k)
    tr = Trainer(128, a.margin, a.center, a.p, 3e-4)
    for it in range(a.iters):
        x, y = sampler.batch()
        tri, cen, n = tr.step(x, y)
        if it % 50 == 0:
            print(it, float(tri), float(cen), float(n), verification_rate(tr.net(x).numpy(), y.numpy()))


if __name__ == "__main__":
    main()
