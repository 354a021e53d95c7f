import argparse

import numpy as np
import tensorflow as tf

from events import pad, page_prior, read_sessions
from flow import LogNormalMixture, SessionModel, inter_event


def nll(model, ts, k, m):
    z = inter_event(ts)
    w = m[:, 1:]
    params, logits = model((z, k))
    lt = LogNormalMixture.log_prob(z, params)
    lk = -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=k[:, 1:], logits=logits)  # SAFE: dense output plus a log prior, these are logits
    n = tf.maximum(tf.reduce_sum(w), 1.0)
    return -tf.reduce_sum(w * lt) / n, -tf.reduce_sum(w * lk) / n  # SAFE: n is at least 1


@tf.function(reduce_retracing=True)
def train_step(model, opt, ts, k, m, page_w):
    with tf.GradientTape() as tape:
        lt, lk = nll(model, ts, k, m)
        loss = lt + page_w * lk
    v = model.trainable_variables
    g, gn = tf.clip_by_global_norm(tape.gradient(loss, v), 1.0)
    opt.apply_gradients(zip(g, v))
    return lt, lk, gn


def summary(ts, m):
    gaps = np.diff(ts, axis=1)[m[:, 1:] > 0] / 1000.0
    return {"median": float(np.median(gaps)), "log_mean": float(np.log(np.maximum(gaps, 1e-3)).mean())}  # SAFE: integer differences, floored before the log


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="sessions_train.jsonl")
    ap.add_argument("--pages", type=int, default=200)
    ap.add_argument("--batch", type=int, default=128)
    ap.add_argument("--epochs", type=int, default=30)
    ap.add_argument("--page-weight", type=float, default=1.0)
    a = ap.parse_args()
    ts, k, m = pad(read_sessions(a.train))
    print(summary(ts, m))
    model = SessionModel(a.pages, page_prior(k, m, a.pages))
    opt = tf.keras.optimizers.Adam(2e-3)
    ds = tf.data.Dataset.from_tensor_slices((ts, k, m)).shuffle(20000).batch(a.batch)
    for ep in range(a.epochs):
        for b in ds:
            lt, lk, gn = train_step(model, opt, *b, a.page_weight)
        print(ep, float(lt), float(lk), float(gn))
    model.save_weights("tpp.weights.h5")


if __name__ == "__main__":
    main()
