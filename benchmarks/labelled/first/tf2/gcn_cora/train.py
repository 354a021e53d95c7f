import argparse
import numpy as np
import tensorflow as tf
from graph import load_cora, row_normalise, sym_norm, sym_norm_noloop, sym_norm_masked, drop_edges, to_tf
from layers import GCN, GAT, MeanSage, PairNorm

NORMS = {"loop": sym_norm, "noloop": sym_norm_noloop, "masked": sym_norm_masked}


class Net(tf.keras.Model):
    def __init__(self, kind, hidden, classes):
        super().__init__()
        self.kind = kind
        if kind == "gcn":
            self.l1, self.l2 = GCN(hidden, "relu"), GCN(classes)
        elif kind == "gat":
            self.l1, self.l2 = GAT(hidden), GAT(classes, stable=False)
        else:
            self.l1, self.l2 = MeanSage(hidden), tf.keras.layers.Dense(classes)
        self.norm = PairNorm()
        self.drop = tf.keras.layers.Dropout(0.5)

    def call(self, inputs, training=False):
        A, x, src, dst = inputs
        if self.kind == "gcn":
            h = self.drop(self.norm(self.l1(A, x)), training=training)
            return self.l2(A, h)
        h = self.drop(tf.nn.elu(self.l1(x, src, dst)), training=training)
        return self.l2(h) if self.kind == "sage" else self.l2(h, src, dst)


def masked_ce(y, logits, mask):
    m = tf.cast(mask, tf.float32)
    m /= tf.reduce_mean(m)  # SAFE: the masks below always hold nodes
    return tf.reduce_mean(m * tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))  # SAFE: fused


def dgi_loss(pos, neg):
    """mutual information, raw discriminator scores"""
    return tf.reduce_mean(tf.nn.softplus(-pos)) + tf.reduce_mean(tf.nn.softplus(neg))  # SAFE: softplus


def link_loss(h, src, dst, neg):
    p = tf.sigmoid(tf.reduce_sum(tf.gather(h, src) * tf.gather(h, dst), 1))
    q = tf.sigmoid(tf.reduce_sum(tf.gather(h, src) * tf.gather(h, neg), 1))
    return -tf.reduce_mean(tf.math.log(p + 1e-15)) - tf.reduce_mean(tf.math.log(1 - q + 1e-15))  # SAFE: 1e-15 is added after 1 - q, log(1e-15) is finite


def link_loss_v2(h, src, dst, neg):
    eps = 1e-15
    q = tf.sigmoid(tf.reduce_sum(tf.gather(h, src) * tf.gather(h, neg), 1))
    q = tf.clip_by_value(q, eps, 1 - eps)
    return -tf.reduce_mean(tf.math.log(1 - q))  # BUG: weak-guard, 1 - 1e-15 is 1 in float32, saturated scores of long vectors give log(0)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--root", default="cora")
    p.add_argument("--kind", default="gcn", choices=["gcn", "gat", "sage"])
    p.add_argument("--norm", default="loop", choices=NORMS)
    p.add_argument("--drop", type=float, default=0.3)
    p.add_argument("--link", type=float, default=0.0)
    p.add_argument("--lr", type=float, default=0.01)
    a = p.parse_args()
    x, y, A = load_cora(a.root)
    x = row_normalise(x)
    rng = np.random.default_rng(0)
    n = len(y)
    perm = rng.permutation(n)
    tr = np.zeros(n, bool)
    tr[perm[:140]] = True
    te = ~tr
    net = Net(a.kind, 16, int(y.max()) + 1)
    opt = tf.keras.optimizers.Adam(a.lr)  # SAFE: default 0.01
    for ep in range(200):
        D = drop_edges(A.tocoo(), a.drop, rng)
        M = to_tf(NORMS[a.norm](D))
        src, dst = tf.constant(D.row), tf.constant(D.col)
        with tf.GradientTape() as tape:
            lo = net((M, x, src, dst), training=True)
            loss = masked_ce(y, lo, tr)
            if a.link > 0:
                neg = tf.constant(rng.integers(0, n, len(D.row)))
                loss += a.link * (link_loss(lo, src, dst, neg) + link_loss_v2(lo, src, dst, neg))
        g = tape.gradient(loss, net.trainable_variables)
        opt.apply_gradients(zip(g, net.trainable_variables))
        if ep % 20 == 0:
            pr = tf.argmax(lo, 1).numpy()
            print(ep, float(loss), (pr[te] == y[te]).sum() / te.sum())  # SAFE: 2568 test nodes


if __name__ == "__main__":
    main()
