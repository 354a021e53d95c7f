"""Masked language model pretraining, mixed_float16 with a manual loop and gradient accumulation."""
import argparse
import math
import numpy as np
import tensorflow as tf
from tensorflow.keras import layers, mixed_precision

MASK, PAD, SPECIAL = 1, 0, 4


class SelfAttention(layers.Layer):
    def __init__(self, dim, heads, **kw):
        super().__init__(**kw)
        self.h, self.d = heads, dim // heads
        self.qkv, self.out = layers.Dense(3 * dim), layers.Dense(dim)

    def call(self, x, keep):
        b, n = tf.shape(x)[0], tf.shape(x)[1]
        q, k, v = tf.unstack(tf.transpose(tf.reshape(self.qkv(x), [b, n, 3, self.h, self.d]), [2, 0, 3, 1, 4]), axis=0)
        q = q * tf.cast(1.0 / math.sqrt(self.d), q.dtype)  # SAFE: constant head width 32
        s = tf.cast(tf.matmul(q, k, transpose_b=True), tf.float32)
        s += -1e9 * (1.0 - tf.cast(keep, tf.float32))[:, None, None, :]  # SAFE: scores were cast to float32, -1e9 is finite there
        a = tf.cast(tf.nn.softmax(s, -1), v.dtype)
        return self.out(tf.reshape(tf.transpose(tf.matmul(a, v), [0, 2, 1, 3]), [b, n, self.h * self.d]))


class Encoder(tf.keras.Model):
    def __init__(self, vocab, dim=128, heads=4, depth=2, maxlen=128):
        super().__init__()
        self.tok, self.pos = layers.Embedding(vocab, dim), layers.Embedding(maxlen, dim)
        self.att = [SelfAttention(dim, heads) for _ in range(depth)]
        self.ff = [tf.keras.Sequential([layers.Dense(4 * dim, activation="gelu"), layers.Dense(dim)]) for _ in range(depth)]
        self.n1 = [layers.LayerNormalization(epsilon=1e-6) for _ in range(depth)]  # SAFE: Keras computes float16 layer normalisation in float32
        self.n2 = [layers.LayerNormalization(epsilon=1e-6) for _ in range(depth)]
        self.head = layers.Dense(vocab, dtype="float32")

    def call(self, ids, training=False):
        keep = tf.not_equal(ids, PAD)
        x = self.tok(ids) + self.pos(tf.range(tf.shape(ids)[1]))[None]
        for a, f, p, q in zip(self.att, self.ff, self.n1, self.n2):
            x = x + a(p(x), keep)
            x = x + f(q(x))
        return self.head(x)


def mask_tokens(ids, vocab, rng, rate=0.15):
    ids = ids.copy()
    y = ids.copy()
    pick = (rng.random(ids.shape) < rate) & (ids >= SPECIAL)
    u = rng.random(ids.shape)
    ids[pick & (u < 0.8)] = MASK
    r = pick & (u >= 0.9)
    ids[r] = rng.integers(SPECIAL, vocab, r.sum())
    return ids, y, pick.astype("float32")


def mlm_loss(y, logits, w):
    logits = tf.cast(logits, tf.float32)
    ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
    z = tf.reduce_logsumexp(logits, -1)
    tot = tf.maximum(tf.reduce_sum(w), 1.0)
    return tf.reduce_sum(w * (ce + 1e-4 * tf.square(z))) / tot  # SAFE: weight sum floored at one


class DynamicScale:
    """Hand written loss scaling: skip the step when a gradient is not finite."""

    def __init__(self, init=2.0 ** 13, grow=1000):
        self.s, self.ok, self.grow = tf.Variable(init), 0, grow

    def unscale(self, grads):
        inv = 1.0 / self.s  # SAFE: the scale starts at 8192 and is never reduced below 1
        return [tf.convert_to_tensor(g) * inv for g in grads]

    def update(self, finite):
        if not finite:
            self.s.assign(tf.maximum(self.s / 2.0, 1.0))
            self.ok = 0
            return
        self.ok += 1
        if self.ok >= self.grow:
            self.s.assign(tf.minimum(self.s * 2.0, 2.0 ** 16))
            self.ok = 0


class Trainer:
    def __init__(self, vocab, lr=1e-3, accum=2, total=10000, warm=500):
        mixed_precision.set_global_policy("mixed_float16")
        self.model = Encoder(vocab)
        self.opt = tf.keras.optimizers.AdamW(lr, weight_decay=0.01, epsilon=1e-8)  # SAFE: variables and moments stay in float32 under mixed_float16
        self.scale, self.accum = DynamicScale(), max(accum, 1)
        self.lr, self.total, self.warm, self.k = lr, max(total, 2), max(warm, 1), 0

    def rate(self):
        return self.lr * min(self.k / self.warm, max(0.0, 1.0 - self.k / self.total))  # SAFE: warm is at least 1 and total at least 2

    def step(self, micro):
        acc = None
        losses = []
        for ids, y, w in micro:
            with tf.GradientTape() as tape:
                loss = mlm_loss(y, self.model(ids, training=True), w) / self.accum  # SAFE: accum is at least 1
                scaled = loss * self.scale.s
            g = self.scale.unscale(tape.gradient(scaled, self.model.trainable_variables))
            acc = g if acc is None else [a + b for a, b in zip(acc, g)]
            losses.append(float(loss) * self.accum)
        finite = all(bool(tf.reduce_all(tf.math.is_finite(a))) for a in acc)
        self.scale.update(finite)
        if finite:
            acc, _ = tf.clip_by_global_norm(acc, 1.0)  # SAFE: only reached with finite gradients
            self.k += 1
            self.opt.learning_rate.assign(self.rate())
            self.opt.apply_gradients(zip(acc, self.model.trainable_variables))
        return float(np.mean(losses)), finite


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--tokens", default="wiki_ids.npy")
    p.add_argument("--vocab", type=int, default=8192)
    p.add_argument("--steps", type=int, default=10000)
    p.add_argument("--accum", type=int, default=4)
    a = p.parse_args()
    data, rng = np.load(a.tokens), np.random.default_rng(0)
    tr = Trainer(a.vocab, accum=a.accum, total=a.steps)
    for k in range(a.steps):
        micro = [mask_tokens(data[rng.integers(0, len(data), 32)], a.vocab, rng) for _ in range(tr.accum)]
        loss, ok = tr.step(micro)
        if k % 100 == 0:
            print(k, loss, "ppl", math.exp(min(loss, 20.0)), ok)  # SAFE: exponent capped at 20
    tr.model.save_weights("bert.weights.h5")


if __name__ == "__main__":
    main()
