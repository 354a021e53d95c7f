# -*- coding: utf-8 -*-
"""Implicit feedback recommender: BPR + pointwise head, popularity debiasing. TF 1.x"""
import argparse

import numpy as np
import tensorflow as tf

p = argparse.ArgumentParser()
p.add_argument('--data', default='ratings.csv')
p.add_argument('--dim', type=int, default=32)
p.add_argument('--batch', type=int, default=1024)
p.add_argument('--epochs', type=int, default=20)
p.add_argument('--l2', type=float, default=1e-5)
p.add_argument('--lr', type=float, default=1e-3)


def load(path):
    raw = np.loadtxt(path, delimiter=',', skiprows=1)[:, :2].astype(np.int64)
    _, u = np.unique(raw[:, 0], return_inverse=True)
    _, i = np.unique(raw[:, 1], return_inverse=True)
    return u.astype(np.int32), i.astype(np.int32)


def propensity(items, n_items, power=0.5):
    c = np.bincount(items, minlength=n_items).astype(np.float64)
    q = (c / max(c.max(), 1.0)) ** power  # SAFE: max(.., 1)
    return np.clip(q, 0.05, 1.0).astype(np.float32)


def negative_sampling_probs(items, n_items):
    c = np.bincount(items, minlength=n_items) ** 0.75
    return c / c.sum()  # SAFE: the training file has at least one interaction


class Recommender(object):
    def __init__(self, n_users, n_items, prop, dim, l2, lr):
        self.u = tf.placeholder(tf.int32, [None])
        self.i = tf.placeholder(tf.int32, [None])
        self.j = tf.placeholder(tf.int32, [None])
        init = tf.random_normal_initializer(stddev=0.01)
        users = tf.get_variable('users', [n_users, dim], initializer=init)
        items = tf.get_variable('items', [n_items, dim], initializer=init)
        bias = tf.get_variable('bias', [n_items], initializer=tf.zeros_initializer())
        pu = tf.nn.embedding_lookup(users, self.u)
        qi, qj = tf.nn.embedding_lookup(items, self.i), tf.nn.embedding_lookup(items, self.j)
        bi, bj = tf.gather(bias, self.i), tf.gather(bias, self.j)
        self.pos = tf.reduce_sum(pu * qi, 1) + bi
        self.neg = tf.reduce_sum(pu * qj, 1) + bj

        w = 1.0 / tf.gather(tf.constant(prop), self.i)  # SAFE: propensities are clipped to at least 0.05
        bpr = -tf.log_sigmoid(self.pos - self.neg)  # SAFE: log_sigmoid is the stable form
        self.bpr = tf.reduce_sum(w * bpr) / tf.reduce_sum(w)  # SAFE: every weight is at least 1

        h = tf.layers.dense(tf.concat([pu, qi], 1), 32, activation=tf.nn.relu, name='mlp')
        rate = tf.nn.softplus(tf.layers.dense(h, 1, name='rate')[:, 0]) + 1e-4
        self.poisson = tf.reduce_mean(rate - tf.log(rate))  # SAFE: softplus + 1e-4 is positive

        un = tf.nn.l2_normalize(pu, axis=1)  # SAFE: l2_normalize has an epsilon
        vn = tf.nn.l2_normalize(qi, axis=1)  # SAFE: l2_normalize has an epsilon
        sim = tf.matmul(un, vn, transpose_b=True) / 0.1  # SAFE: constant temperature, cosines are at most 1
        diag = tf.range(tf.shape(sim)[0])
        self.nce = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=diag, logits=sim))  # SAFE: similarities as logits
        uni = tf.exp(-2.0 * tf.maximum(2.0 - 2.0 * tf.matmul(un, un, transpose_b=True), 0.0))  # SAFE: the exponent is never positive
        self.uniformity = tf.log(tf.reduce_mean(uni))  # SAFE: the diagonal terms are 1, the mean is at least 1 / batch
        reg = l2 * (tf.nn.l2_loss(pu) + tf.nn.l2_loss(qi) + tf.nn.l2_loss(qj))
        self.loss = self.bpr + 0.1 * self.poisson + 0.1 * self.nce + 0.01 * self.uniformity + reg
        opt = tf.train.AdamOptimizer(lr)
        g, v = zip(*opt.compute_gradients(self.loss))
        g, self.norm = tf.clip_by_global_norm(g, 5.0)
        self.op = opt.apply_gradients(list(zip(g, v)))


def ndcg(ranks, k=10):
    r = np.asarray(ranks, np.float64)
    return float(np.mean(np.where(r < k, 1.0 / np.log2(r + 2.0), 0.0)))  # SAFE: ranks start at 0, log2(2) = 1


def main():
    a = p.parse_args()
    u, i = load(a.data)
    n_u, n_i = u.max() + 1, i.max() + 1
    rng = np.random.RandomState(0)
    hold = rng.rand(len(u)) < 0.05
    tu, ti = u[~hold], i[~hold]
    probs = negative_sampling_probs(ti, n_i)
    net = Recommender(n_u, n_i, propensity(ti, n_i), a.dim, a.l2, a.lr)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for ep in range(a.epochs):
            order = rng.permutation(len(tu))
            for s in range(0, len(order), a.batch):
                b = order[s:s + a.batch]
                neg = rng.choice(n_i, len(b), p=probs)
                loss, norm, _ = sess.run([net.loss, net.norm, net.op], {net.u: tu[b], net.i: ti[b], net.j: neg})
            hu, hi = u[hold][:500], i[hold][:500]
            ranks = []
            for a_u, a_i in zip(hu, hi):
                cand = np.concatenate([[a_i], rng.choice(n_i, 99)])
                sc = sess.run(net.pos, {net.u: np.full(100, a_u), net.i: cand})
                ranks.append(int((sc > sc[0]).sum()))
            print('%d loss %.4f |g| %.3f ndcg %.4f' % (ep, loss, norm, ndcg(ranks) if ranks else 0.0))  # SAFE: empty list handled


if __name__ == '__main__':
    main()
