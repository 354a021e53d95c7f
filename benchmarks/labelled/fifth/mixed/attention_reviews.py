"""Sentiment of product reviews with a masked attention encoder (tf.data + Keras)."""
import argparse
import json
import math

import tensorflow as tf
from tensorflow.keras import layers

NEG = -1e9


def standardise(text):
    text = tf.strings.lower(text)
    text = tf.strings.regex_replace(text, "<br />", " ")
    return tf.strings.regex_replace(text, "[^a-z0-9' ]", "")


def read_jsonl(path):
    texts, stars = [], []
    with open(path, encoding="utf8") as f:
        for line in f:
            rec = json.loads(line)
            texts.append(rec["text"])
            stars.append(float(rec["stars"]))
    return texts, stars


def class_weights(labels):
    pos = sum(1 for v in labels if v > 0.5)
    neg = len(labels) - pos
    n = len(labels)
    return {0: n / (2.0 * max(neg, 1)), 1: n / (2.0 * max(pos, 1))}  # SAFE: maximum with 1 for an empty class


def positions(length, dim):
    pos = tf.range(length, dtype=tf.float32)[:, None]
    i = tf.range(0, dim, 2, dtype=tf.float32)[None]
    rate = tf.exp(-math.log(10000.0) * i / dim)  # SAFE: the exponent is between -9.3 and 0, dim is a constant
    return tf.concat([tf.sin(pos * rate), tf.cos(pos * rate)], axis=-1)


class MaskedSelfAttention(layers.Layer):
    def __init__(self, dim, heads, **kw):
        super().__init__(**kw)
        self.dim, self.heads = dim, heads
        self.depth = dim // heads
        self.qkv = layers.Dense(3 * dim, use_bias=False)
        self.proj = layers.Dense(dim)

    def call(self, x, mask):
        b, t = tf.shape(x)[0], tf.shape(x)[1]
        q, k, v = tf.split(tf.reshape(self.qkv(x), [b, t, self.heads, 3 * self.depth]), 3, axis=-1)
        score = tf.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(self.depth)  # SAFE: constant depth of 16
        score += (1.0 - tf.cast(mask, score.dtype))[:, None, None, :] * NEG
        w = tf.nn.softmax(score, axis=-1)  # SAFE: finite mask value, rows that are all padding become uniform
        out = tf.einsum("bhqk,bkhd->bqhd", w, v)
        return self.proj(tf.reshape(out, [b, t, self.dim]))


class RMSNorm(layers.Layer):
    def __init__(self, eps=1e-6, **kw):
        super().__init__(**kw)
        self.eps = eps

    def build(self, shape):
        self.g = self.add_weight(name="g", shape=(shape[-1],), initializer="ones")

    def call(self, x):
        ms = tf.reduce_mean(tf.square(x), axis=-1, keepdims=True)
        return self.g * x * tf.math.rsqrt(ms + self.eps)  # SAFE: mean of squares plus 1e-6


class MeanPool(layers.Layer):
    def call(self, x, mask):
        m = tf.cast(mask, x.dtype)[..., None]
        return tf.reduce_sum(x * m, axis=1) / tf.maximum(tf.reduce_sum(m, axis=1), 1.0)  # SAFE: maximum with 1 for empty reviews


class LogMeanExpPool(layers.Layer):
    """Smooth maximum over the words."""

    def call(self, x, mask):
        m = tf.cast(mask, x.dtype)[..., None]
        n = tf.maximum(tf.reduce_sum(m, axis=1), 1.0)
        x = x * m + (1.0 - m) * NEG
        top = tf.stop_gradient(tf.reduce_max(x, axis=1, keepdims=True))
        s = tf.reduce_sum(tf.exp(x - top), axis=1)  # SAFE: the maximum is subtracted, exponents are at most 0
        pooled = tf.math.log(s / n) + top[:, 0]  # SAFE: the largest term of the sum is 1 and n is at least 1
        return tf.where(tf.reduce_any(mask, axis=1, keepdims=True), pooled, 0.0)


