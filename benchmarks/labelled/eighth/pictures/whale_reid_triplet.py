"""Whale fluke re-identification: batch-hard triplets + GeM embedding, compat with the old evaluation CSVs."""
import argparse
import collections
import os
import random

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow.keras import layers

W, H = 256, 128


class PKSampler:
    """P identities x K pictures per batch."""

    def __init__(self, df, root, p, k, steps):
        self.by_id = collections.defaultdict(list)
        for r in df.itertuples():
            self.by_id[r.whale].append(os.path.join(root, r.file))
        self.ids = [w for w, fs in self.by_id.items() if len(fs) > 1]
        self.index = {w: i for i, w in enumerate(self.ids)}
        self.p, self.k, self.steps = p, k, steps

    def __call__(self):
        for _ in range(self.steps):
            for w in random.sample(self.ids, self.p):
                fs = self.by_id[w]
                pick = random.sample(fs, self.k) if len(fs) >= self.k else random.choices(fs, k=self.k)
                for f in pick:
                    yield f, self.index[w]

    def dataset(self):
        ds = tf.data.Dataset.from_generator(self, output_signature=(tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.int32)))
        return ds.map(lambda f, y: (augment(load(f)), y), tf.data.AUTOTUNE).batch(self.p * self.k).prefetch(2)


def load(f):
    g = tf.cast(tf.io.decode_jpeg(tf.io.read_file(f), channels=1), tf.float32)
    g = tf.image.resize(g, (H, W))
    m, s = tf.reduce_mean(g), tf.math.reduce_std(g)
    return (g - m) / tf.maximum(s, 8.0)  # SAFE: contrast floored at 8 grey levels


def augment(x):
    x = tf.image.random_flip_left_right(x)
    return x * tf.random.uniform([], 0.8, 1.2) + tf.random.uniform([], -0.2, 0.2)


def pairwise_distance(e):
    """Euclidean distance matrix."""
    sq = tf.reduce_sum(e * e, 1)
    d2 = tf.maximum(sq[:, None] + sq[None] - 2.0 * tf.matmul(e, e, transpose_b=True), 0.0)
    zero = tf.cast(d2 <= 0.0, e.dtype)
    d = tf.sqrt(d2 + zero * 1e-12)  # SAFE: exact zeros are lifted to 1e-12 before the root
    return d * (1.0 - zero)


def batch_hard(labels, e, margin):
    d = pairwise_distance(e)
    same = tf.equal(labels[:, None], labels[None])
    not_self = tf.logical_not(tf.eye(tf.shape(labels)[0], dtype=tf.bool))
    pos = tf.cast(tf.logical_and(same, not_self), e.dtype)
    hardest_pos = tf.reduce_max(d * pos, 1)
    far = tf.reduce_max(d, 1, keepdims=True)
    hardest_neg = tf.reduce_min(d + far * tf.cast(same, e.dtype), 1)
    if margin is None:
        loss = tf.nn.softplus(hardest_pos - hardest_neg)  # SAFE: softplus is stable for large arguments
    else:
        loss = tf.nn.relu(hardest_pos - hardest_neg + margin)
    active = tf.cast(loss > 1e-6, e.dtype)
    return tf.reduce_sum(loss) / tf.maximum(tf.reduce_sum(active), 1.0), tf.reduce_mean(active)  # SAFE: active triplets floored at one


class GeM(layers.Layer):
    def build(self, shape):
        self.p = self.add_weight(name="p", shape=(), initializer=tf.keras.initializers.Constant(3.0),
                                 constraint=tf.keras.constraints.NonNeg())

    def call(self, x):
        p = 1.0 + tf.minimum(self.p, 5.0)
        x = tf.pow(tf.maximum(x, 1e-3), p)  # SAFE: base floored at 1e-3, exponent in [1, 6]
        return tf.pow(tf.reduce_mean(x, [1, 2]), 1.0 / p)  # SAFE: mean at least 1e-18 in float32, exponent at most 1


def build(dim):
    inp = tf.keras.Input((H, W, 1))
    x = layers.Conv2D(32, 5, 2, padding="same", use_bias=False)(inp)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    for ch in (64, 128, 192, 256):
        s = layers.Conv2D(ch, 1, 2, padding="same", use_bias=False)(x)
        y = layers.Conv2D(ch, 3, 2, padding="same", use_bias=False)(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.Conv2D(ch, 3, padding="same", use_bias=False)(y)
        y = layers.BatchNormalization(gamma_initializer="zeros")(y)  # SAFE: residual branch, gradient reaches gamma through the shortcut
        x = layers.ReLU()(layers.Add()([s, y]))
    x = GeM()(x)
    x = layers.Dense(dim, use_bias=False)(x)
    return tf.keras.Model(inp, layers.UnitNormalization()(x))  # SAFE: UnitNormalization uses an epsilon in the squared norm


def map_at_5(gallery, g_id, query, q_id):
    sim = query @ gallery.T
    order = np.argsort(-sim, 1)
    score = []
    for row, y in zip(order, q_id):
        seen = []
        for j in row:
            if g_id[j] not in seen:
                seen.append(g_id[j])
            if len(seen) == 5:
                break
        score.append(1.0 / (seen.index(y) + 1) if y in seen else 0.0)  # SAFE: rank starts at one
    return float(np.mean(score))


def embed(net, df, root):
    ds = tf.data.Dataset.from_tensor_slices([os.path.join(root, f) for f in df.file]).map(load).batch(64)
    return net.predict(ds, verbose=0)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("root")
    ap.add_argument("csv")
    ap.add_argument("--p", type=int, default=12)
    ap.add_argument("--k", type=int, default=4)
    ap.add_argument("--margin", type=float, default=None)
    ap.add_argument("--dim", type=int, default=256)
    ap.add_argument("--epochs", type=int, default=60)
    ap.add_argument("--steps", type=int, default=300)
    a = ap.parse_args()
    df = pd.read_csv(a.csv)
    val_ids = set(df.whale.unique()[::10])
    tr, va = df[~df.whale.isin(val_ids)], df[df.whale.isin(val_ids)]
    net = build(a.dim)
    sched = tf.keras.optimizers.schedules.CosineDecay(3e-4, a.epochs * a.steps, alpha=1e-2)  # SAFE: steps and epochs positive
    opt = tf.keras.optimizers.Adam(sched, global_clipnorm=5.0)
    sampler = PKSampler(tr, a.root, a.p, a.k, a.steps)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as t:
            loss, act = batch_hard(y, net(x, training=True), a.margin)
        g = t.gradient(loss, net.trainable_variables)
        opt.apply_gradients(zip(g, net.trainable_variables))
        return loss, act

    for ep in range(a.epochs):
        s = np.array([[float(v) for v in step(x, y)] for x, y in sampler.dataset()])
        gal = va.groupby("whale").head(1)
        qry = va.drop(gal.index)
        m = map_at_5(embed(net, gal, a.root), gal.whale.to_numpy(), embed(net, qry, a.root), qry.whale.to_numpy())
        print(f"epoch {ep} loss {s[:, 0].mean():.4f} active {s[:, 1].mean():.2f} mAP@5 {m:.4f}")
        net.save_weights("whale.weights.h5")


if __name__ == "__main__":
    main()
