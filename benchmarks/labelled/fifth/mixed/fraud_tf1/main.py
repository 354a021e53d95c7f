import csv
import os
import sys

import numpy as np
import tensorflow.compat.v1 as tf

from conf import default_hparams
from graph import FraudGraph

tf.disable_v2_behavior()


def read(path):
    rows = []
    with open(path) as f:
        r = csv.reader(f)
        next(r)
        for row in r:
            rows.append([float(v) for v in row])
    a = np.array(rows, np.float32)
    x, y = a[:, :-1], a[:, -1]
    x[:, -1] = np.log1p(np.maximum(x[:, -1], 0.0))  # SAFE: amounts are cut at 0 before log1p
    return x, y


def sample_batch(x, y, size, rng, share=0.25):
    """Oversamples fraud cases to the given share of a batch."""
    pos, neg = np.flatnonzero(y > 0.5), np.flatnonzero(y < 0.5)
    k = int(size * share) if len(pos) else 0
    idx = np.concatenate([rng.choice(pos, k) if k else pos[:0], rng.choice(neg, size - k)])
    rng.shuffle(idx)
    return x[idx], y[idx]


def average_precision(y, s):
    order = np.argsort(-s)
    hit = y[order] > 0.5
    prec = np.cumsum(hit) / (np.arange(len(hit)) + 1.0)  # SAFE: ranks start at 1
    n = hit.sum()
    return float((prec * hit).sum() / n) if n else 0.0  # SAFE: n checked


def main(argv):
    hp = default_hparams().override(argv[2] if len(argv) > 2 else "")
    x, y = read(argv[1] if len(argv) > 1 else "data/creditcard.csv")
    cut = int(0.7 * len(x))
    mean, std = x[:cut].mean(0), x[:cut].std(0)
    n_pos = float(y[:cut].sum())
    pos_weight = min((cut - n_pos) / max(n_pos, 1.0), 10.0)  # SAFE: maximum with 1, then at most 10
    g = FraudGraph(hp, mean, std, pos_weight)
    rng = np.random.RandomState(0)
    saver = tf.train.Saver(max_to_keep=2)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        writer = tf.summary.FileWriter("logs/fraud")
        for i in range(hp.max_steps):
            bx, by = sample_batch(x[:cut], y[:cut], hp.batch_size, rng)
            _, ce = sess.run([g.train_op, g.ce], {g.x: bx, g.y: by})
            if i % hp.summary_every == 0:
                writer.add_summary(sess.run(g.summary, {g.x: bx, g.y: by}), i)
                print(i, ce)
        saver.save(sess, os.path.join("logs/fraud", "model"))
        p = sess.run(g.prob, {g.x: x[cut:]})
    print("average precision", average_precision(y[cut:], p))


if __name__ == "__main__":
    main(sys.argv)
