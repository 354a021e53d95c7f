import argparse
import math
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras

from recognizer import Recognizer


def index_folders(root):
    people = sorted(d for d in os.listdir(root) if os.path.isdir(os.path.join(root, d)))
    paths, labels = [], []
    for k, p in enumerate(people):
        for f in os.listdir(os.path.join(root, p)):
            paths.append(os.path.join(root, p, f))
            labels.append(k)
    return paths, labels, len(people)


def dataset(paths, labels, size, batch):
    def load(p, y):
        img = tf.io.decode_jpeg(tf.io.read_file(p), channels=3)
        img = tf.image.resize(img, (size, size))
        img = tf.image.random_flip_left_right(img)
        return img, y
    ds = tf.data.Dataset.from_tensor_slices((paths, np.array(labels, "int32")))
    return ds.shuffle(len(paths)).map(load, num_parallel_calls=4).batch(batch, drop_remainder=True).prefetch(2)


def verification_accuracy(emb_a, emb_b, same):
    a = emb_a / np.maximum(np.linalg.norm(emb_a, axis=1, keepdims=True), 1e-12)  # SAFE: norm floored, evaluation only
    b = emb_b / np.maximum(np.linalg.norm(emb_b, axis=1, keepdims=True), 1e-12)  # SAFE: norm floored, evaluation only
    sim = (a * b).sum(1)
    angle = np.degrees(np.arccos(np.clip(sim, -1.0, 1.0)))  # SAFE: clipped, numpy, no gradient
    best = max(((angle < t) == same).mean() for t in np.arange(30, 100, 1.0))
    return best


def schedule(base, epochs):
    def f(epoch, lr):
        return 1e-5 + 0.5 * (base - 1e-5) * (1 + math.cos(math.pi * epoch / max(epochs, 1)))  # SAFE: epochs at least 1
    return keras.callbacks.LearningRateScheduler(f)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("root")
    ap.add_argument("--head", default="arcface", choices=["arcface", "cosface", "easy"])
    ap.add_argument("--size", type=int, default=112)
    ap.add_argument("--dim", type=int, default=256)
    ap.add_argument("--batch", type=int, default=128)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--epochs", type=int, default=25)
    a = ap.parse_args()
    paths, labels, n = index_folders(a.root)
    model = Recognizer(a.size, a.dim, n, a.head)
    model.compile(optimizer=keras.optimizers.AdamW(a.lr, weight_decay=5e-4))
    model.fit(dataset(paths, labels, a.size, a.batch), epochs=a.epochs, callbacks=[schedule(a.lr, a.epochs)])
    model.backbone.save("backbone.keras")


if __name__ == "__main__":
    main()
