"""Two layer GCN / GAT on a citation graph stored as edges.npy, features.npy, labels.npy."""
import argparse
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


def row_normalize(features):
    total = features.sum(axis=1)
    inv = np.zeros_like(total)
    np.divide(1.0, total, out=inv, where=total != 0)  # SAFE: the where argument skips empty rows
    return features * inv[:, None]


def symmetric_adjacency(edges, n, self_loops=True):
    adj = np.zeros((n, n), np.float32)
    adj[edges[:, 0], edges[:, 1]] = 1.0
    adj = np.maximum(adj, adj.T)
    if self_loops:
        np.fill_diagonal(adj, 1.0)
    degree = adj.sum(axis=1)
    with np.errstate(divide="ignore"):
        d_inv_sqrt = np.power(degree, -0.5)  # SAFE: infinities of isolated nodes are zeroed on the next line
    d_inv_sqrt[np.isinf(d_inv_sqrt)] = 0.0
    return d_inv_sqrt[:, None] * adj * d_inv_sqrt[None, :]


def to_sparse_tensor(dense):
    row, col = np.nonzero(dense)
    idx = np.stack([row, col], axis=1).astype(np.int64)
    t = tf.SparseTensor(idx, dense[row, col].astype(np.float32), dense.shape)
    return tf.sparse.reorder(t)


class GraphConv(layers.Layer):
    def __init__(self, units, activation=None, l2=5e-4):
        super().__init__()
        self.lin = layers.Dense(units, use_bias=False, kernel_regularizer=tf.keras.regularizers.L2(l2))
        self.act = tf.keras.activations.get(activation)

    def call(self, h, adj):
        return self.act(tf.sparse.sparse_dense_matmul(adj, self.lin(h)))


def segment_softmax(scores, segments, n):
    top = tf.math.unsorted_segment_max(scores, segments, n)
    shifted = scores - tf.gather(top, segments)
    e = tf.exp(shifted)  # SAFE: the segment maximum is subtracted
    total = tf.math.unsorted_segment_sum(e, segments, n)
    return e / tf.gather(total, segments)  # SAFE: every gathered segment holds its own maximum, so the sum is at least 1


class GraphAttention(layers.Layer):
    def __init__(self, units, activation=None):
        super().__init__()
        self.lin = layers.Dense(units, use_bias=False)
        self.src = layers.Dense(1, use_bias=False)
        self.dst = layers.Dense(1, use_bias=False)
        self.act = tf.keras.activations.get(activation)

    def call(self, h, adj):
        n = tf.shape(h)[0]
        z = self.lin(h)
        row, col = adj.indices[:, 0], adj.indices[:, 1]
        e = tf.gather(self.dst(z)[:, 0], row) + tf.gather(self.src(z)[:, 0], col)
        a = segment_softmax(tf.nn.leaky_relu(e, 0.2), row, n)
        out = tf.math.unsorted_segment_sum(a[:, None] * tf.gather(z, col), row, n)
        return self.act(out)


class PairNorm(layers.Layer):
    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale

    def call(self, h):
        h = h - tf.reduce_mean(h, axis=0, keepdims=True)
        norm = tf.sqrt(1e-6 + tf.reduce_mean(tf.reduce_sum(tf.square(h), axis=-1)))  # SAFE: 1e-6 inside the root
        return self.scale * h / norm  # SAFE: norm is at least 1e-3


class GraphNet(tf.keras.Model):
    def __init__(self, n_classes, hidden=32, kind="gcn", dropout=0.5):
        super().__init__()
        layer = GraphConv if kind == "gcn" else GraphAttention
        self.l1 = layer(hidden, activation="relu")
        self.norm = PairNorm()
        self.l2 = layer(n_classes)
        self.drop = layers.Dropout(dropout)

    def call(self, inputs, training=False):
        x, adj = inputs
        h = self.l1(self.drop(x, training=training), adj)
        h = self.norm(h)
        return self.l2(self.drop(h, training=training), adj)


def masked_loss(labels, logits, mask):
    ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    mask = tf.cast(mask, tf.float32)
    return tf.reduce_sum(ce * mask) / tf.maximum(tf.reduce_sum(mask), 1.0)  # SAFE: mask sum floored at 1


def confidence_penalty(logits):
    logp = tf.nn.log_softmax(logits, axis=-1)
    return -tf.reduce_mean(tf.reduce_sum(tf.exp(logp) * logp, axis=-1))  # SAFE: log_softmax is finite and exp of it is at most 1


def masked_accuracy(labels, logits, mask):
    hit = tf.cast(tf.equal(tf.argmax(logits, -1, output_type=tf.int32), labels), tf.float32)
    mask = tf.cast(mask, tf.float32)
    return tf.math.divide_no_nan(tf.reduce_sum(hit * mask), tf.reduce_sum(mask))  # SAFE: divide_no_nan


def make_step(model, opt, x, adj, labels, beta):
    @tf.function
    def step(mask):
        with tf.GradientTape() as tape:
            logits = model((x, adj), training=True)
            loss = masked_loss(labels, logits, mask) - beta * confidence_penalty(logits)
            loss += tf.add_n(model.losses) if model.losses else 0.0
        grads = tape.gradient(loss, model.trainable_variables)
        opt.apply_gradients(zip(grads, model.trainable_variables))
        return loss
    return step


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--root", default="data/cora")
    p.add_argument("--kind", choices=["gcn", "gat"], default="gcn")
    p.add_argument("--epochs", type=int, default=200)
    p.add_argument("--lr", type=float, default=0.01)
    p.add_argument("--beta", type=float, default=0.01)
    args = p.parse_args()
    load = lambda name: np.load(os.path.join(args.root, name))
    x = tf.constant(row_normalize(load("features.npy").astype(np.float32)))
    labels = tf.constant(load("labels.npy").astype(np.int32))
    adj = to_sparse_tensor(symmetric_adjacency(load("edges.npy"), x.shape[0]))
    train_mask, val_mask = load("train_mask.npy"), load("val_mask.npy")
    model = GraphNet(int(tf.reduce_max(labels)) + 1, kind=args.kind)
    step = make_step(model, tf.keras.optimizers.Adam(args.lr), x, adj, labels, args.beta)
    best = 0.0
    for epoch in range(args.epochs):
        loss = step(train_mask)
        acc = float(masked_accuracy(labels, model((x, adj)), val_mask))
        best = max(best, acc)
        if epoch % 10 == 0:
            print(f"{epoch:03d} loss {loss:.4f} val {acc:.4f} best {best:.4f}")


if __name__ == "__main__":
    main()
