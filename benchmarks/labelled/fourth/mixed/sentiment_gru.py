"""Sentiment with star rating as an auxiliary target. Data: json lines with `text`, `stars`."""
import argparse
import json
import logging

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

log = logging.getLogger("sentiment")


def read_jsonl(path):
    texts, stars = [], []
    with open(path) as f:
        for line in f:
            r = json.loads(line)
            if r["stars"] != 3:
                texts.append(r["text"])
                stars.append(int(r["stars"]))
    return texts, np.array(stars)


class MaskedSoftmaxPool(layers.Layer):
    """softmax over time with the exp written out, so that empty rows give zeros."""

    supports_masking = True

    def __init__(self, **kw):
        super().__init__(**kw)
        self.score = layers.Dense(1)

    def call(self, h, mask=None):
        e = tf.squeeze(self.score(h), -1)
        m = tf.ones_like(e) if mask is None else tf.cast(mask, e.dtype)
        e = tf.where(m > 0, e, tf.fill(tf.shape(e), -1e4))
        e = e - tf.stop_gradient(tf.reduce_max(e, -1, keepdims=True))
        w = tf.exp(e) * m  # SAFE: row maximum subtracted
        w = w / (tf.reduce_sum(w, -1, keepdims=True) + 1e-7)  # SAFE: numerator holds a 1 or the row is empty and 1e-7 stays
        return tf.einsum("bt,btd->bd", w, h)

    def compute_mask(self, inputs, mask=None):
        return None


class MaskedMean(layers.Layer):
    supports_masking = True

    def call(self, h, mask=None):
        m = tf.cast(tf.ones(tf.shape(h)[:2]) if mask is None else mask, h.dtype)[..., None]
        n = tf.reduce_sum(m, axis=1)
        return tf.reduce_sum(h * m, axis=1) / tf.where(n > 0, n, tf.ones_like(n))  # SAFE: empty rows divide by 1

    def compute_mask(self, inputs, mask=None):
        return None


class ScaleNorm(layers.Layer):
    def __init__(self, dim, eps=1e-5, **kw):
        super().__init__(**kw)
        self.dim, self.eps = dim, eps

    def build(self, shape):
        self.g = self.add_weight(shape=(), initializer=keras.initializers.Constant(self.dim ** 0.5), name="g")

    def call(self, x):
        sq = tf.reduce_sum(tf.square(x), -1, keepdims=True)
        return self.g * x * tf.math.rsqrt(tf.maximum(sq, self.eps))  # SAFE: argument floored at 1e-5 and maximum passes no gradient below


def build(vocab, length, dim):
    tok = keras.Input((length,), dtype="int32")
    x = layers.Embedding(vocab, dim, mask_zero=True)(tok)
    x = layers.GRU(dim, return_sequences=True)(x)
    both = layers.Concatenate()([MaskedSoftmaxPool()(x), MaskedMean()(x)])
    z = ScaleNorm(2 * dim)(both)
    z = layers.Dropout(0.3)(z)
    polarity = layers.Dense(1, name="polarity")(z)
    stars = layers.Dense(5, activation="softmax", name="stars")(z)
    return keras.Model(tok, [polarity, stars])


def soft_kappa_loss(y_true, p, n=5):
    """Quadratic weighted kappa on the batch, as a loss in 0..2."""
    i = tf.range(n, dtype=tf.float32)
    w = tf.square(i[:, None] - i[None, :]) / float((n - 1) ** 2)  # SAFE: n is 5
    t = tf.one_hot(tf.cast(tf.reshape(y_true, [-1]), tf.int32), n)
    num = tf.reduce_sum(tf.gather(w, tf.argmax(t, -1)) * p)
    outer = tf.einsum("i,j->ij", tf.reduce_sum(t, 0), tf.reduce_sum(p, 0)) / tf.cast(tf.shape(p)[0], p.dtype)  # SAFE: Keras never passes an empty batch
    return num / (tf.reduce_sum(w * outer) + 1e-3)  # SAFE: all terms are not negative and 1e-3 is added


def compile_model(model, lr):
    model.compile(
        optimizer=keras.optimizers.Adam(lr, clipnorm=1.0),
        loss={"polarity": keras.losses.BinaryCrossentropy(from_logits=True),  # SAFE: polarity head is linear
              "stars": soft_kappa_loss},
        loss_weights={"polarity": 1.0, "stars": 0.3},
        metrics={"polarity": [keras.metrics.BinaryAccuracy(threshold=0.0)], "stars": ["accuracy"]},
    )
    return model


def perplexity_of_counts(ids, vocab):
    c = np.bincount(ids[ids > 0].ravel(), minlength=vocab)
    q = c[c > 0] / c.sum()
    return float(np.exp(-(q * np.log(q)).sum()))  # SAFE: zero counts are filtered out


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="reviews.jsonl")
    ap.add_argument("--vocab", type=int, default=15000)
    ap.add_argument("--length", type=int, default=200)
    ap.add_argument("--dim", type=int, default=64)
    ap.add_argument("--lr", type=float, default=1e-3)
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO)
    texts, stars = read_jsonl(a.data)
    vec = layers.TextVectorization(a.vocab, output_sequence_length=a.length)
    vec.adapt(texts)
    ids = vec(tf.constant(texts)).numpy()
    log.info("unigram perplexity %.1f", perplexity_of_counts(ids, a.vocab))
    y = {"polarity": (stars > 3).astype("float32")[:, None], "stars": (stars - 1)[:, None]}
    model = compile_model(build(a.vocab, a.length, a.dim), a.lr)
    model.fit(ids, y, validation_split=0.1, batch_size=128, epochs=4)


if __name__ == "__main__":
    main()
