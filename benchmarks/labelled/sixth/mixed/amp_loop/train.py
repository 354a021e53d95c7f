import argparse
import glob
import os
import numpy as np
import tensorflow as tf
from net import build
from ops import weighted_nll, confusion, miou, entropy_map

CLASSES = 11
SIZE = 64


def median_frequency(counts):
    freq = counts / max(counts.sum(), 1.0)  # SAFE: pixel total floored at one
    freq = np.maximum(freq, 1e-4)
    return np.minimum(np.median(freq) / freq, 10.0).astype("float32")  # SAFE: frequencies floored at 1e-4, ratio capped at 10


def reader(root, batch):
    imgs = sorted(glob.glob(os.path.join(root, "img", "*.png")))
    labs = sorted(glob.glob(os.path.join(root, "lab", "*.png")))

    def load(a, b):
        x = tf.io.decode_png(tf.io.read_file(a), 3)
        y = tf.io.decode_png(tf.io.read_file(b), 1)
        x = tf.image.resize(tf.image.convert_image_dtype(x, tf.float32), (SIZE, SIZE))  # SAFE: uint8 input, convert_image_dtype scales it to [0, 1]
        y = tf.image.resize(y, (SIZE, SIZE), method="nearest")
        return x, tf.cast(y[..., 0], tf.int32)
    return tf.data.Dataset.from_tensor_slices((imgs, labs)).shuffle(512).map(load).batch(batch, drop_remainder=True)


class Trainer:
    def __init__(self, lr, class_weights, mixed=True):
        tf.keras.mixed_precision.set_global_policy("mixed_float16" if mixed else "float32")
        self.model = build(SIZE, CLASSES)
        opt = tf.keras.optimizers.Adam(lr, epsilon=1e-7)
        self.opt = tf.keras.mixed_precision.LossScaleOptimizer(opt)
        self.w = tf.constant(class_weights)

    def losses(self, x, y):
        prob = self.model(x, training=True)
        return weighted_nll(y, prob, self.w)

    def step(self, x, y):
        with tf.GradientTape() as tape:
            loss = self.losses(x, y)
            scaled = self.opt.scale_loss(loss)
        g = tape.gradient(scaled, self.model.trainable_variables)
        self.opt.apply_gradients(zip(g, self.model.trainable_variables))
        return loss

    def evaluate(self, ds):
        cm, ent = tf.zeros([CLASSES, CLASSES]), []
        for x, y in ds:
            p = self.model(x, training=False)
            cm += confusion(y, tf.argmax(p, -1), CLASSES)
            ent.append(float(tf.reduce_mean(entropy_map(p))))
        return float(miou(cm)), float(np.mean(ent)) if ent else 0.0  # SAFE: guarded for an empty validation set


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--root", default="camvid")
    ap.add_argument("--lr", type=float, default=5e-4)
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--epochs", type=int, default=80)
    ap.add_argument("--fp32", action="store_true")
    a = ap.parse_args()
    counts = np.load(os.path.join(a.root, "counts.npy")).astype("float64")
    tr = Trainer(a.lr, median_frequency(counts), mixed=not a.fp32)
    train, val = reader(os.path.join(a.root, "train"), a.batch), reader(os.path.join(a.root, "val"), a.batch)
    for ep in range(a.epochs):
        losses = [float(tr.step(x, y)) for x, y in train]
        print(ep, np.mean(losses) if losses else None, *tr.evaluate(val))


if __name__ == "__main__":
    main()
