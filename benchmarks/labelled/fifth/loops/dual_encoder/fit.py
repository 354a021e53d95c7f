import argparse
import json

import numpy as np
import tensorflow as tf

import text
from towers import LearnedScale, Tower


def read_pairs(path):
    q, d = [], []
    with open(path) as f:
        for line in f:
            r = json.loads(line)
            q.append(r["query"])
            d.append(r["title"] + " " + r.get("body", ""))
    return q, d


class DualEncoder:
    def __init__(self, vocab, dim=100, out=64, lr=1e-3):
        self.q = Tower(len(vocab), dim, out, vocab.sif())
        self.d = Tower(len(vocab), dim, out)
        self.scale = LearnedScale()
        self.opt = tf.keras.optimizers.Adagrad(lr, epsilon=1e-7)

    @property
    def variables(self):
        return self.q.trainable_variables + self.d.trainable_variables + self.scale.trainable_variables

    def loss(self, q, d, training):
        s = self.scale(tf.matmul(self.q(q, training=training), self.d(d, training=training), transpose_b=True))
        y = tf.range(tf.shape(q)[0])
        ce = tf.nn.sparse_softmax_cross_entropy_with_logits
        return 0.5 * tf.reduce_mean(ce(y, s) + ce(y, tf.transpose(s)))  # SAFE: logits are cosines times at most 100

    @tf.function(reduce_retracing=True)
    def step(self, q, d):
        with tf.GradientTape() as tape:
            loss = self.loss(q, d, True)
        g = tape.gradient(loss, self.variables)
        self.opt.apply_gradients(zip(g, self.variables))
        return loss


def mrr(model, q, d, k=1000):
    a = model.q(q[:k]).numpy()
    b = model.d(d[:k]).numpy()
    s = a @ b.T
    rank = (s > np.diag(s)[:, None]).sum(1) + 1
    return float(np.mean(1.0 / rank))  # SAFE: rank starts at 1


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="clicks.jsonl")
    ap.add_argument("--valid", default="valid.jsonl")
    ap.add_argument("--batch", type=int, default=256)
    ap.add_argument("--epochs", type=int, default=5)
    ap.add_argument("--lr", type=float, default=0.02)
    a = ap.parse_args()
    q, d = read_pairs(a.train)
    vocab = text.Vocab(q + d)
    model = DualEncoder(vocab, lr=a.lr)
    Q, D = text.encode(q, vocab, 12), text.encode(d, vocab, 80)
    vq, vd = read_pairs(a.valid)
    VQ, VD = text.encode(vq, vocab, 12), text.encode(vd, vocab, 80)
    ds = tf.data.Dataset.from_tensor_slices((Q, D)).shuffle(100000).batch(a.batch, drop_remainder=True)
    for ep in range(a.epochs):
        ls = [float(model.step(*b)) for b in ds]
        print(ep, np.mean(ls) if ls else None, "mrr", mrr(model, VQ, VD))


if __name__ == "__main__":
    main()
