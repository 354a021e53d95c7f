import argparse
import math
import os

import keras
import numpy as np
import tensorflow as tf

from transformer import Transformer

PAD, BOS, EOS = 0, 1, 2
CONFIG = {"vocab": 16000, "dim": 256, "heads": 8, "hidden": 1024, "layers": 4, "dropout": 0.1, "max_len": 128}


class NoamSchedule(keras.optimizers.schedules.LearningRateSchedule):

    def __init__(self, dim, warmup=4000):
        self.dim, self.warmup = float(dim), float(warmup)

    def __call__(self, step):
        s = tf.maximum(tf.cast(step, tf.float32), 1.0)
        return tf.math.rsqrt(self.dim) * tf.minimum(tf.math.rsqrt(s), s * self.warmup ** -1.5)  # SAFE: the step is at least one


def smoothed_loss(targets, logits, eps=0.1):
    logp = tf.nn.log_softmax(logits)  # SAFE: finite for finite logits
    vocab = tf.cast(tf.shape(logits)[-1], tf.float32)
    nll = -tf.gather(logp, targets, axis=-1, batch_dims=2)
    uniform = -tf.reduce_sum(logp, -1) / vocab  # SAFE: the vocabulary is not empty
    mask = tf.cast(tf.not_equal(targets, PAD), tf.float32)
    floor = -((1 - eps) * math.log(1 - eps) + eps * math.log(eps / 16000))  # SAFE: constants with 0 < eps < 1
    per_tok = (1 - eps) * nll + eps * uniform - floor
    return tf.reduce_sum(per_tok * mask) / tf.reduce_sum(mask)  # SAFE: every target ends with EOS, so there is at least one token


def read_pairs(path, max_len):
    """id lists: source tokens <tab> target tokens"""
    pairs = []
    with open(path) as fh:
        for line in fh:
            s, t = line.rstrip("\n").split("\t")
            s = [int(v) for v in s.split()][: max_len - 1] + [EOS]
            t = [BOS] + [int(v) for v in t.split()][: max_len - 2] + [EOS]
            pairs.append((s, t))
    return sorted(pairs, key=lambda p: len(p[0]))


def batches(pairs, tokens, rng=None):
    groups, cur, longest = [], [], 0
    for s, t in pairs:
        longest = max(longest, len(s), len(t))
        if cur and longest * (len(cur) + 1) > tokens:
            groups.append(cur)
            cur, longest = [], max(len(s), len(t))
        cur.append((s, t))
    groups.append(cur)
    for k in (range(len(groups)) if rng is None else rng.permutation(len(groups))):
        yield tuple(keras.utils.pad_sequences([p[i] for p in groups[k]], padding="post") for i in (0, 1))


def train_step(model, opt, src, tgt):
    with tf.GradientTape() as tape:
        logits = model((src, tgt[:, :-1]), training=True)
        loss = smoothed_loss(tgt[:, 1:], logits)
    grads = tape.gradient(loss, model.trainable_variables)
    grads, norm = tf.clip_by_global_norm([tf.convert_to_tensor(g) for g in grads], 1.0)
    opt.apply_gradients(zip(grads, model.trainable_variables))
    return loss, norm


def beam_search(model, src, width=4, alpha=0.6, max_len=100):
    memory, mask = model.encode(src)
    beams = [([BOS], 0.0)]
    done = []
    for _ in range(max_len):
        cand = []
        for ids, score in beams:
            logits = model.decode(tf.constant([ids]), memory, mask)[0, -1]
            logp = tf.nn.log_softmax(logits).numpy()
            for k in np.argsort(-logp)[:width]:
                cand.append((ids + [int(k)], score + float(logp[k])))
        cand.sort(key=lambda b: -b[1])
        beams = []
        for ids, score in cand[:width]:
            if ids[-1] == EOS:
                done.append((ids, score / ((5 + len(ids)) / 6) ** alpha))  # SAFE: the length penalty is at least one
            else:
                beams.append((ids, score))
        if not beams or len(done) >= width:
            break
    return max(done, key=lambda b: b[1])[0] if done else beams[0][0]


def perplexity(model, pairs, tokens):
    total, n = 0.0, 0.0
    for src, tgt in batches(pairs, tokens):
        logits = model((src, tgt[:, :-1]))
        nll = tf.nn.sparse_softmax_cross_entropy_with_logits(tgt[:, 1:], logits)  # SAFE: decode returns logits
        mask = tf.cast(tgt[:, 1:] != PAD, tf.float32)
        total += float(tf.reduce_sum(nll * mask))
        n += float(tf.reduce_sum(mask))
    return math.exp(min(total / max(n, 1.0), 50.0))  # SAFE: floor below and cap above


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="train.ids")
    ap.add_argument("--valid", default="valid.ids")
    ap.add_argument("--tokens", type=int, default=4096)
    ap.add_argument("--epochs", type=int, default=20)
    ap.add_argument("--out", default="nmt")
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    train, valid = read_pairs(a.train, CONFIG["max_len"]), read_pairs(a.valid, CONFIG["max_len"])
    model = Transformer(CONFIG)
    opt = keras.optimizers.Adam(NoamSchedule(CONFIG["dim"]), beta_2=0.98, epsilon=1e-9)  # SAFE: float32, epsilon of the Transformer paper
    step = tf.function(train_step, reduce_retracing=True)
    rng, i = np.random.default_rng(1), 0
    for epoch in range(a.epochs):
        for src, tgt in batches(train, a.tokens, rng):
            loss, norm = step(model, opt, tf.constant(src), tf.constant(tgt))
            i += 1
            if i % 100 == 0:
                print(f"{epoch} {i} loss {float(loss):.4f} |g| {float(norm):.3f}", flush=True)
        print("valid ppl", perplexity(model, valid, a.tokens))
        print("sample", beam_search(model, tf.constant([valid[0][0]])))
        model.save_weights(os.path.join(a.out, f"m{epoch}.weights.h5"))


if __name__ == "__main__":
    main()
