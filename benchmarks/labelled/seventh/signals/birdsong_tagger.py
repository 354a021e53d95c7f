"""Multi-label bird call tagging from field recordings: trainable PCEN front end, CNN, attention pooling."""
import argparse
import json
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

SR, WIN, HOP, MELS = 22050, 1024, 512, 64


class PCEN(layers.Layer):
    """Per channel energy normalisation (Wang et al. 2017) with trained exponents."""

    def __init__(self, smooth=0.025, eps=1e-6, **kw):
        super().__init__(**kw)
        self.smooth, self.eps = smooth, eps

    def build(self, shape):
        n = shape[-1]
        const = keras.initializers.Constant
        self.alpha = self.add_weight(shape=(n,), initializer=const(0.98), name="alpha")
        self.log_delta = self.add_weight(shape=(n,), initializer=const(np.log(2.0)), name="log_delta")  # SAFE: constant
        self.root = self.add_weight(shape=(n,), initializer=const(0.5), name="root")

    def call(self, e):
        frames = tf.unstack(e, axis=1)
        m, out = frames[0], []
        for f in frames:
            m = (1.0 - self.smooth) * m + self.smooth * f
            out.append(m)
        m = tf.stack(out, 1)
        alpha = tf.clip_by_value(self.alpha, 0.0, 1.0)
        root = tf.clip_by_value(self.root, 0.05, 1.0)
        delta = tf.exp(tf.clip_by_value(self.log_delta, -4.0, 4.0))  # SAFE: argument clipped to [-4, 4]
        gain = tf.exp(-alpha * tf.math.log(self.eps + m))  # SAFE: smoothed energies are >= 0 plus 1e-6, gain is at most 1e6
        return tf.pow(e * gain + delta, root) - tf.pow(delta, root)  # SAFE: both bases are at least delta >= exp(-4)


