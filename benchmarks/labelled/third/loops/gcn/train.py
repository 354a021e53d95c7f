import argparse

import numpy as np
import tensorflow as tf

from graph_utils import propagation_matrix, read_edges, row_normalize, split_masks
from layers import GCN


def get_args(argv=None):
    p = argparse.ArgumentParser()
    p.add_argument("--edges", default="citeseer/edges.txt")
    p.add_argument("--features", default="citeseer/features.npz")
    p.add_argument("--hidden", type=int, default=16)
    p.add_argument("--lr", type=float, default=0.01)
    p.add_argument("--weight-decay", type=float, default=5e-4)
    p.add_argument("--epochs", type=int, default=200)
    p.add_argument("--self-loops", action="store_true")
    p.add_argument("--pairnorm", action="store_true")
    return p.parse_args(argv)


def masked_ce(logits, labels, mask):
    ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)  # SAFE: GCN returns logits, no softmax before
    mask = mask / tf.reduce_mean(mask)  # SAFE: split_masks puts at least one node into train and val
    return tf.reduce_mean(ce * mask)


def masked_acc(logits, labels, mask):
    ok = tf.cast(tf.equal(tf.argmax(logits, -1), tf.cast(labels, tf.int64)), tf.float32)
    return tf.math.divide_no_nan(tf.reduce_sum(ok * mask), tf.reduce_sum(mask))  # SAFE: divide_no_nan, metric only


def fit(model, x, adj, labels, masks, args):
    opt = tf.keras.optimizers.Adam(args.lr)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            logits = model(x, adj=adj, training=True)
            loss = masked_ce(logits, labels, masks[0])
            loss += args.weight_decay * tf.nn.l2_loss(model.c1.kernel)
        g = tape.gradient(loss, model.trainable_variables)
        opt.apply_gradients(zip(g, model.trainable_variables))
        return loss

    best = 0.0
    for ep in range(args.epochs):
        loss = step()
        logits = model(x, adj=adj)
        val = float(masked_acc(logits, labels, masks[1]))
        best = max(best, val)
        if ep % 10 == 0:
            print(f"{ep:4d} loss {float(loss):.4f} val {val:.4f} test {float(masked_acc(logits, labels, masks[2])):.4f}")
    return best


def main():
    args = get_args()
    blob = np.load(args.features)
    x, y = blob["x"].astype(np.float32), blob["y"].astype(np.int32)
    n = len(x)
    adj = tf.constant(propagation_matrix(read_edges(args.edges), n, args.self_loops))
    model = GCN(args.hidden, int(y.max()) + 1, args.pairnorm)
    fit(model, tf.constant(row_normalize(x)), adj, tf.constant(y), [tf.constant(m) for m in split_masks(n)], args)


if __name__ == "__main__":
    main()
