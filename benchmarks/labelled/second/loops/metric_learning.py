"""Image retrieval: embeddings with batch-hard triplets, center loss and NT-Xent."""
import argparse
import json
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


def pairwise_distances(emb, squared=False):
    dot = tf.matmul(emb, emb, transpose_b=True)
    sq = tf.linalg.diag_part(dot)
    d2 = sq[:, None] - 2.0 * dot + sq[None, :]
    d2 = tf.maximum(d2, 0.0)
    if squared:
        return d2
    return tf.sqrt(d2)  # BUG: sqrt-grad, once embeddings collapse to one point (or a batch has one class) a selected distance is 0 and its gradient infinite


def masked_pairwise(emb):
    d2 = pairwise_distances(emb, squared=True)
    zero = tf.cast(tf.equal(d2, 0.0), tf.float32)
    d = tf.sqrt(d2 + zero * 1e-16)  # SAFE: zeros are replaced by 1e-16 before the root
    return d * (1.0 - zero)


def batch_hard_triplet(labels, emb, margin):
    dist = pairwise_distances(emb)
    same = tf.equal(labels[:, None], labels[None, :])
    eye = tf.eye(tf.shape(labels)[0], dtype=tf.bool)
    pos = tf.cast(same & ~eye, tf.float32)
    neg = tf.cast(~same, tf.float32)
    hardest_pos = tf.reduce_max(dist * pos, axis=1)
    max_d = tf.reduce_max(dist, axis=1, keepdims=True)
    hardest_neg = tf.reduce_min(dist + max_d * (1.0 - neg), axis=1)
    return tf.reduce_mean(tf.nn.relu(hardest_pos - hardest_neg + margin))


def nt_xent(z_a, z_b, temperature=0.1):
    z_a = tf.math.l2_normalize(z_a, axis=-1)  # SAFE: l2_normalize floors the squared norm at 1e-12
    z_b = tf.math.l2_normalize(z_b, axis=-1)
    z = tf.concat([z_a, z_b], axis=0)
    sim = tf.matmul(z, z, transpose_b=True) / temperature  # SAFE: temperature is the constant 0.1 at every call
    n = tf.shape(z_a)[0]
    sim = sim - 1e9 * tf.eye(2 * n)  # SAFE: float32, only the diagonal is pushed down and other columns remain
    target = tf.concat([tf.range(n, 2 * n), tf.range(n)], axis=0)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=target, logits=sim))


def center_distance(emb, centers):
    d2 = tf.reduce_sum(tf.square(emb - centers), axis=-1)
    return tf.sqrt(d2)  # BUG: sqrt-grad, centres start at 0 and a ReLU embedding can be all 0


def unit_vectors(emb):
    norm = tf.sqrt(tf.reduce_sum(tf.square(emb), axis=-1, keepdims=True) + 1e-24)  # SAFE: 1e-24 is a normal float32, the root is 1e-12
    return emb / norm  # SAFE: norm is at least 1e-12


def cosine_to_centers(emb, centers):
    length = tf.reduce_sum(tf.abs(emb), axis=-1, keepdims=True)
    scaled = tf.where(length > 0.0, emb / length, tf.zeros_like(emb))  # BUG: where-grad, a zero embedding is hidden by tf.where but its gradient is 0 / 0
    return tf.reduce_sum(unit_vectors(scaled) * centers, axis=-1)


class CenterBank(tf.keras.layers.Layer):
    def __init__(self, n_classes, dim, rate=0.5):
        super().__init__()
        self.rate = rate
        self.n_classes = n_classes
        self.centers = self.add_weight(
            name="centers", shape=(n_classes, dim), initializer="zeros", trainable=False)

    def call(self, emb, labels):
        own = tf.gather(self.centers, labels)
        return tf.reduce_mean(center_distance(emb, own)) - 0.1 * tf.reduce_mean(cosine_to_centers(emb, own))

    def refresh(self, emb, labels):
        sums = tf.math.unsorted_segment_sum(emb, labels, self.n_classes)
        counts = tf.math.unsorted_segment_sum(tf.ones_like(labels, tf.float32), labels, self.n_classes)
        means = sums / tf.maximum(counts, 1.0)[:, None]  # SAFE: counts floored at 1
        seen = tf.cast(counts > 0, tf.float32)[:, None]
        self.centers.assign_add(self.rate * seen * (means - self.centers))


def build_embedder(size, dim):
    return tf.keras.Sequential([
        layers.Input((size, size, 3)),
        layers.Rescaling(1.0 / 255),
        layers.Conv2D(32, 3, strides=2, activation="relu"),
        layers.BatchNormalization(),
        layers.Conv2D(64, 3, strides=2, activation="relu"),
        layers.BatchNormalization(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(dim, activation="relu"),
    ])


class Retrieval(tf.keras.Model):
    def __init__(self, size, dim, n_classes, margin=0.5, center_weight=0.01, spread_weight=0.0):
        super().__init__()
        self.embedder = build_embedder(size, dim)
        self.bank = CenterBank(n_classes, dim)
        self.margin = margin
        self.center_weight = center_weight
        self.spread_weight = spread_weight
        self.loss_metric = tf.keras.metrics.Mean(name="loss")

    def call(self, x, training=False):
        return self.embedder(x, training=training)

    def spread(self, emb):
        d = masked_pairwise(emb)
        return tf.reduce_mean(tf.exp(-d))  # SAFE: distances are non negative so the exponential is at most 1

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            emb = self(x, training=True)
            flipped = self(tf.image.flip_left_right(x), training=True)
            loss = batch_hard_triplet(y, emb, self.margin)
            loss += self.center_weight * self.bank(emb, y)
            loss += 0.1 * nt_xent(emb, flipped, 0.1)
            loss += self.spread_weight * self.spread(emb)
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        self.bank.refresh(tf.stop_gradient(emb), y)
        self.loss_metric.update_state(loss)
        return {"loss": self.loss_metric.result()}


def recall_at_k(emb, labels, k=5):
    norm = np.linalg.norm(emb, axis=1, keepdims=True)
    unit = emb / np.maximum(norm, 1e-12)  # SAFE: norm floored at 1e-12
    sim = unit @ unit.T
    np.fill_diagonal(sim, -np.inf)  # SAFE: only used for argsort
    top = np.argsort(-sim, axis=1)[:, :k]
    return float(np.mean([(labels[t] == l).any() for t, l in zip(top, labels)]))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--root", default="data/products")
    p.add_argument("--size", type=int, default=96)
    p.add_argument("--dim", type=int, default=64)
    p.add_argument("--epochs", type=int, default=20)
    args = p.parse_args()
    ds = tf.keras.utils.image_dataset_from_directory(
        args.root, image_size=(args.size, args.size), batch_size=64)
    model = Retrieval(args.size, args.dim, len(ds.class_names))
    model.compile(optimizer=tf.keras.optimizers.Adam(1e-3))
    model.fit(ds, epochs=args.epochs)
    emb = np.concatenate([model(x).numpy() for x, _ in ds])
    labels = np.concatenate([y.numpy() for _, y in ds])
    with open(os.path.join(args.root, "metrics.json"), "w") as f:
        json.dump({"recall@5": recall_at_k(emb, labels)}, f)


if __name__ == "__main__":
    main()
