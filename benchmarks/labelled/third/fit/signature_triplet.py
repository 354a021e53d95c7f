"""Online batch-hard triplet network for offline signatures (CEDAR)."""
import argparse
import os
import re

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers
from tensorflow.keras.applications import mobilenet_v2

SIZE = (96, 160)


def scan(root):
    files, ids = [], []
    for sub in ("full_org", "full_forg"):
        for f in sorted(os.listdir(os.path.join(root, sub))):
            m = re.match(r"(original|forgeries)_(\d+)_(\d+)\.png", f)
            if m is None:
                continue
            files.append(os.path.join(root, sub, f))
            ids.append(2 * int(m.group(2)) + (m.group(1) == "forgeries"))
    return files, np.array(ids, "int32")


def read(path):
    img = tf.io.decode_png(tf.io.read_file(path), channels=1)
    img = 255 - img
    img = tf.image.resize_with_pad(img, *SIZE)
    img = tf.image.grayscale_to_rgb(img)
    return mobilenet_v2.preprocess_input(img)  # SAFE: preprocess_input scales 0..255 to [-1, 1]


def balanced_batches(files, ids, writers_per_batch, per_writer, seed=0):
    rng = np.random.default_rng(seed)
    by_id = {k: np.flatnonzero(ids == k) for k in np.unique(ids)}
    keys = np.array(sorted(by_id))

    def gen():
        while True:
            chosen = rng.choice(keys, writers_per_batch, replace=False)
            for k in chosen:
                for j in rng.choice(by_id[k], per_writer, replace=len(by_id[k]) < per_writer):
                    yield files[j], ids[j]

    ds = tf.data.Dataset.from_generator(gen, output_signature=(
        tf.TensorSpec((), tf.string), tf.TensorSpec((), tf.int32)))
    return ds.map(lambda p, y: (read(p), y)).batch(writers_per_batch * per_writer, drop_remainder=True)


def pairwise_distances(emb, squared=False):
    dot = tf.matmul(emb, emb, transpose_b=True)
    sq = tf.linalg.diag_part(dot)
    d2 = sq[:, None] - 2.0 * dot + sq[None, :]
    d2 = tf.maximum(d2, 0.0)
    if squared:
        return d2
    return tf.sqrt(d2)  # BUG: sqrt-grad, the diagonal is exactly zero and maximum passes the infinite slope of the root on


class BatchHardTriplet(keras.losses.Loss):
    def __init__(self, margin=0.3, soft=False, name="batch_hard"):
        super().__init__(name=name)
        self.margin = margin
        self.soft = soft

    def call(self, labels, emb):
        labels = tf.reshape(labels, [-1])
        dist = pairwise_distances(emb)
        dist = dist / (tf.reduce_mean(dist) + 1e-6)  # SAFE: mean distance is not negative and 1e-6 is added
        same = tf.cast(labels[:, None] == labels[None, :], dist.dtype)
        eye = tf.eye(tf.shape(labels)[0], dtype=dist.dtype)
        hardest_pos = tf.reduce_max(dist * (same - eye), axis=1)
        row_max = tf.reduce_max(dist, axis=1, keepdims=True)
        hardest_neg = tf.reduce_min(dist + row_max * same, axis=1)
        gap = hardest_pos - hardest_neg
        if self.soft:
            return tf.reduce_mean(tf.nn.softplus(gap))  # SAFE: softplus does not overflow
        return tf.reduce_mean(tf.maximum(gap + self.margin, 0.0))


class L2Normalize(layers.Layer):
    def call(self, x):
        return tf.math.l2_normalize(x, axis=-1)  # SAFE: l2_normalize has epsilon 1e-12 under its root, finite also for a zero vector


def build_embedder(dim=128, weights="imagenet"):
    base = mobilenet_v2.MobileNetV2(input_shape=SIZE + (3,), include_top=False, weights=weights, pooling="avg")
    inp = keras.Input(SIZE + (3,))
    x = base(inp)
    x = layers.Dropout(0.2)(x)
    x = layers.Dense(dim)(x)
    return keras.Model(inp, L2Normalize()(x))


def eer(dist, same):
    """Equal error rate from distances of pairs."""
    order = np.argsort(dist)
    s = same[order].astype("float64")
    far = np.cumsum(1 - s) / max((1 - s).sum(), 1.0)  # SAFE: count of negative pairs at least 1 by max
    frr = 1 - np.cumsum(s) / max(s.sum(), 1.0)  # SAFE: count of positive pairs at least 1 by max
    k = np.argmin(np.abs(far - frr))
    return 0.5 * (far[k] + frr[k])


def evaluate(model, images, ids):
    e = model.predict(images, verbose=0)
    d = np.sqrt(np.maximum(((e[:, None] - e[None]) ** 2).sum(-1), 0))  # SAFE: numpy evaluation, no gradient, argument not negative
    iu = np.triu_indices(len(ids), 1)
    return eer(d[iu], (ids[:, None] == ids[None])[iu])


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("root")
    ap.add_argument("--soft", action="store_true")
    ap.add_argument("--lr", type=float, default=1e-4)
    ap.add_argument("--steps", type=int, default=200)
    ap.add_argument("--epochs", type=int, default=15)
    args = ap.parse_args()
    files, ids = scan(args.root)
    test = ids >= 2 * 45
    ds = balanced_batches([f for f, t in zip(files, test) if not t], ids[~test], 8, 4)
    model = build_embedder()
    model.compile(keras.optimizers.Adam(args.lr), BatchHardTriplet(soft=args.soft))
    model.fit(ds, steps_per_epoch=args.steps, epochs=args.epochs)
    xs = np.stack([read(f).numpy() for f, t in zip(files, test) if t])
    print("EER", evaluate(model, xs, ids[test]))
    model.save("signature_embedder.keras")


if __name__ == "__main__":
    main()
