"""Low-rank adapters on a frozen ViT for timber knot grading."""
import argparse
import os

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

GRADES = ["A", "B", "C", "D"]


class LowRank(layers.Layer):
    """y = x W + b + (alpha / r) x A B with W, b frozen."""

    def __init__(self, units, rank=8, alpha=16.0, down_init="zeros", up_init="zeros", **kw):
        super().__init__(**kw)
        self.units, self.rank, self.alpha = units, rank, alpha
        self.down_init = keras.initializers.get(down_init)
        self.up_init = keras.initializers.get(up_init)

    def build(self, shape):
        d = shape[-1]
        self.W = self.add_weight(name="W", shape=(d, self.units), trainable=False)
        self.b = self.add_weight(name="b", shape=(self.units,), initializer="zeros", trainable=False)
        self.A = self.add_weight(name="A", shape=(d, self.rank), initializer=self.down_init)
        self.B = self.add_weight(name="B", shape=(self.rank, self.units), initializer=self.up_init)

    def call(self, x):
        scale = self.alpha / self.rank  # SAFE: rank comes from the command line with choices 4, 8, 16
        return tf.matmul(x, self.W) + self.b + scale * tf.matmul(tf.matmul(x, self.A), self.B)  # BUG: init, both adapter factors start at zero so neither ever receives a gradient


class EncoderBlock(layers.Layer):
    def __init__(self, dim, heads, rank, **kw):
        super().__init__(**kw)
        self.heads, self.dk = heads, dim // heads
        self.n1, self.n2 = (layers.LayerNormalization(epsilon=1e-6, trainable=False) for _ in range(2))  # SAFE: float32 layer norm
        self.q, self.v = LowRank(dim, rank), LowRank(dim, rank)
        self.k = layers.Dense(dim, trainable=False)
        self.o = layers.Dense(dim, trainable=False)
        self.m1 = layers.Dense(4 * dim, activation="gelu", trainable=False)
        self.m2 = layers.Dense(dim, trainable=False)

    def split(self, t):
        return tf.transpose(tf.reshape(t, [tf.shape(t)[0], -1, self.heads, self.dk]), [0, 2, 1, 3])

    def call(self, x):
        h = self.n1(x)
        q, k, v = self.split(self.q(h)), self.split(self.k(h)), self.split(self.v(h))
        a = tf.nn.softmax(tf.matmul(q, k, transpose_b=True) / tf.sqrt(float(self.dk)))  # SAFE: constant head width, stable softmax
        y = tf.reshape(tf.transpose(tf.matmul(a, v), [0, 2, 1, 3]), [tf.shape(x)[0], -1, self.heads * self.dk])
        x = x + self.o(y)
        return x + self.m2(self.m1(self.n2(x)))


class KnotViT(keras.Model):
    def __init__(self, size, patch=16, dim=192, depth=6, heads=3, rank=8):
        super().__init__()
        self.embed = layers.Conv2D(dim, patch, patch, trainable=False)
        n = (size // patch) ** 2
        self.cls = self.add_weight(name="cls", shape=(1, 1, dim), initializer="zeros", trainable=False)
        self.pos = self.add_weight(name="pos", shape=(1, n + 1, dim), initializer=keras.initializers.RandomNormal(stddev=0.02), trainable=False)
        self.blocks = [EncoderBlock(dim, heads, rank) for _ in range(depth)]
        self.norm = layers.LayerNormalization(epsilon=1e-6, trainable=False)
        self.temperature = self.add_weight(name="temperature", shape=(), initializer="ones",
                                           constraint=lambda t: tf.clip_by_value(t, 0.2, 5.0))
        self.head = layers.Dense(len(GRADES), kernel_initializer="zeros", trainable=True)  # SAFE: only the last layer is zero, its kernel gradient is the feature times the error

    def call(self, img):
        x = self.embed(img)
        b = tf.shape(x)[0]
        x = tf.reshape(x, [b, -1, x.shape[-1]])
        x = tf.concat([tf.repeat(self.cls, b, 0), x], 1) + self.pos
        for blk in self.blocks:
            x = blk(x)
        return self.head(self.norm(x)[:, 0]) / self.temperature  # SAFE: temperature is constrained to [0.2, 5]


def load_backbone(model, npz):
    """Frozen weights exported from the pretraining job, keyed by layer path."""
    with np.load(npz) as z:
        hit = 0
        for v in model.non_trainable_variables:
            if v.path in z.files and tuple(z[v.path].shape) == tuple(v.shape):
                v.assign(z[v.path])
                hit += 1
    print(f"restored {hit}/{len(model.non_trainable_variables)} frozen tensors")


def dataset(df, root, size, batch, train):
    y = df.grade.map(GRADES.index).to_numpy(np.int32)
    paths = [os.path.join(root, f) for f in df.file]

    def read(p, t):
        im = tf.io.decode_jpeg(tf.io.read_file(p), channels=3)
        im = tf.image.resize(tf.cast(im, tf.float32), (size, size))
        if train:
            im = tf.image.random_flip_left_right(im)
        lo, hi = tf.reduce_min(im), tf.reduce_max(im)
        im = tf.math.divide_no_nan(im - lo, hi - lo)  # SAFE: uniform pictures give zeros
        return im * 2.0 - 1.0, t

    ds = tf.data.Dataset.from_tensor_slices((paths, y))
    if train:
        ds = ds.shuffle(len(df))
    return ds.map(read, tf.data.AUTOTUNE).batch(batch).prefetch(2)


def class_prior(df):
    f = df.grade.value_counts(normalize=True).reindex(GRADES, fill_value=0.0).to_numpy()
    return np.log(np.maximum(f, 1e-4))  # SAFE: absent grades floored


class AdjustedCE(keras.losses.Loss):
    """Logit adjustment (Menon et al.)."""

    def __init__(self, prior, tau=1.0):
        super().__init__(name="adjusted_ce")
        self.prior = tf.constant(tau * prior, tf.float32)

    def call(self, y, logits):
        y = tf.reshape(tf.cast(y, tf.int32), [-1])
        return tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits + self.prior)  # SAFE: raw logits shifted by a finite prior


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("root")
    ap.add_argument("csv")
    ap.add_argument("backbone")
    ap.add_argument("--size", type=int, default=224)
    ap.add_argument("--rank", type=int, choices=(4, 8, 16), default=8)
    ap.add_argument("--epochs", type=int, default=20)
    ap.add_argument("--batch", type=int, default=32)
    ap.add_argument("--lr", type=float, default=1e-3)
    a = ap.parse_args()
    df = pd.read_csv(a.csv).sample(frac=1.0, random_state=0)
    k = int(0.85 * len(df))
    tr, va = df[:k], df[k:]
    net = KnotViT(a.size, rank=a.rank)
    net(tf.zeros([1, a.size, a.size, 3]))
    load_backbone(net, a.backbone)
    net.compile(keras.optimizers.AdamW(a.lr, weight_decay=1e-2), loss=AdjustedCE(class_prior(tr)), metrics=["accuracy"])
    net.fit(dataset(tr, a.root, a.size, a.batch, True), validation_data=dataset(va, a.root, a.size, a.batch, False),
            epochs=a.epochs, callbacks=[keras.callbacks.ModelCheckpoint("knot.weights.h5", save_weights_only=True, save_best_only=True)])
    p = tf.nn.softmax(net.predict(dataset(va, a.root, a.size, a.batch, False))).numpy()
    conf = p.max(1)
    print("mean confidence", conf.mean(), "entropy", -(p * np.log(p + 1e-12)).sum(1).mean())  # SAFE: offset in the log, evaluation


if __name__ == "__main__":
    main()