class ReviewModel(tf.keras.Model):
    def __init__(self, vocab, length, dim=64, heads=4, layers_n=2, **kw):
        super().__init__(**kw)
        self.embed = layers.Embedding(vocab, dim)
        self.pos = positions(length, dim)
        self.attn = [MaskedSelfAttention(dim, heads) for _ in range(layers_n)]
        self.n1 = [RMSNorm() for _ in range(layers_n)]
        self.n2 = [RMSNorm() for _ in range(layers_n)]
        self.ff = [tf.keras.Sequential([layers.Dense(4 * dim, activation="gelu"), layers.Dense(dim)])
                   for _ in range(layers_n)]
        self.mean, self.lme = MeanPool(), LogMeanExpPool()
        self.out = layers.Dense(1)
        self.scale = math.sqrt(dim)

    def call(self, ids, training=None):
        mask = ids > 0
        x = self.embed(ids) * self.scale + self.pos[None]
        for a, n1, n2, f in zip(self.attn, self.n1, self.n2, self.ff):
            x = x + a(n1(x), mask)
            x = x + f(n2(x))
        return self.out(tf.concat([self.mean(x, mask), self.lme(x, mask)], -1))


class CalibrationError(tf.keras.metrics.Metric):
    def __init__(self, bins=10, name="ece", **kw):
        super().__init__(name=name, **kw)
        self.bins = bins
        self.conf = self.add_weight(name="conf", shape=(bins,), initializer="zeros")
        self.hit = self.add_weight(name="hit", shape=(bins,), initializer="zeros")
        self.n = self.add_weight(name="n", shape=(bins,), initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        p = tf.reshape(tf.sigmoid(y_pred), [-1])
        t = tf.reshape(tf.cast(y_true, p.dtype), [-1])
        b = tf.clip_by_value(tf.cast(p * self.bins, tf.int32), 0, self.bins - 1)
        self.conf.assign_add(tf.math.unsorted_segment_sum(p, b, self.bins))
        self.hit.assign_add(tf.math.unsorted_segment_sum(t, b, self.bins))
        self.n.assign_add(tf.math.unsorted_segment_sum(tf.ones_like(p), b, self.bins))

    def result(self):
        n = tf.convert_to_tensor(self.n)
        gap = tf.abs(tf.math.divide_no_nan(tf.convert_to_tensor(self.conf) - tf.convert_to_tensor(self.hit), n))  # SAFE: empty bins give 0
        return tf.reduce_sum(gap * n) / tf.maximum(tf.reduce_sum(n), 1.0)  # SAFE: maximum with 1


class InverseSqrt(tf.keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak, warmup):
        super().__init__()
        self.peak, self.warmup = peak, float(max(warmup, 1))

    def __call__(self, step):
        s = tf.cast(step, tf.float32) + 1.0
        return self.peak * tf.minimum(s / self.warmup, tf.sqrt(self.warmup) * tf.math.rsqrt(s))  # SAFE: s starts at 1, warmup is at least 1


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="data/train.jsonl")
    ap.add_argument("--valid", default="data/valid.jsonl")
    ap.add_argument("--vocab", type=int, default=20000)
    ap.add_argument("--length", type=int, default=200)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--epochs", type=int, default=6)
    ap.add_argument("--lr", type=float, default=6e-4)
    ap.add_argument("--warmup", type=int, default=500)
    args = ap.parse_args()

    texts, stars = read_jsonl(args.train)
    labels = [float(s >= 4) for s in stars]
    vec = layers.TextVectorization(args.vocab, standardize=standardise, output_sequence_length=args.length)
    vec.adapt(texts)

    def ds(t, y, training):
        d = tf.data.Dataset.from_tensor_slices((t, y))
        d = d.shuffle(20000) if training else d
        return d.batch(args.batch).map(lambda a, b: (vec(a), b), tf.data.AUTOTUNE).prefetch(2)

    vt, vs = read_jsonl(args.valid)
    model = ReviewModel(args.vocab, args.length)
    model.compile(tf.keras.optimizers.AdamW(InverseSqrt(args.lr, args.warmup), clipnorm=1.0),
                  loss=tf.keras.losses.BinaryCrossentropy(from_logits=True),  # SAFE: the last Dense layer has no activation
                  metrics=[tf.keras.metrics.BinaryAccuracy(threshold=0.0), CalibrationError()])
    model.fit(ds(texts, labels, True), validation_data=ds(vt, [float(s >= 4) for s in vs], False),
              epochs=args.epochs, class_weight=class_weights(labels))


if __name__ == "__main__":
    main()
