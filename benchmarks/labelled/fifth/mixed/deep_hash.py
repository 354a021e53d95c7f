"""Supervised hashing for image retrieval: 32 bit codes from a small network.

Directory layout: root/class_name/*.jpg
"""
import argparse
import glob
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

SIZE = 48
BITS = 32


def find_images(root):
    names = sorted(d for d in os.listdir(root) if os.path.isdir(os.path.join(root, d)))
    files, labels = [], []
    for i, n in enumerate(names):
        for f in sorted(glob.glob(os.path.join(root, n, "*.jpg"))):
            files.append(f)
            labels.append(i)
    return files, np.array(labels, np.int32), names


def to_unit_range(img):
    img = tf.image.resize(img, [SIZE, SIZE])
    img = tf.image.convert_image_dtype(img, tf.float32)  # BUG: cast, resize already returns float32 0..255, so the conversion does not scale and the tanh layers saturate
    return img - 0.5


def load_image(path, label):
    img = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
    return to_unit_range(img), label


def pipeline(files, labels, batch, training):
    ds = tf.data.Dataset.from_tensor_slices((files, labels))
    if training:
        ds = ds.shuffle(len(files))
    ds = ds.map(load_image, tf.data.AUTOTUNE)
    if training:
        ds = ds.map(lambda x, y: (tf.image.random_flip_left_right(x), y))
    return ds.batch(batch, drop_remainder=training).prefetch(2)


class HashNet(tf.keras.Model):
    def __init__(self, bits=BITS, **kw):
        super().__init__(**kw)
        self.c1 = layers.Conv2D(24, 5, strides=2, activation="tanh")
        self.c2 = layers.Conv2D(48, 3, strides=2, activation="tanh")
        self.flat = layers.Flatten()
        self.fc = layers.Dense(128, activation="tanh")
        self.code = layers.Dense(bits)

    def relaxed(self, x):
        return tf.tanh(self.code(self.fc(self.flat(self.c2(self.c1(x))))))

    def call(self, x):
        h = self.relaxed(x)
        return h + tf.stop_gradient(tf.sign(h) - h)  # SAFE: straight-through estimator, the gradient is that of h


class PairLoss:
    """Likelihood of pairwise similarity (DPSH) with a bit balance term."""

    def __init__(self, bits=BITS, balance=0.1, quant=0.05):
        self.bits, self.balance, self.quant = bits, balance, quant

    def similarity(self, labels):
        return tf.cast(tf.equal(labels[:, None], labels[None, :]), tf.float32)

    def pair_weights(self, s):
        n = tf.cast(tf.size(s), tf.float32)
        n_pos = tf.reduce_sum(s)
        w_pos = n / tf.maximum(n_pos, 1.0)  # SAFE: maximum with 1
        w_neg = n / tf.maximum(n - n_pos, 1.0)  # SAFE: maximum with 1 for batches of one class
        w = tf.where(s > 0.5, w_pos, w_neg)
        return w / tf.reduce_mean(w)  # SAFE: every weight is at least 1

    def likelihood(self, h, s):
        theta = 0.5 * tf.matmul(h, h, transpose_b=True)
        return tf.nn.softplus(theta) - s * theta  # SAFE: stable softplus of an inner product of at most 16

    def quantisation(self, h):
        return tf.reduce_mean(tf.square(tf.abs(h) - 1.0))

    def bit_entropy(self, h):
        """Every bit should be on for half of the batch."""
        on = tf.reduce_mean(0.5 * (tf.sign(h) + 1.0), axis=0)  # BUG: other, the gradient of sign is 0 everywhere, so the balance term never moves a weight
        on = tf.clip_by_value(on, 0.01, 0.99)
        return -tf.reduce_mean(on * tf.math.log(on) + (1.0 - on) * tf.math.log(1.0 - on))  # SAFE: clipped to [0.01, 0.99]

    def __call__(self, h, labels):
        s = self.similarity(labels)
        like = tf.reduce_mean(self.pair_weights(s) * self.likelihood(h, s))
        return like + self.quant * self.quantisation(h) - self.balance * self.bit_entropy(h)


def fit(model, ds, epochs, lr):
    opt = tf.keras.optimizers.Adam(lr, clipnorm=5.0)
    criterion = PairLoss()

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = criterion(model.relaxed(x), y)
        g = tape.gradient(loss, model.trainable_variables)
        opt.apply_gradients(zip(g, model.trainable_variables))
        return loss

    for epoch in range(epochs):
        m = tf.keras.metrics.Mean()
        for x, y in ds:
            m.update_state(step(x, y))
        print("epoch", epoch, "loss", float(m.result()))


def encode(model, ds):
    codes, labels = [], []
    for x, y in ds:
        codes.append(np.packbits(model(x).numpy() > 0, axis=1))
        labels.append(y.numpy())
    return np.concatenate(codes), np.concatenate(labels)


def hamming(a, b):
    return np.unpackbits(a[:, None] ^ b[None], axis=2).sum(-1)


def mean_average_precision(codes, labels, k=100):
    d = hamming(codes, codes).astype(np.float64)
    np.fill_diagonal(d, np.inf)  # SAFE: keeps the query itself at the end of the ranking
    aps = []
    for i in range(len(codes)):
        order = np.argsort(d[i])[:k]
        hit = labels[order] == labels[i]
        if hit.any():
            prec = np.cumsum(hit) / np.arange(1, len(hit) + 1)  # SAFE: ranks start at 1
            aps.append((prec * hit).sum() / hit.sum())  # SAFE: hit.any() holds here
    return float(np.mean(aps)) if aps else 0.0


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--root", default="data/retrieval")
    ap.add_argument("--epochs", type=int, default=20)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--lr", type=float, default=1e-3)
    args = ap.parse_args()
    files, labels, names = find_images(args.root)
    model = HashNet()
    fit(model, pipeline(files, labels, args.batch, True), args.epochs, args.lr)
    codes, lab = encode(model, pipeline(files, labels, args.batch, False))
    print(len(names), "classes, map", mean_average_precision(codes, lab))


if __name__ == "__main__":
    main()
