"""Decoder-only character transformer written with raw TF ops (course project, then cleaned up)."""
import argparse
import math
import os
import time

import numpy as np
import tensorflow as tf


class HParams:
    def __init__(self, **kw):
        self.dim = 96
        self.heads = 4
        self.depth = 3
        self.ctx = 64
        self.dropout = 0.1
        self.lr = 3e-4
        self.warmup = 200
        self.max_steps = 20000
        self.__dict__.update(kw)
        if self.dim % self.heads:
            raise ValueError("dim must be divisible by heads")
        if self.warmup <= 0 or self.max_steps <= self.warmup:
            raise ValueError("need 0 < warmup < max_steps")


def gelu(x):
    return 0.5 * x * (1.0 + tf.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x ** 3)))  # SAFE: constants only, tanh saturates


def stable_softmax(x):
    x = x - tf.reduce_max(x, -1, keepdims=True)
    e = tf.exp(x)  # SAFE: the row maximum was subtracted, exponent <= 0
    return e / tf.reduce_sum(e, -1, keepdims=True)  # SAFE: the row maximum contributes exp(0) = 1


def cross_entropy(logits, ids):
    """Mean negative log-likelihood, by hand."""
    top = tf.stop_gradient(tf.reduce_max(logits, -1, keepdims=True))
    lse = tf.math.log(tf.reduce_sum(tf.exp(logits - top), -1)) + top[..., 0]  # SAFE: the sum contains exp(0) = 1
    picked = tf.gather(logits, ids, batch_dims=2)
    return tf.reduce_mean(lse - picked)


class Norm(tf.Module):
    def __init__(self, dim):
        super().__init__()
        self.g = tf.Variable(tf.ones([dim]))

    def __call__(self, x):
        ms = tf.reduce_mean(tf.square(x), -1, keepdims=True)
        return self.g * x / tf.sqrt(ms + 1e-6)  # SAFE: epsilon inside the sqrt, float32


class Mat(tf.Module):
    def __init__(self, i, o, scale=1.0):
        super().__init__()
        self.w = tf.Variable(tf.random.normal([i, o], stddev=scale * i ** -0.5))  # SAFE: i is a positive layer size
        self.b = tf.Variable(tf.zeros([o]))

    def __call__(self, x):
        return tf.tensordot(x, self.w, 1) + self.b


def rope_tables(n, d):
    inv = 1.0 / (10000.0 ** (np.arange(0, d, 2) / d))  # SAFE: power of a positive constant
    ang = np.outer(np.arange(n), inv).astype("f4")
    return tf.constant(np.cos(ang)), tf.constant(np.sin(ang))


def rope(x, cos, sin):
    a, b = x[..., ::2], x[..., 1::2]
    return tf.concat([a * cos - b * sin, a * sin + b * cos], -1)


class CausalAttention(tf.Module):
    def __init__(self, hp):
        super().__init__()
        self.h, self.d = hp.heads, hp.dim // hp.heads
        self.qkv = Mat(hp.dim, 3 * hp.dim)
        self.out = Mat(hp.dim, hp.dim, (2 * hp.depth) ** -0.5)  # SAFE: depth is at least 1
        self.cos, self.sin = rope_tables(hp.ctx, self.d)
        self.scale = 1.0 / math.sqrt(self.d)  # SAFE: head size is positive, checked by divisibility

    def __call__(self, x):
        b, n = tf.shape(x)[0], tf.shape(x)[1]
        q, k, v = tf.unstack(tf.transpose(tf.reshape(self.qkv(x), [b, n, 3, self.h, self.d]), [2, 0, 3, 1, 4]))
        q, k = rope(q, self.cos[:n], self.sin[:n]), rope(k, self.cos[:n], self.sin[:n])
        s = tf.matmul(q, k, transpose_b=True) * self.scale
        keep = tf.linalg.band_part(tf.ones([n, n], tf.bool), -1, 0)
        s = tf.where(keep, s, -1e9)
        a = stable_softmax(s)
        y = tf.reshape(tf.transpose(tf.matmul(a, v), [0, 2, 1, 3]), [b, n, self.h * self.d])
        return self.out(y), a


