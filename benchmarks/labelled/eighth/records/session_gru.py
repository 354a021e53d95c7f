"""Session-based recommendation with a GRU, session-parallel batches and TOP1-max / BPR-max losses."""
import argparse
import logging
import sys

import numpy as np
import tensorflow as tf
from tensorflow.keras import Model, layers, optimizers

logger = logging.getLogger("session_gru")


def load_sessions(path, min_len=2):
    """tsv: session, item, unix time, sorted by nothing in particular"""
    raw = np.loadtxt(path, dtype=np.int64, delimiter="\t", ndmin=2)
    raw = raw[np.lexsort((raw[:, 2], raw[:, 0]))]
    _, start, size = np.unique(raw[:, 0], return_index=True, return_counts=True)
    items, code = np.unique(raw[:, 1], return_inverse=True)
    sessions = [code[s:s + n] for s, n in zip(start, size) if n >= min_len]
    if not sessions:
        sys.exit("no sessions of length %d in %s" % (min_len, path))
    return sessions, items


class ParallelBatches:
    """Every row of the batch follows a session; finished rows take the next session and reset the state."""

    def __init__(self, sessions, batch, seed=0):
        self.sessions, self.batch = sessions, batch
        self.rng = np.random.default_rng(seed)

    def __iter__(self):
        order = self.rng.permutation(len(self.sessions))
        if len(order) < self.batch:
            return
        nxt = self.batch
        current = order[:self.batch].copy()
        pos = np.zeros(self.batch, int)
        reset = np.ones(self.batch, np.float32)
        while True:
            x = np.array([self.sessions[s][p] for s, p in zip(current, pos)], np.int32)
            y = np.array([self.sessions[s][p + 1] for s, p in zip(current, pos)], np.int32)
            yield x, y, reset
            pos += 1
            reset = np.zeros(self.batch, np.float32)
            for b in range(self.batch):
                if pos[b] + 1 >= len(self.sessions[current[b]]):
                    if nxt >= len(order):
                        return
                    current[b], pos[b], reset[b] = order[nxt], 0, 1.0
                    nxt += 1


class SessionNet(Model):
    def __init__(self, n_items, dim, units, drop):
        super().__init__()
        self.item_in = layers.Embedding(n_items, dim)
        self.cell = layers.GRUCell(units, dropout=drop)
        self.item_out = layers.Embedding(n_items, units)
        self.bias = layers.Embedding(n_items, 1, embeddings_initializer="zeros")  # SAFE: only an additive bias starts at zero
        self.units = units

    def advance(self, x, state, training):
        e = self.item_in(x)
        out, (new,) = self.cell(e, [state], training=training)
        return out, new

    def score(self, h, candidates):
        return tf.matmul(h, self.item_out(candidates), transpose_b=True) + self.bias(candidates)[:, 0][None]


def softmax_negatives(scores, labels_eye):
    """Softmax weights over the negatives of a row only."""
    masked = scores - 1e6 * labels_eye
    w = tf.nn.softmax(masked) * (1.0 - labels_eye)  # SAFE: the batch has more than one item, stable softmax
    return w / tf.maximum(tf.reduce_sum(w, 1, keepdims=True), 1e-12)  # SAFE: floored, weights sum to about one


def bpr_max(scores, eye, reg):
    pos = tf.linalg.diag_part(scores)[:, None]
    w = softmax_negatives(scores, eye)
    mix = tf.reduce_sum(w * tf.sigmoid(pos - scores), axis=1)
    return tf.reduce_mean(-tf.math.log(mix + 1e-7) + reg * tf.reduce_sum(w * tf.square(scores), 1))  # SAFE: 1e-7 is added to a non-negative float32


def top1_max(scores, eye, reg):
    pos = tf.linalg.diag_part(scores)[:, None]
    w = softmax_negatives(scores, eye)
    return tf.reduce_mean(tf.reduce_sum(w * (tf.sigmoid(scores - pos) + tf.sigmoid(reg * tf.square(scores))), 1))


