import argparse
import logging
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras

from .ingest import dwell_weight, item_table, read_clicks, sampling_log_probability, train_set
from .options import OPTIONS
from .towers import Retrieval

log = logging.getLogger("two_tower")


def hit_rate(model, users, items, table, k=100, limit=20_000):
    index = model.item({f: tf.constant(v) for f, v in table.items()})
    found = total = 0
    for s in range(0, min(len(items), limit), 1024):
        u = model.user({f: tf.constant(v[s:s + 1024]) for f, v in users.items()})
        top = tf.math.top_k(tf.matmul(u, index, transpose_b=True), min(k, len(index))).indices.numpy()
        found += int((top == items[s:s + 1024][:, None]).any(1).sum())
        total += len(top)
    return found / max(total, 1)  # SAFE: max with one


def coverage(items, n_items):
    share = np.bincount(items, minlength=n_items) / max(len(items), 1)  # SAFE: max with one
    seen = share[share > 0]
    return float(np.exp(-(seen * np.log(seen)).sum()) / n_items)  # SAFE: only positive shares are kept


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--root", default=".")
    p.add_argument("--out", default="retrieval")
    args = p.parse_args()
    logging.basicConfig(level=logging.INFO)
    o = OPTIONS
    table, row_of = item_table(os.path.join(args.root, o.items), o.item_fields)
    users, items, dwell = read_clicks(os.path.join(args.root, o.clicks), o.user_fields, row_of, o.train_days)
    n_items = len(row_of)
    cut = int(0.95 * len(items))
    logq = sampling_log_probability(items[:cut], n_items)
    log.info("%d items, effective share of the catalogue %.4f", n_items, coverage(items[:cut], n_items))
    head = {f: v[:cut] for f, v in users.items()}
    tail = {f: v[cut:] for f, v in users.items()}
    ds = train_set(head, items[:cut], dwell_weight(dwell[:cut]), table, logq, o.batch)

    model = Retrieval(o)
    opt = keras.optimizers.Adagrad(o.lr, initial_accumulator_value=0.1)  # SAFE: Adagrad at 0.02

    @tf.function
    def step(u, i, lq, w):
        with tf.GradientTape() as tape:
            loss = model.batch_loss(u, i, lq, w)
        tv = model.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, tv), tv))
        return loss

    for epoch in range(o.epochs):
        mean = keras.metrics.Mean()
        for batch in ds:
            mean.update_state(step(*batch))
        log.info("epoch %d loss %.4f hit@100 %.4f", epoch, float(mean.result()), hit_rate(model, tail, items[cut:], table))
    model.save_weights(args.out + ".weights.h5")


if __name__ == "__main__":
    main()
