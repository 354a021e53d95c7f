"""Multi-label comment moderation, char + word CNN. Data: jsonl with {"text": ..., "labels": [...]}"""
import argparse
import json
import logging
import pathlib
import re

import numpy as np
import tensorflow as tf
from tensorflow.keras import Model, layers

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
log = logging.getLogger(__name__)

TAGS = ("insult", "threat", "spam", "sexual", "self_harm", "doxxing")
URL = re.compile(r"https?://\S+")


def clean(text):
    text = URL.sub(" <url> ", text.lower())
    return re.sub(r"\s+", " ", text).strip()


def shout_ratio(text):
    letters = [c for c in text if c.isalpha()]
    if not letters:
        return 0.0
    return sum(c.isupper() for c in letters) / len(letters)  # SAFE: empty texts returned above


def read(path):
    texts, extra, y = [], [], []
    with open(path, encoding="utf-8") as fh:
        for line in fh:
            rec = json.loads(line)
            texts.append(clean(rec["text"]))
            extra.append([shout_ratio(rec["text"]), np.log1p(len(rec["text"])) / 8.0])  # SAFE: length is never negative
            y.append([float(t in rec["labels"]) for t in TAGS])
    return np.array(texts, dtype=object), np.array(extra, np.float32), np.array(y, np.float32)


def tag_weights(y, cap=20.0):
    pos = y.sum(0)
    neg = len(y) - pos
    return np.minimum(neg / np.maximum(pos, 1.0), cap).astype(np.float32)  # SAFE: positives floored at one


class TagHead(layers.Layer):
    """One small tower for each tag."""

    def __init__(self, n_tags, units, activation="sigmoid", **kw):
        super().__init__(**kw)
        self.towers = [layers.Dense(units, activation="relu") for _ in range(n_tags)]
        self.scores = [layers.Dense(1) for _ in range(n_tags)]
        self.out = layers.Activation(activation)

    def call(self, h):
        z = tf.concat([s(t(h)) for t, s in zip(self.towers, self.scores)], axis=-1)
        return self.out(z)


class WeightedBCE(tf.keras.losses.Loss):
    def __init__(self, weights, **kw):
        super().__init__(**kw)
        self.w = tf.constant(weights)

    def call(self, y, score):
        per_tag = tf.nn.weighted_cross_entropy_with_logits(y, score, self.w)  # BUG: loss-pairing, the head already applies a sigmoid
        return tf.reduce_mean(per_tag, axis=-1)


def pool_valid(h, mask):
    m = tf.cast(mask, h.dtype)[..., None]
    mean = tf.reduce_sum(h * m, 1) / tf.maximum(tf.reduce_sum(m, 1), 1.0)  # SAFE: at least one
    top = tf.reduce_max(h + (1.0 - m) * -1e4, 1)  # SAFE: a plain additive mask in float32
    return tf.concat([mean, tf.maximum(top, -10.0)], -1)


class Moderator(Model):
    def __init__(self, words, cfg):
        super().__init__()
        self.words = words
        self.emb = layers.Embedding(words.vocabulary_size(), cfg.dim)
        self.convs = [layers.Conv1D(cfg.filters, k, padding="same", activation="gelu") for k in (2, 3, 5)]
        self.drop = layers.Dropout(cfg.dropout)
        self.head = TagHead(len(TAGS), 32)

    def call(self, inputs, training=False):
        ids, extra = inputs
        e = self.emb(ids)
        h = tf.concat([c(e) for c in self.convs], -1)
        pooled = pool_valid(h, ids > 0)
        return self.head(self.drop(tf.concat([pooled, extra], -1), training=training))


def f1_table(y, p, cut=0.5):
    rows = {}
    for i, tag in enumerate(TAGS):
        hit = p[:, i] >= cut
        tp = float((hit & (y[:, i] == 1)).sum())
        prec = tp / max(hit.sum(), 1)  # SAFE: max with one
        rec = tp / max(y[:, i].sum(), 1)  # SAFE: max with one
        rows[tag] = 2 * prec * rec / (prec + rec + 1e-9)  # SAFE: evaluation in double precision
    return rows


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("data", type=pathlib.Path)
    ap.add_argument("--vocab", type=int, default=40000)
    ap.add_argument("--length", type=int, default=160)
    ap.add_argument("--dim", type=int, default=128)
    ap.add_argument("--filters", type=int, default=96)
    ap.add_argument("--dropout", type=float, default=0.3)
    ap.add_argument("--epochs", type=int, default=8)
    ap.add_argument("--out", type=pathlib.Path, default=pathlib.Path("moderator"))
    cfg = ap.parse_args()
    cfg.out.mkdir(exist_ok=True, parents=True)

    text, extra, y = read(cfg.data / "train.jsonl")
    vtext, vextra, vy = read(cfg.data / "valid.jsonl")
    words = layers.TextVectorization(cfg.vocab, output_sequence_length=cfg.length)
    words.adapt(tf.data.Dataset.from_tensor_slices([str(t) for t in text]).batch(512))
    ids = words(tf.constant([str(t) for t in text])).numpy()
    vids = words(tf.constant([str(t) for t in vtext])).numpy()

    model = Moderator(words, cfg)
    steps = cfg.epochs * max(len(ids) // 128, 1)  # SAFE: 128 is the batch size
    lr = tf.keras.optimizers.schedules.PolynomialDecay(1e-3, steps, 1e-5)
    model.compile(tf.keras.optimizers.Adam(lr), loss=WeightedBCE(tag_weights(y)),
                  metrics=[tf.keras.metrics.AUC(multi_label=True, num_labels=len(TAGS))])
    model.fit((ids, extra), y, batch_size=128, epochs=cfg.epochs, validation_data=((vids, vextra), vy), verbose=2)

    prob = model.predict((vids, vextra), batch_size=512, verbose=0)
    for tag, f1 in f1_table(vy, prob).items():
        log.info("%-10s F1 %.3f", tag, f1)
    model.save_weights(str(cfg.out / "moderator.weights.h5"))


if __name__ == "__main__":
    main()
