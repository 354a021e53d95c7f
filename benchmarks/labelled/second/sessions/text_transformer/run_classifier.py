import argparse
import csv
import os

import numpy as np
import tensorflow as tf

from config import ModelConfig
from modeling import TextClassifier
from optimization import create_train_op

PAD, UNK, CLS = 0, 1, 2


def load_vocab(path):
    with open(path, encoding="utf-8") as f:
        return {w.rstrip("\n"): i for i, w in enumerate(f)}


def encode(text, vocab, max_len):
    ids = [CLS] + [vocab.get(t, UNK) for t in text.lower().split()][:max_len - 1]
    mask = [1] * len(ids) + [0] * (max_len - len(ids))
    return ids + [PAD] * (max_len - len(ids)), mask


def load_tsv(path, vocab, max_len):
    ids, masks, labels = [], [], []
    with open(path, encoding="utf-8") as f:
        for row in csv.reader(f, delimiter="\t"):
            i, m = encode(row[0], vocab, max_len)
            ids.append(i)
            masks.append(m)
            labels.append(int(row[1]))
    return np.array(ids, np.int32), np.array(masks, np.int32), np.array(labels, np.int32)


def f1(pred, gold):
    tp = float(((pred == 1) & (gold == 1)).sum())
    return 2 * tp / max(float((pred == 1).sum() + (gold == 1).sum()), 1.0)  # SAFE: denominator is floored at one


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data_dir", default="data/sst")
    p.add_argument("--config", default="config.json")
    p.add_argument("--out", default="out")
    p.add_argument("--batch_size", type=int, default=32)
    p.add_argument("--epochs", type=int, default=3)
    args = p.parse_args()
    cfg = ModelConfig.from_json(args.config) if os.path.exists(args.config) else ModelConfig()
    vocab = load_vocab(os.path.join(args.data_dir, "vocab.txt"))
    ids, mask, y = load_tsv(os.path.join(args.data_dir, "train.tsv"), vocab, cfg.max_position)
    total = len(y) // args.batch_size * args.epochs
    model = TextClassifier(cfg, True)
    train_op, step, norm, _ = create_train_op(model.loss, cfg, total, total // 10)
    saver, rng = tf.train.Saver(), np.random.RandomState(0)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for epoch in range(args.epochs):
            order = rng.permutation(len(y))
            for i in range(0, len(y) - args.batch_size + 1, args.batch_size):
                b = order[i:i + args.batch_size]
                feed = {model.ids: ids[b], model.mask: mask[b], model.labels: y[b]}
                _, loss, s, n, pr = sess.run([train_op, model.loss, step, norm, model.probs], feed)
                if s % 50 == 0:
                    print("step %d loss %.4f norm %.3f f1 %.3f" % (s, loss, n, f1(pr.argmax(1), y[b])))
            saver.save(sess, os.path.join(args.out, "cls"), global_step=step)


if __name__ == "__main__":
    main()
