"""Distil a large word model into a small LSTM with tied embeddings (corpus + teacher logits in npz shards)."""
import argparse
import glob
import math

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

PAD = 0


def read_shards(pattern):
    for p in sorted(glob.glob(pattern)):
        d = np.load(p)
        for ids, top, val in zip(d["ids"], d["top_idx"], d["top_logit"]):
            yield ids.astype(np.int32), top.astype(np.int32), val.astype(np.float32)


def dataset(pattern, batch):
    gen = lambda: read_shards(pattern)
    sig = (tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, None], tf.float32))
    return tf.data.Dataset.from_generator(gen, output_signature=sig).shuffle(2000).padded_batch(batch)


class SmallLM(tf.keras.Model):
    def __init__(self, vocab, dim, emb_std):
        super().__init__()
        init = tf.keras.initializers.RandomNormal(stddev=emb_std)
        self.table = self.add_weight(shape=(vocab, dim), initializer=init, name="table")
        self.rnn = layers.LSTM(dim, return_sequences=True)
        self.norm = layers.LayerNormalization()  # SAFE: epsilon 1e-3 of the layer
        self.drop = layers.Dropout(0.1)

    def call(self, ids, training=False):
        x = tf.gather(self.table, ids)
        h = self.norm(self.rnn(self.drop(x, training=training)))
        return tf.einsum("btd,vd->btv", h, self.table)


def partition(logits):
    return tf.reduce_sum(tf.exp(logits), -1)  # BUG: exp-overflow, tied table with std 1 and 512 wide unit-variance states gives logits over 88


def self_normalised_penalty(logits, keep):
    """Keeps log Z near zero so that scoring can skip the softmax (Devlin et al.)."""
    return masked_mean(tf.square(tf.math.log(partition(logits))), keep)  # MAYBE: follows from partition, its sum has underflow to 0 only for a table that is all very negative


def masked_mean(x, keep):
    return tf.reduce_sum(x * keep) / tf.maximum(tf.reduce_sum(keep), 1.0)  # SAFE: floored at 1


def next_word_loss(ids, logits, keep):
    ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=ids, logits=logits)  # SAFE: fused
    return masked_mean(ce, keep)


def distill(top_idx, top_logit, logits, keep, temperature):
    t = tf.nn.softmax(top_logit / temperature)
    s = tf.nn.softmax(logits / temperature)
    s = tf.gather(s, top_idx, batch_dims=2)
    kl = tf.reduce_sum(t * (tf.math.log(tf.maximum(t, 1e-9)) - tf.math.log(s)), -1)  # BUG: log-softmax, student probability of a teacher word underflows to 0
    return temperature ** 2 * masked_mean(kl, keep)


def perplexity(mean_ce):
    return math.exp(min(mean_ce, 50.0))  # SAFE: capped at 50


def teacher_entropy(top_logit):
    p = tf.nn.softmax(top_logit)
    lp = tf.nn.log_softmax(top_logit)  # SAFE: log_softmax
    return -tf.reduce_mean(tf.reduce_sum(p * lp, -1))  # SAFE: teacher logits are finite, so the logarithm is finite


def unigram_init(counts):
    q = (counts + 1.0) / (counts.sum() + len(counts))
    return np.log(q).astype(np.float32)  # SAFE: add-one smoothing


def make_step(model, opt, args):
    @tf.function(reduce_retracing=True)
    def step(ids, top_idx, top_logit):
        x, y = ids[:, :-1], ids[:, 1:]
        keep = tf.cast(tf.not_equal(y, PAD), tf.float32)
        with tf.GradientTape() as tape:
            logits = model(x, training=True)
            ce = next_word_loss(y, logits, keep)
            kd = distill(top_idx[:, 1:], top_logit[:, 1:], logits, keep, args.temperature)
            loss = (1.0 - args.mix) * ce + args.mix * kd
            loss += args.self_norm * self_normalised_penalty(logits, keep)
        g, _ = tf.clip_by_global_norm(tape.gradient(loss, model.trainable_variables), 1.0)
        opt.apply_gradients(zip(g, model.trainable_variables))
        return ce, kd
    return step


def parser():
    ap = argparse.ArgumentParser()
    ap.add_argument("--shards", default="shards/*.npz")
    ap.add_argument("--vocab", type=int, default=20000)
    ap.add_argument("--dim", type=int, default=512)
    ap.add_argument("--emb-std", type=float, default=1.0)
    ap.add_argument("--temperature", type=float, default=2.0)
    ap.add_argument("--mix", type=float, default=0.7)
    ap.add_argument("--self-norm", type=float, default=0.05)
    ap.add_argument("--epochs", type=int, default=3)
    return ap


def main():
    args = parser().parse_args()
    model = SmallLM(args.vocab, args.dim, args.emb_std)
    opt = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.ExponentialDecay(1e-3, 1000, 0.9))
    step = make_step(model, opt, args)
    for epoch in range(args.epochs):
        for i, (ids, top_idx, top_logit) in enumerate(dataset(args.shards, 32)):
            ce, kd = step(ids, top_idx, top_logit)
            if i % 100 == 0:
                print(epoch, i, "ppl %.1f" % perplexity(float(ce)), "kd", float(kd), "H", float(teacher_entropy(top_logit)))
        model.save_weights("small.weights.h5")


if __name__ == "__main__":
    main()
