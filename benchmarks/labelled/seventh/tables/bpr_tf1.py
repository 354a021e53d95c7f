"""Matrix factorisation with Bayesian personalised ranking, TF 1.x."""
import argparse
import math
import os
import random
from collections import defaultdict

import numpy as np
import tensorflow as tf


def load_interactions(path, min_items=3):
    by_user = defaultdict(dict)
    users, items = {}, {}
    with open(path) as fh:
        for line in fh:
            u, i, count = line.strip().split(',')[:3]
            u = users.setdefault(u, len(users))
            i = items.setdefault(i, len(items))
            by_user[u][i] = float(count)
    kept = {u: d for u, d in by_user.items() if len(d) >= min_items}
    return kept, len(users), len(items)


def leave_one_out(by_user, rng):
    train, test = {}, {}
    for u, d in by_user.items():
        held = rng.choice(sorted(d))
        test[u] = held
        train[u] = {i: c for i, c in d.items() if i != held}
    return train, test


def popularity(train, n_items, power=0.75):
    counts = np.ones(n_items, dtype=np.float64)
    for d in train.values():
        for i in d:
            counts[i] += 1
    p = counts ** power
    return p / p.sum()  # SAFE: counts start at one


class BPR(object):

    def __init__(self, n_users, n_items, args, item_pop):
        self.u = tf.placeholder(tf.int32, [None], 'u')
        self.i = tf.placeholder(tf.int32, [None], 'i')
        self.j = tf.placeholder(tf.int32, [None], 'j')
        self.conf = tf.placeholder(tf.float32, [None], 'confidence')
        init = tf.random_normal_initializer(0, 0.1)
        with tf.variable_scope('factors'):
            self.user_emb = tf.get_variable('user', [n_users, args.dim], initializer=init)
            self.item_emb = tf.get_variable('item', [n_items, args.dim], initializer=init)
            self.item_bias = tf.get_variable('item_b', [n_items], initializer=tf.zeros_initializer())  # SAFE: a bias of zero, the factors are random
        self.log_pop = tf.constant(np.log(item_pop).astype(np.float32))  # SAFE: popularity starts every count at one, so no zero
        self.args = args
        self._build()

    def score(self, u, i):
        ue = tf.nn.embedding_lookup(self.user_emb, u)
        ie = tf.nn.embedding_lookup(self.item_emb, i)
        return tf.reduce_sum(ue * ie, 1) + tf.gather(self.item_bias, i), ue, ie

    def _sample_weight(self):
        w = tf.log1p(self.conf)  # SAFE: play counts are positive
        return w / (tf.reduce_mean(w) + 1e-8)  # SAFE: epsilon, and every count is positive

    def _build(self):
        a = self.args
        x_ui, ue, ie = self.score(self.u, self.i)
        x_uj, _, je = self.score(self.u, self.j)
        diff = a.alpha * (x_ui - x_uj)
        prob = tf.sigmoid(diff)
        nll = -tf.log(prob)  # BUG: log-sigmoid, the sigmoid underflows to zero for badly ranked pairs of heavy users
        reg = a.reg * (tf.nn.l2_loss(ue) + tf.nn.l2_loss(ie) + tf.nn.l2_loss(je))
        batch = tf.cast(tf.shape(self.u)[0], tf.float32)
        self.loss = tf.reduce_sum(self._sample_weight() * nll) + reg / batch  # SAFE: batches come from sample_batches and are never empty
        self.auc = tf.reduce_mean(tf.cast(diff > 0, tf.float32))

        pop_aware = x_ui - a.beta * tf.gather(self.log_pop, self.i)
        self.rank_score = pop_aware
        norm = tf.sqrt(tf.reduce_sum(tf.square(self.item_emb), 1, keepdims=True))
        self.item_unit = self.item_emb / tf.maximum(norm, 1e-6)  # SAFE: floored, and used for the neighbour lists only

        step = tf.train.get_or_create_global_step()
        lr = tf.train.inverse_time_decay(a.lr, step, 10000, 0.5)
        self.train_op = tf.train.GradientDescentOptimizer(lr).minimize(self.loss, global_step=step)

    def neighbours(self, sess, item, k=10):
        unit = sess.run(self.item_unit)
        sims = unit.dot(unit[item])
        return np.argsort(-sims)[1:k + 1]


def sample_batches(train, n_items, pop, size, n_batches, rng):
    users = sorted(train)
    for _ in range(n_batches):
        us, pos, neg, conf = [], [], [], []
        negatives = rng.choice(n_items, size=size * 2, p=pop)
        k = 0
        while len(us) < size:
            u = random.choice(users)
            i = random.choice(list(train[u]))
            j = int(negatives[k % len(negatives)])
            k += 1
            if j in train[u]:
                continue
            us.append(u)
            pos.append(i)
            neg.append(j)
            conf.append(max(train[u][i], 1.0))
        yield us, pos, neg, conf


def ndcg_at_k(rank, k):
    return 1.0 / math.log(rank + 2, 2) if rank < k else 0.0  # SAFE: rank >= 0, the logarithm is at least one


def evaluate(sess, model, train, test, n_items, rng, k=10, n_neg=99):
    hits, ndcg = [], []
    for u, held in test.items():
        cand = [held]
        while len(cand) <= n_neg:
            j = rng.randint(n_items)
            if j not in train[u] and j != held:
                cand.append(j)
        s = sess.run(model.rank_score, {model.u: [u] * len(cand), model.i: cand})
        rank = int((s > s[0]).sum())
        hits.append(rank < k)
        ndcg.append(ndcg_at_k(rank, k))
    n = max(len(hits), 1)
    return sum(hits) / n, sum(ndcg) / n  # SAFE: max with one


def parse_args():
    p = argparse.ArgumentParser()
    p.add_argument('--data', default='lastfm_plays.csv')
    p.add_argument('--dim', type=int, default=64)
    p.add_argument('--lr', type=float, default=0.05)
    p.add_argument('--reg', type=float, default=0.01)
    p.add_argument('--alpha', type=float, default=1.0)
    p.add_argument('--beta', type=float, default=0.0)
    p.add_argument('--batch', type=int, default=512)
    p.add_argument('--epochs', type=int, default=30)
    p.add_argument('--out', default='bpr_model')
    return p.parse_args()


def main():
    args = parse_args()
    rng = np.random.RandomState(7)
    by_user, n_users, n_items = load_interactions(args.data)
    train, test = leave_one_out(by_user, rng)
    pop = popularity(train, n_items)
    model = BPR(n_users, n_items, args, pop)
    saver = tf.train.Saver()
    n_batches = max(1, sum(len(d) for d in train.values()) // args.batch)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for epoch in range(args.epochs):
            loss = auc = 0.0
            for us, pos, neg, conf in sample_batches(train, n_items, pop, args.batch, n_batches, rng):
                _, l, a = sess.run([model.train_op, model.loss, model.auc],
                                   {model.u: us, model.i: pos, model.j: neg, model.conf: conf})
                loss += l / n_batches  # SAFE: n_batches is at least one
                auc += a / n_batches
            hr, nd = evaluate(sess, model, train, test, n_items, rng)
            print('epoch %d loss %.4f auc %.4f HR@10 %.4f NDCG@10 %.4f' % (epoch, loss, auc, hr, nd))
            if not os.path.isdir(args.out):
                os.makedirs(args.out)
            saver.save(sess, os.path.join(args.out, 'bpr'), global_step=epoch)


if __name__ == '__main__':
    main()
