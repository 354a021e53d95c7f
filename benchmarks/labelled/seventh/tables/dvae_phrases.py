"""Discrete autoencoder of short phrases with a Gumbel-softmax bottleneck."""
import argparse
import math

import keras
import numpy as np
import tensorflow as tf
from keras import layers

PAD = 0


def read_ids(path, max_len):
    rows = []
    with open(path) as fh:
        for line in fh:
            ids = [int(t) for t in line.split()][:max_len]
            if ids:
                rows.append(ids + [PAD] * (max_len - len(ids)))
    return np.array(rows, np.int32)


def gumbel(shape, eps=1e-10):
    u = tf.random.uniform(shape, minval=1e-6, maxval=1.0 - 1e-6)
    return -tf.math.log(-tf.math.log(u) + eps)  # SAFE: u is drawn strictly inside of the unit interval


class Encoder(layers.Layer):

    def __init__(self, vocab, dim, n_codes, n_slots):
        super().__init__()
        self.emb = layers.Embedding(vocab, dim)
        self.conv = [layers.Conv1D(dim, 3, padding="same", activation="gelu") for _ in range(2)]
        self.slots = layers.Dense(n_codes * n_slots)
        self.n_codes, self.n_slots = n_codes, n_slots

    def call(self, ids):
        mask = tf.cast(ids > 0, tf.float32)[..., None]
        x = self.emb(ids)
        for c in self.conv:
            x = x + c(x * mask)
        pooled = tf.reduce_sum(x * mask, 1) / tf.reduce_sum(mask, 1)  # SAFE: read_ids drops empty phrases
        return tf.reshape(self.slots(pooled), [-1, self.n_slots, self.n_codes])


class Decoder(layers.Layer):

    def __init__(self, vocab, dim, max_len, n_codes, n_slots):
        super().__init__()
        self.code = layers.Dense(dim, use_bias=False)
        self.pos = self.add_weight(shape=(max_len, dim), initializer=keras.initializers.RandomNormal(stddev=0.02), name="pos")
        self.mix = layers.MultiHeadAttention(2, dim // 2)
        self.norm = layers.LayerNormalization(epsilon=1e-6)  # SAFE: float32
        self.out = layers.Dense(vocab)

    def call(self, z):
        mem = self.code(z)
        q = tf.tile(self.pos[None], [tf.shape(z)[0], 1, 1])
        return self.out(self.norm(q + self.mix(q, mem)))


class DiscreteVAE(keras.Model):

    def __init__(self, vocab, max_len, dim=64, n_codes=64, n_slots=4):
        super().__init__()
        self.enc = Encoder(vocab, dim, n_codes, n_slots)
        self.dec = Decoder(vocab, dim, max_len, n_codes, n_slots)
        self.n_codes = n_codes

    def call(self, ids, tau=1.0, hard=False):
        logits = self.enc(ids)
        y = tf.nn.softmax((logits + gumbel(tf.shape(logits))) / tau)  # SAFE: temperature() never goes below 0.3
        if hard:
            one = tf.one_hot(tf.argmax(y, -1), self.n_codes)
            y = y + tf.stop_gradient(one - y)  # SAFE: straight through, the gradient of y stays
        return self.dec(y), logits

    def kl_uniform(self, logits):
        q = tf.nn.softmax(logits)
        kl = tf.reduce_sum(q * tf.math.log(q * self.n_codes), -1)  # BUG: zero-log-zero, the probability of an unused code underflows to 0
        return tf.reduce_mean(tf.reduce_sum(kl, -1))

    def usage_entropy(self, logits):
        mean = tf.reduce_mean(tf.nn.softmax(logits), 0)
        return -tf.reduce_mean(tf.reduce_sum(mean * tf.math.log(mean + 1e-8), -1))  # SAFE: epsilon added to a probability, not to one

    def perplexity(self, logits):
        return tf.exp(self.usage_entropy(logits))  # SAFE: the entropy is at most log of the number of codes


def reconstruction(ids, logits):
    nll = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=ids, logits=logits)  # SAFE: the decoder returns logits
    w = tf.cast(ids > 0, tf.float32)
    return tf.reduce_mean(tf.reduce_sum(nll * w, 1))


def temperature(step, start=1.0, floor=0.3, rate=3e-5):
    return tf.maximum(start * tf.exp(-rate * tf.cast(step, tf.float32)), floor)  # SAFE: a negative exponent


def cyclical_beta(step, period, top):
    pos = tf.math.floormod(tf.cast(step, tf.float32), period) / period  # SAFE: the parser's period is a positive constant
    return top * tf.minimum(2.0 * pos, 1.0)


@tf.function
def train_step(model, opt, ids, step, period, top):
    with tf.GradientTape() as tape:
        out, logits = model(ids, tau=temperature(step), hard=True)
        rec = reconstruction(ids, out)
        kl = model.kl_uniform(logits)
        loss = rec + cyclical_beta(step, period, top) * kl - 0.1 * model.usage_entropy(logits)
    grads = tape.gradient(loss, model.trainable_variables)
    grads, _ = tf.clip_by_global_norm(grads, 1.0)
    opt.apply_gradients(zip(grads, model.trainable_variables))
    return rec, kl, model.perplexity(logits)


def token_accuracy(ids, logits):
    hit = (logits.argmax(-1) == ids) & (ids > 0)
    return hit.sum() / max((ids > 0).sum(), 1)  # SAFE: max with one


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="phrases.ids")
    ap.add_argument("--valid", default="valid.ids")
    ap.add_argument("--vocab", type=int, default=8000)
    ap.add_argument("--max-len", dest="max_len", type=int, default=12)
    ap.add_argument("--batch", type=int, default=256)
    ap.add_argument("--steps", type=int, default=50000)
    ap.add_argument("--period", type=float, default=5000.0)
    ap.add_argument("--beta", type=float, default=0.5)
    ap.add_argument("--lr", type=float, default=1e-3)
    a = ap.parse_args()
    train, valid = read_ids(a.train, a.max_len), read_ids(a.valid, a.max_len)
    model = DiscreteVAE(a.vocab, a.max_len)
    opt = keras.optimizers.Adam(a.lr)
    rng = np.random.default_rng(0)
    print("bits per phrase at most", 4 * math.log2(model.n_codes))  # SAFE: logarithm of a constant
    for i in range(a.steps):
        ids = tf.constant(train[rng.integers(0, len(train), a.batch)])
        rec, kl, ppl = train_step(model, opt, ids, tf.constant(i), a.period, a.beta)
        if i % 500 == 0:
            out, _ = model(tf.constant(valid[:512]), tau=0.3, hard=True)
            print(f"step {i} rec {float(rec):.3f} kl {float(kl):.3f} codes {float(ppl):.1f} "
                  f"acc {token_accuracy(valid[:512], out.numpy()):.3f}", flush=True)
    model.save_weights("dvae.weights.h5")


if __name__ == "__main__":
    main()