def mel_energies(wav):
    spec = tf.abs(tf.signal.stft(wav, WIN, HOP))
    mel = tf.signal.linear_to_mel_weight_matrix(MELS, WIN // 2 + 1, SR, 150.0, 10000.0)
    return tf.matmul(tf.square(spec), mel)


def peak_normalise(wav):
    return wav / np.maximum(np.abs(wav).max(), 1e-3)  # SAFE: floored at 1e-3


class AttentionPool(layers.Layer):
    """Class-wise attention over time (framewise detection head of PANNs)."""

    def __init__(self, n_class, **kw):
        super().__init__(**kw)
        self.att = layers.Dense(n_class)
        self.cla = layers.Dense(n_class)

    def call(self, x):
        w = tf.nn.softmax(tf.tanh(self.att(x)), axis=1)
        return tf.reduce_sum(w * self.cla(x), axis=1)


def build(frames, n_class):
    inp = keras.Input((frames, MELS))
    x = layers.Reshape((frames, MELS, 1))(PCEN()(inp))
    for f in (16, 32, 64):
        x = layers.Conv2D(f, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        x = layers.AveragePooling2D(2)(x)
    x = layers.Lambda(lambda t: tf.reduce_mean(t, 2) + tf.reduce_max(t, 2))(x)
    return keras.Model(inp, AttentionPool(n_class)(x))


def tagging_loss(y, z):
    return -tf.reduce_mean(y * tf.math.log(tf.sigmoid(z)) + (1.0 - y) * tf.math.log(1.0 - tf.sigmoid(z)))  # BUG: log-sigmoid, sigmoid rounds to exactly 1 for scores above 17, log(0) and NaN slope


def asymmetric_loss(y, z, gamma_neg=4.0, clip=0.05):
    p = tf.sigmoid(z)
    p_neg = tf.maximum(p - clip, 0.0)
    pos = y * tf.math.log_sigmoid(z)  # SAFE: log_sigmoid is the stable form
    neg = (1.0 - y) * tf.pow(p_neg, gamma_neg) * tf.math.log(tf.maximum(1.0 - p_neg, 1e-6))  # SAFE: gamma_neg is 4 and the log is floored at 1e-6
    return -tf.reduce_mean(pos + neg)


def cooccurrence_penalty(z, prior):
    """KL between predicted species shares and the regional checklist."""
    share = tf.nn.softmax(tf.reduce_mean(z, 0))
    return tf.reduce_sum(share * tf.math.log(share / (prior + 1e-45)))  # BUG: weak-guard, 1e-45 is a denormal that is flushed to 0 in float32 kernels, species absent from the checklist have prior 0


def checklist_prior(counts):
    c = np.asarray(counts, np.float32)
    return c / max(c.sum(), 1.0)  # SAFE: floored at 1


def mean_average_precision(y, s):
    out = []
    for k in range(y.shape[1]):
        if y[:, k].sum() == 0:
            continue
        o = np.argsort(-s[:, k])
        hit = y[o, k]
        prec = np.cumsum(hit) / np.arange(1, len(hit) + 1)  # SAFE: the range starts at 1
        out.append((prec * hit).sum() / hit.sum())  # SAFE: classes without positives are skipped above
    return float(np.mean(out)) if out else 0.0


def load_manifest(path, seconds):
    n = int(seconds * SR)
    with open(path) as fh:
        for line in fh:
            r = json.loads(line)
            wav = np.load(r["npy"]).astype(np.float32)
            wav = np.pad(wav, (0, max(0, n - len(wav))))[:n]
            yield peak_normalise(wav), np.asarray(r["labels"], np.float32)


def mixup(wav, y, rng, alpha=0.4):
    lam = rng.beta(alpha, alpha, size=(len(wav), 1)).astype(np.float32)
    p = rng.permutation(len(wav))
    return lam * wav + (1 - lam) * wav[p], np.maximum(y, y[p])


class Trainer:
    def __init__(self, frames, counts, lr, objective, kl_weight):
        self.prior = tf.constant(checklist_prior(counts))
        self.model = build(frames, len(counts))
        self.opt = keras.optimizers.Adam(lr, global_clipnorm=5.0)
        self.loss = {"bce": tagging_loss, "asl": asymmetric_loss}[objective]
        self.kl_weight = kl_weight

    @tf.function
    def step(self, wav, y):
        e = mel_energies(wav)
        with tf.GradientTape() as tape:
            z = self.model(e, training=True)
            loss = self.loss(y, z) + self.kl_weight * cooccurrence_penalty(z, self.prior)
        g = tape.gradient(loss, self.model.trainable_variables)
        self.opt.apply_gradients(zip(g, self.model.trainable_variables))
        return loss, tf.sigmoid(z)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("manifest")
    ap.add_argument("--counts", default="checklist.json")
    ap.add_argument("--seconds", type=float, default=3.0)
    ap.add_argument("--objective", default="bce", choices=["bce", "asl"])
    ap.add_argument("--kl_weight", type=float, default=0.05)
    ap.add_argument("--epochs", type=int, default=30)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--out", default="birds")
    a = ap.parse_args()
    data = list(load_manifest(a.manifest, a.seconds))
    wav, y = np.stack([d[0] for d in data]), np.stack([d[1] for d in data])
    with open(a.counts) as fh:
        counts = json.load(fh)
    frames = mel_energies(wav[:1]).shape[1]
    tr = Trainer(frames, counts, a.lr, a.objective, a.kl_weight)
    rng = np.random.default_rng(0)
    os.makedirs(a.out, exist_ok=True)
    for epoch in range(a.epochs):
        idx = rng.permutation(len(wav))
        for i in range(0, len(idx) - 31, 32):
            j = idx[i:i + 32]
            loss, s = tr.step(*map(tf.constant, mixup(wav[j], y[j], rng)))
        print(epoch, float(loss), "mAP of the last batch", mean_average_precision(y[j], s.numpy()))
        tr.model.save_weights(os.path.join(a.out, "tagger.weights.h5"))


if __name__ == "__main__":
    main()