class LM(tf.Module):
    def __init__(self, vocab, hp):
        super().__init__()
        self.hp = hp
        self.emb = tf.Variable(tf.random.normal([vocab, hp.dim], stddev=0.02))
        self.n1 = [Norm(hp.dim) for _ in range(hp.depth)]
        self.n2 = [Norm(hp.dim) for _ in range(hp.depth)]
        self.att = [CausalAttention(hp) for _ in range(hp.depth)]
        self.up = [Mat(hp.dim, 4 * hp.dim) for _ in range(hp.depth)]
        self.down = [Mat(4 * hp.dim, hp.dim, (2 * hp.depth) ** -0.5) for _ in range(hp.depth)]
        self.nf = Norm(hp.dim)

    def __call__(self, ids, training=False):
        x = tf.gather(self.emb, ids)
        ents = []
        for n1, att, n2, up, down in zip(self.n1, self.att, self.n2, self.up, self.down):
            y, a = att(n1(x))
            if training and self.hp.dropout:
                y = tf.nn.dropout(y, self.hp.dropout)
            x = x + y
            x = x + down(gelu(up(n2(x))))
            ents.append(-tf.reduce_mean(tf.reduce_sum(a * tf.math.log(a + 1e-9), -1)))  # SAFE: a >= 0 plus a float32 epsilon; masked weights give 0 * log(1e-9) = 0
        logits = tf.tensordot(self.nf(x), self.emb, [[2], [1]])
        return 30.0 * tf.tanh(logits / 30.0), tf.add_n(ents) / len(ents)  # SAFE: depth >= 1


class Schedule(tf.keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, hp):
        self.hp = hp

    def __call__(self, step):
        s = tf.cast(step, tf.float32)
        w, m = float(self.hp.warmup), float(self.hp.max_steps)
        prog = tf.clip_by_value((s - w) / (m - w), 0.0, 1.0)  # SAFE: max_steps > warmup is checked
        return self.hp.lr * tf.minimum(s / w, 0.55 + 0.45 * tf.cos(math.pi * prog))  # SAFE: warmup > 0 is checked


def batches(data, ctx, size, rng):
    while True:
        i = rng.integers(0, len(data) - ctx - 1, size)
        w = np.stack([data[j:j + ctx + 1] for j in i])
        yield tf.constant(w[:, :-1]), tf.constant(w[:, 1:])


def generate(model, ids, n, temperature=0.8, top_k=20):
    for _ in range(n):
        logits = model(ids[:, -model.hp.ctx:])[0][:, -1] / max(temperature, 1e-3)  # SAFE: temperature floored, logits limited to 30
        kth = tf.math.top_k(logits, min(top_k, logits.shape[-1]))[0][:, -1:]
        logits = tf.where(logits < kth, float("-inf"), logits)
        nxt = tf.random.categorical(logits, 1, dtype=ids.dtype)
        ids = tf.concat([ids, nxt], 1)
    return ids


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--text", default="input.txt")
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--ent-weight", type=float, default=0.0)
    p.add_argument("--ckpt", default="ckpt")
    a = p.parse_args()
    text = open(a.text).read()
    chars = sorted(set(text))
    stoi = {c: i for i, c in enumerate(chars)}
    data = np.array([stoi[c] for c in text], np.int32)
    hp = HParams()
    model = LM(len(chars), hp)
    opt = tf.keras.optimizers.Adam(Schedule(hp), beta_2=0.95)
    var = model.trainable_variables

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            logits, ent = model(x, True)
            nll = cross_entropy(logits, y)
            loss = nll + a.ent_weight * ent
        g, norm = tf.clip_by_global_norm(tape.gradient(loss, var), 1.0)
        opt.apply_gradients(zip(g, var))
        return nll, norm

    it, t0 = batches(data, hp.ctx, a.batch, np.random.default_rng(0)), time.time()
    for s in range(hp.max_steps):
        nll, norm = step(*next(it))
        if s % 100 == 0:
            rate = (s + 1) / max(time.time() - t0, 1e-3)  # SAFE: elapsed time floored
            print(f"{s} nll {nll:.3f} bpc {nll / math.log(2):.3f} |g| {norm:.2f} {rate:.1f} it/s")  # SAFE: constant divisor
    tf.train.Checkpoint(model=model).write(os.path.join(a.ckpt, "last"))


if __name__ == "__main__":
    main()
