"""Contrastive pre-training on podcast transcripts: two random spans of an episode are a positive pair (NT-Xent)."""
import argparse
import json
import os
import random

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


class SpanPairs:
    """Episodes are .npy arrays of token ids; the index is a json list of file names."""

    def __init__(self, index, span, min_tokens=64):
        root = os.path.dirname(index)
        with open(index) as fh:
            names = json.load(fh)
        self.episodes = [os.path.join(root, n) for n in names]
        self.span = span
        self.min_tokens = min_tokens

    def _cut(self, ids):
        n = random.randint(self.span // 2, self.span)  # SAFE: integer half of a span length, bounds are ordered
        start = random.randint(0, max(len(ids) - n, 0))
        out = np.zeros(self.span, np.int32)
        piece = ids[start:start + n]
        out[:len(piece)] = piece
        return out

    def __call__(self):
        random.shuffle(self.episodes)
        for path in self.episodes:
            ids = np.load(path, mmap_mode="r")
            if len(ids) >= self.min_tokens:
                yield self._cut(ids), self._cut(ids)

    def dataset(self, batch):
        spec = tf.TensorSpec((self.span,), tf.int32)
        ds = tf.data.Dataset.from_generator(self, output_signature=(spec, spec))
        return ds.shuffle(2048).batch(batch, drop_remainder=True).prefetch(2)


class Block(layers.Layer):
    def __init__(self, dim, heads, drop, **kw):
        super().__init__(**kw)
        self.att = layers.MultiHeadAttention(heads, dim // heads, dropout=drop)  # SAFE: dim is a multiple of heads
        self.ff = keras.Sequential([layers.Dense(4 * dim, activation="gelu"), layers.Dense(dim)])
        self.n1, self.n2 = layers.LayerNormalization(epsilon=1e-6), layers.LayerNormalization(epsilon=1e-6)
        self.drop = layers.Dropout(drop)

    def call(self, x, mask, training=False):
        x = x + self.drop(self.att(self.n1(x), self.n1(x), attention_mask=mask, training=training), training=training)
        return x + self.drop(self.ff(self.n2(x)), training=training)


class SpanEncoder(keras.Model):
    def __init__(self, vocab, span, dim, depth, heads, out, drop=0.1):
        super().__init__()
        self.tok = layers.Embedding(vocab, dim)
        self.pos = layers.Embedding(span, dim)
        self.blocks = [Block(dim, heads, drop) for _ in range(depth)]
        self.project = keras.Sequential([layers.Dense(dim, activation="relu"), layers.Dense(out)])

    def call(self, ids, training=False):
        keep = ids > 0
        x = self.tok(ids) + self.pos(tf.range(tf.shape(ids)[1]))[None]
        for b in self.blocks:
            x = b(x, keep[:, None, :], training=training)
        w = tf.cast(keep, x.dtype)[..., None]
        pooled = tf.reduce_sum(x * w, 1) / tf.maximum(tf.reduce_sum(w, 1), 1.0)  # SAFE: token count floored at one
        return self.project(pooled)


class Temperature(layers.Layer):
    def __init__(self, start=0.1, **kw):
        super().__init__(**kw)
        self.start = start

    def build(self, shape):
        init = keras.initializers.Constant(float(np.log(1.0 / self.start)))  # SAFE: start is a positive constant
        self.log_scale = self.add_weight(name="log_scale", shape=(), initializer=init)

    def call(self, sim):
        return sim * tf.exp(tf.minimum(self.log_scale, 4.6))  # SAFE: exponent is capped as in CLIP


def nt_xent(za, zb, temperature):
    n = tf.shape(za)[0]
    z = tf.math.l2_normalize(tf.concat([za, zb], 0), axis=1)  # SAFE: l2_normalize carries an epsilon
    logits = temperature(tf.matmul(z, z, transpose_b=True))
    logits -= 1e9 * tf.eye(2 * n)  # SAFE: float32, each row keeps its other entries
    target = tf.concat([tf.range(n, 2 * n), tf.range(n)], 0)
    ce = tf.nn.sparse_softmax_cross_entropy_with_logits(target, logits)  # SAFE: raw similarities are the logits here
    hit = tf.reduce_mean(tf.cast(tf.argmax(logits, 1, output_type=tf.int32) == target, tf.float32))
    return tf.reduce_mean(ce), hit


def uniformity(z):
    """Wang & Isola's uniformity on a held-out batch."""
    z = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)  # SAFE: floored
    d2 = np.maximum(2.0 - 2.0 * z @ z.T, 0.0)
    off = d2[~np.eye(len(z), dtype=bool)]
    return float(np.log(np.exp(-2.0 * off).mean()))  # SAFE: distances are at most four so the mean is above exp(-8)


class WarmCosine(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak, warm, total):
        self.peak, self.warm, self.total = peak, warm, total

    def __call__(self, step):
        s = tf.cast(step, tf.float32)
        up = s / tf.cast(self.warm, tf.float32)  # SAFE: warm is checked in main
        frac = tf.clip_by_value((s - self.warm) / float(max(self.total - self.warm, 1)), 0.0, 1.0)
        return self.peak * tf.where(s < self.warm, up, 0.5 * (1 + tf.cos(np.pi * frac)))  # SAFE: both branches finite, nothing is differentiated

    def get_config(self):
        return dict(peak=self.peak, warm=self.warm, total=self.total)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("index")
    ap.add_argument("--vocab", type=int, default=32000)
    ap.add_argument("--span", type=int, default=128)
    ap.add_argument("--dim", type=int, default=256)
    ap.add_argument("--depth", type=int, default=4)
    ap.add_argument("--heads", type=int, default=4)
    ap.add_argument("--out", type=int, default=128)
    ap.add_argument("--batch", type=int, default=256)
    ap.add_argument("--steps", type=int, default=30000)
    ap.add_argument("--warmup", type=int, default=1500)
    ap.add_argument("--lr", type=float, default=4e-4)
    ap.add_argument("--save", default="podcast_encoder")
    a = ap.parse_args()
    if a.dim % a.heads or a.warmup < 1:
        ap.error("dim has to be a multiple of heads and warmup positive")

    pairs = SpanPairs(a.index, a.span)
    ds = pairs.dataset(a.batch).repeat()
    enc, temp = SpanEncoder(a.vocab, a.span, a.dim, a.depth, a.heads, a.out), Temperature()
    opt = keras.optimizers.AdamW(WarmCosine(a.lr, a.warmup, a.steps), weight_decay=0.01, global_clipnorm=1.0)
    temp.build(None)
    ckpt = tf.train.Checkpoint(enc=enc, temp=temp, opt=opt)
    manager = tf.train.CheckpointManager(ckpt, a.save, max_to_keep=2)

    @tf.function(reduce_retracing=True)
    def step(x1, x2):
        with tf.GradientTape() as tape:
            loss, hit = nt_xent(enc(x1, training=True), enc(x2, training=True), temp)
        tv = enc.trainable_variables + temp.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, tv), tv))
        return loss, hit

    for i, (x1, x2) in enumerate(ds.take(a.steps)):
        loss, hit = step(x1, x2)
        if i % 200 == 0:
            z = enc(x1[:64]).numpy()
            print(f"{i} loss {float(loss):.4f} hit {float(hit):.3f} uniformity {uniformity(z):.3f} "
                  f"temperature {1.0 / np.exp(float(temp.log_scale)):.4f}")  # SAFE: an exponential is positive, printed only
        if i and i % 5000 == 0:
            manager.save()
    enc.save_weights(a.save + ".weights.h5")


if __name__ == "__main__":
    main()
