import argparse

import numpy as np
import tensorflow as tf

import policy as P
from model import PAD, Seq2Seq, smoothed_loss


class DynamicScale:
    def __init__(self, init, every=2000):
        self.scale = tf.Variable(init, trainable=False, dtype=tf.float32)
        self.good = tf.Variable(0, trainable=False)
        self.every = every

    def unscale(self, grads):
        return [g / self.scale for g in grads]  # SAFE: scale is kept between 1 and 2**15 in update

    def update(self, ok):
        if ok:
            self.good.assign_add(1)
            if int(self.good) >= self.every:
                self.scale.assign(tf.minimum(self.scale * 2.0, 2.0 ** 15))
                self.good.assign(0)
        else:
            self.scale.assign(tf.maximum(self.scale / 2.0, 1.0))
            self.good.assign(0)


class NoamAdam:
    def __init__(self, variables, dim, warmup=4000):
        self.opt = tf.keras.optimizers.Adam(1e-3, beta_2=0.98, epsilon=1e-9)
        self.vars = variables
        self.dim, self.warmup, self.t = dim, max(1, warmup), 0

    def apply(self, grads):
        self.t += 1
        lr = self.dim ** -0.5 * min(self.t ** -0.5, self.t * self.warmup ** -1.5)  # SAFE: the step counter is incremented before, t >= 1
        self.opt.learning_rate.assign(lr)
        grads, norm = tf.clip_by_global_norm(grads, 1.0)
        self.opt.apply_gradients(zip(grads, self.vars))
        return norm


def encode(lines, vocab, max_len):
    out = np.full((len(lines), max_len), PAD, np.int32)
    for i, l in enumerate(lines):
        ids = [vocab.setdefault(w, len(vocab) + 3) for w in l.split()][:max_len - 2]
        out[i, :len(ids) + 2] = [1] + ids + [2]
    return out


def train_step(model, opt, scaler, src, tgt):
    with tf.GradientTape() as tape:
        loss = smoothed_loss(model(src, tgt[:, :-1]), tgt[:, 1:])
        scaled = loss * scaler.scale
    grads = tape.gradient(scaled, model.trainable_variables)
    grads = scaler.unscale([tf.convert_to_tensor(g) for g in grads])
    ok = bool(tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in grads]))
    scaler.update(ok)
    if ok:
        opt.apply(grads)
    return float(loss), ok


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--src", default="train.de")
    ap.add_argument("--tgt", default="train.en")
    ap.add_argument("--epochs", type=int, default=10)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--max-len", type=int, default=40)
    a = ap.parse_args()
    vocab = {}
    src = encode(open(a.src).read().splitlines(), vocab, a.max_len)
    tgt = encode(open(a.tgt).read().splitlines(), vocab, a.max_len)
    model = Seq2Seq(len(vocab) + 3)
    opt = NoamAdam(model.trainable_variables, model.dim)
    scaler = DynamicScale(P.INIT_SCALE)
    for ep in range(a.epochs):
        perm = np.random.permutation(len(src))
        tot, skipped = [], 0
        for i in range(0, len(perm), a.batch):
            j = perm[i:i + a.batch]
            loss, ok = train_step(model, opt, scaler, tf.constant(src[j]), tf.constant(tgt[j]))
            skipped += not ok
            if ok:
                tot.append(loss)
        mean = np.mean(tot) if tot else float("nan")
        print(f"epoch {ep} loss {mean:.4f} skipped {skipped} ppl {np.exp(min(mean, 20)):.2f}")  # SAFE: perplexity exponent limited to 20, print only


if __name__ == "__main__":
    main()
