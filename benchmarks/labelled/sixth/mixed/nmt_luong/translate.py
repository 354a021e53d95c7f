import argparse
import math
import random
import numpy as np
import tensorflow as tf
from seq2seq import Seq2Seq, masked_loss, coverage_penalty
from vocab import BOS, EOS, Vocab, bleu, pad


class Plateau:
    def __init__(self, opt, factor=0.5, patience=1, floor=1e-5):
        self.opt, self.factor, self.patience, self.floor = opt, factor, patience, floor
        self.best, self.bad = float("inf"), 0

    def __call__(self, v):
        if v < self.best:
            self.best, self.bad = v, 0
        else:
            self.bad += 1
        if self.bad > self.patience:
            self.opt.learning_rate.assign(max(float(self.opt.learning_rate) * self.factor, self.floor))
            self.bad = 0


def batches(pairs, size, shuffle=True):
    pairs = sorted(pairs, key=lambda p: len(p[0]))
    chunks = [pairs[k:k + size] for k in range(0, len(pairs), size)]
    if shuffle:
        random.shuffle(chunks)
    for c in chunks:
        s, t = pad([p[0] for p in c]), pad([p[1] for p in c])
        t = tf.constant(t)
        yield tf.constant(s), tf.concat([tf.fill([tf.shape(t)[0], 1], BOS), t[:, :-1]], 1), t


def train_step(model, opt, src, tin, tout, cov=0.0):
    with tf.GradientTape() as tape:
        loss = masked_loss(tout, model((src, tin), training=True))
        if cov:
            loss += cov * coverage_penalty(model.last_attention, tf.not_equal(src, 0))
    g = tape.gradient(loss, model.trainable_variables)
    g, n = tf.clip_by_global_norm(g, 1.0)
    opt.apply_gradients(zip(g, model.trainable_variables))
    return loss


def beam(model, src, width=4, limit=40, alpha=0.6):
    mem, keep, st = model.encode(src[None])
    hyps = [([BOS], 0.0, st)]
    done = []
    for _ in range(limit):
        cand = []
        for toks, score, s in hyps:
            h, s2 = model.dec(model.et(tf.constant([[toks[-1]]])), initial_state=s)
            h, _ = model.att(h, mem, keep)
            lp = tf.nn.log_softmax(model.out(h)[0, 0]).numpy()
            for w in np.argsort(-lp)[:width]:
                cand.append((toks + [int(w)], score + float(lp[w]), s2))
        cand.sort(key=lambda c: -c[1])
        hyps = []
        for c in cand[:width]:
            (done if c[0][-1] == EOS else hyps).append(c)
        if not hyps:
            break
    done = done or hyps
    norm = lambda c: c[1] / (((5 + len(c[0])) / 6) ** alpha)  # SAFE: length penalty of a non-empty hypothesis is at least 1
    return max(done, key=norm)[0][1:]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--bitext", default="fra.txt")
    p.add_argument("--epochs", type=int, default=12)
    p.add_argument("--cov", type=float, default=0.0)
    a = p.parse_args()
    lines = [l.split("\t")[:2] for l in open(a.bitext, encoding="utf8")]
    vs, vt = Vocab([l[0] for l in lines]), Vocab([l[1] for l in lines])
    pairs = [(vs.encode(s), vt.encode(t)) for s, t in lines]
    dev, pairs = pairs[:500], pairs[500:]
    model, opt = Seq2Seq(len(vs), len(vt)), tf.keras.optimizers.Adam(1e-3)
    sched = Plateau(opt)
    for ep in range(a.epochs):
        for b in batches(pairs, 64):
            train_step(model, opt, *b, cov=a.cov)
        val = np.mean([float(masked_loss(y, model((s, t)))) for s, t, y in batches(dev, 64, False)])
        sched(val)
        print(ep, val, "ppl", math.exp(min(val, 20)))  # SAFE: exponent capped at 20
    print("bleu", np.mean([bleu(t[:-1], [w for w in beam(model, tf.constant(s)) if w != EOS]) for s, t in dev[:100]]))


if __name__ == "__main__":
    main()