def cross_entropy(scores, eye, reg):
    n = tf.shape(scores)[0]
    logits = scores[:, :tf.shape(scores)[1]]
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.range(n), logits=logits))  # SAFE: scores are logits


LOSSES = {"bpr-max": bpr_max, "top1-max": top1_max, "ce": cross_entropy}


def negative_table(sessions, n_items, alpha):
    count = np.bincount(np.concatenate(sessions), minlength=n_items).astype(float)
    p = (count + 1.0) ** alpha  # SAFE: one is added to the counts
    return np.cumsum(p / p.sum())  # SAFE: all terms are at least one for alpha >= 0


def recall_mrr(net, sessions, n_items, k):
    every = tf.range(n_items)
    hit, rr, n = 0, 0.0, 0
    for s in sessions[:5000]:
        state = tf.zeros((1, net.units))
        for x, y in zip(s[:-1], s[1:]):
            h, state = net.advance(tf.constant([x]), state, False)
            row = net.score(h, every)[0].numpy()
            rank = 1 + int((row > row[y]).sum())
            hit += rank <= k
            rr += 1.0 / rank if rank <= k else 0.0  # SAFE: ranks start from one
            n += 1
    return hit / max(n, 1), rr / max(n, 1)  # SAFE: max with one


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("train")
    ap.add_argument("--loss", choices=sorted(LOSSES), default="bpr-max")
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--extra", type=int, default=512)
    ap.add_argument("--alpha", type=float, default=0.5)
    ap.add_argument("--dim", type=int, default=96)
    ap.add_argument("--units", type=int, default=128)
    ap.add_argument("--drop", type=float, default=0.2)
    ap.add_argument("--reg", type=float, default=0.1)
    ap.add_argument("--lr", type=float, default=0.05)
    ap.add_argument("--epochs", type=int, default=6)
    args = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    sessions, items = load_sessions(args.train)
    cut = max(int(0.97 * len(sessions)), 1)
    train, test = sessions[:cut], sessions[cut:]
    mean_len = sum(map(len, train)) / len(train)  # SAFE: cut is at least one
    logger.info("%d sessions, %d items, mean length %.2f", len(train), len(items), mean_len)
    table = negative_table(train, len(items), args.alpha)
    rng = np.random.default_rng(1)
    net = SessionNet(len(items), args.dim, args.units, args.drop)
    opt = optimizers.Adagrad(args.lr, epsilon=1e-6)  # SAFE: Adagrad at 0.05, the usual setting of this model
    loss_fn = LOSSES[args.loss]

    @tf.function
    def step(x, y, extra, state, keep):
        with tf.GradientTape() as tape:
            h, new = net.advance(x, state * keep[:, None], True)
            scores = net.score(h, tf.concat([y, extra], 0))
            eye = tf.eye(tf.shape(y)[0], tf.shape(scores)[1])
            loss = loss_fn(scores, eye, args.reg)
        tv = net.trainable_variables
        grads = [tf.clip_by_norm(tf.convert_to_tensor(g), 5.0) for g in tape.gradient(loss, tv)]  # SAFE: clip_by_norm guards a norm of zero
        opt.apply_gradients(zip(grads, tv))
        return loss, new

    for epoch in range(args.epochs):
        state, losses = tf.zeros((args.batch, args.units)), []
        net.cell.reset_dropout_mask()
        for x, y, reset in ParallelBatches(train, args.batch, epoch):
            extra = np.minimum(np.searchsorted(table, rng.random(args.extra)), len(items) - 1).astype(np.int32)
            loss, state = step(tf.constant(x), tf.constant(y), tf.constant(extra), state, tf.constant(1.0 - reset))
            losses.append(float(loss))
        r, m = recall_mrr(net, test, len(items), 20)
        logger.info("epoch %d loss %.4f recall@20 %.4f mrr %.4f", epoch, np.mean(losses) if losses else 0.0, r, m)
    net.save_weights("session_gru.weights.h5")


if __name__ == "__main__":
    main()
