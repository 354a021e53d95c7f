"""Distils a large birdsong tagger into a phone-size CNN.

Teacher posteriors are stored as float16 softmax outputs (teacher.npz: file, post) next to
the log-mel patches (mel/<file>.npy, dB).
"""
import argparse
import os
import random

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow.keras import layers

T_FRAMES, MELS = 192, 80


class Store:
    def __init__(self, root):
        self.root = root
        with np.load(os.path.join(root, "teacher.npz")) as z:
            post = z["post"].astype(np.float32)
            self.files = [str(f) for f in z["file"]]
        self.post = post / post.sum(1, keepdims=True)  # SAFE: softmax rows sum to about one
        tab = pd.read_csv(os.path.join(root, "labels.csv"))
        self.species = sorted(tab.species.unique())
        y = dict(zip(tab.file, tab.species))
        self.y = np.array([self.species.index(y[f]) for f in self.files], np.int32)

    def patch(self, i, train):
        m = np.load(os.path.join(self.root, "mel", self.files[i] + ".npy")).astype(np.float32)
        if len(m) < T_FRAMES:
            m = np.pad(m, ((0, T_FRAMES - len(m)), (0, 0)), constant_values=-80.0)
        s = random.randint(0, len(m) - T_FRAMES) if train else (len(m) - T_FRAMES) // 2
        m = np.clip(m[s:s + T_FRAMES], -80.0, 0.0)
        return m / 40.0 + 1.0

    def dataset(self, idx, batch, train):
        def gen():
            order = np.random.permutation(idx) if train else idx
            for i in order:
                yield self.patch(i, train), self.post[i], self.y[i]
        sig = (tf.TensorSpec([T_FRAMES, MELS]), tf.TensorSpec([len(self.species)]), tf.TensorSpec([], tf.int32))
        return tf.data.Dataset.from_generator(gen, output_signature=sig).batch(batch).prefetch(2)


class FreqNorm(layers.Layer):
    """Instance norm along time, per mel bin."""

    def call(self, x):
        m = tf.reduce_mean(x, 1, keepdims=True)
        v = tf.reduce_mean(tf.square(x - m), 1, keepdims=True)
        return (x - m) / tf.sqrt(v + 1e-5)  # SAFE: padded silence has zero variance, offset under the root


def student(n, width):
    inp = tf.keras.Input((T_FRAMES, MELS))
    x = FreqNorm()(inp)
    x = layers.Reshape((T_FRAMES, MELS, 1))(x)
    for i, ch in enumerate((width, width * 2, width * 3, width * 4)):
        x = layers.SeparableConv2D(ch, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU(max_value=6.0)(x)
        x = layers.MaxPool2D((2, 2))(x)
    a = layers.Conv2D(1, 1)(x)
    a = layers.Softmax(axis=(1, 2))(a)  # SAFE: Keras softmax over positions is stabilised
    x = layers.Lambda(lambda t: tf.reduce_sum(t[0] * t[1], [1, 2]))([x, a])
    return tf.keras.Model(inp, layers.Dense(n)(x))


def soften(p, temp):
    """Re-tempers stored probabilities."""
    q = tf.pow(p, 1.0 / temp)  # SAFE: teacher probabilities are data, base non-negative and exponent positive
    return q / tf.reduce_sum(q, -1, keepdims=True)  # SAFE: the largest class has probability at least 1/n


def kl_to_teacher(p, logits, temp):
    p = soften(p, temp)
    logq = tf.nn.log_softmax(logits / temp)  # SAFE: temperature is validated positive in main, log_softmax is stable
    return temp ** 2 * tf.reduce_sum(p * (tf.math.log(p) - logq), -1)  # BUG: zero-log-zero, float16 posteriors underflow to exact 0 and 0*log(0) is NaN


def agreement(p, logits):
    return tf.reduce_mean(tf.cast(tf.argmax(p, -1) == tf.argmax(logits, -1), tf.float32))


class Distiller:
    def __init__(self, net, temp, alpha, lr):
        self.net, self.temp, self.alpha = net, temp, alpha
        self.opt = tf.keras.optimizers.Adam(lr, global_clipnorm=2.0)

    @tf.function
    def step(self, x, p, y):
        with tf.GradientTape() as tape:
            z = self.net(x, training=True)
            kd = tf.reduce_mean(kl_to_teacher(p, z, self.temp))
            ce = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=z))  # SAFE: student outputs logits
            loss = self.alpha * kd + (1 - self.alpha) * ce
        g = tape.gradient(loss, self.net.trainable_variables)
        self.opt.apply_gradients(zip(g, self.net.trainable_variables))
        return kd, ce

    def evaluate(self, ds):
        hit = n = 0
        ent = agr = 0.0
        for x, p, y in ds:
            z = self.net(x, training=False)
            q = tf.nn.softmax(z)
            ent += float(tf.reduce_sum(-tf.math.xlogy(q, q)))  # SAFE: xlogy is zero at zero
            agr += float(agreement(p, z)) * len(y)
            hit += int(tf.reduce_sum(tf.cast(tf.argmax(z, -1, output_type=tf.int32) == y, tf.int32)))
            n += len(y)
        n = max(n, 1)
        return hit / n, agr / n, ent / n  # SAFE: n floored at one


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("root")
    ap.add_argument("--temp", type=float, default=2.0)
    ap.add_argument("--alpha", type=float, default=0.8)
    ap.add_argument("--width", type=int, default=24)
    ap.add_argument("--batch", type=int, default=48)
    ap.add_argument("--epochs", type=int, default=40)
    ap.add_argument("--lr", type=float, default=1e-3)
    a = ap.parse_args()
    if a.temp <= 0 or not 0 <= a.alpha <= 1:
        ap.error("temperature must be positive and alpha in [0,1]")
    st = Store(a.root)
    idx = np.random.default_rng(0).permutation(len(st.files))
    k = int(0.9 * len(idx))
    net = student(len(st.species), a.width)
    print(f"{net.count_params() / 1e3:.0f}k parameters, teacher top-1 "
          f"{np.mean(st.post.argmax(1) == st.y):.3f}, teacher perplexity "
          f"{np.exp(np.mean(-np.sum(st.post * np.log(st.post + 1e-9), 1))):.2f}")  # SAFE: offset in the log and entropy bounded by log of the classes
    d = Distiller(net, a.temp, a.alpha, a.lr)
    best = 0.0
    for ep in range(a.epochs):
        s = np.array([[float(v) for v in d.step(*b)] for b in st.dataset(idx[:k], a.batch, True)])
        acc, agr, ent = d.evaluate(st.dataset(idx[k:], a.batch, False))
        print(f"{ep:3d} kd {s[:, 0].mean():.4f} ce {s[:, 1].mean():.4f} acc {acc:.4f} agree {agr:.4f} H {ent:.3f}")
        if acc > best:
            best = acc
            net.save("student.keras")


if __name__ == "__main__":
    main()
