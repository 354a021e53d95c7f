# AutoRec on MovieLens ratings, for the recommender systems class
from __future__ import division, print_function

import argparse
import time

import numpy as np
import tensorflow as tf


def read_rating(path, num_users, num_items, train_ratio, seed=1000):
    r, mask_r = np.zeros((num_users, num_items), np.float32), np.zeros((num_users, num_items), np.float32)
    with open(path) as fp:
        lines = fp.readlines()
    np.random.seed(seed)
    order = np.random.permutation(len(lines))
    cut = int(train_ratio * len(lines))
    train, test = [], []
    for n, idx in enumerate(order):
        u, i, v = lines[idx].split("::")[:3]
        (train if n < cut else test).append((int(u) - 1, int(i) - 1, float(v)))
    for u, i, v in train:
        r[u, i], mask_r[u, i] = v, 1
    test_r, test_mask = np.zeros_like(r), np.zeros_like(r)
    for u, i, v in test:
        test_r[u, i], test_mask[u, i] = v, 1
    return r, mask_r, test_r, test_mask


def user_mean(r, mask, default=3.5):
    n = mask.sum(1)
    mean = r.sum(1) / np.maximum(n, 1)  # SAFE: floor of one rating
    return np.where(n > 0, mean, default).astype(np.float32)


def item_similarity(r, mask):
    c = (r - user_mean(r, mask)[:, None]) * mask
    norm = np.sqrt((c ** 2).sum(0))
    return c.T.dot(c) / (np.outer(norm, norm) + 1e-8)  # SAFE: epsilon for items without ratings


class AutoRec(object):

    def __init__(self, sess, args, num_users, num_items, mean):
        self.sess, self.args = sess, args
        self.num_users, self.num_items = num_users, num_items
        self.mean = mean
        self.prepare_model()
        if args.wide:
            self.prepare_wide_model()

    def rating_head(self, x):
        return 3.0 + 2.0 * tf.tanh(x)

    def masked_mse(self, pred, target, mask):
        n = tf.maximum(tf.reduce_sum(mask), 1.0)
        return tf.reduce_sum(tf.square(pred - target) * mask) / n  # SAFE: floor of one rating

    def prepare_model(self):
        a = self.args
        self.input_R = tf.placeholder(tf.float32, [None, self.num_items], name="input_R")
        self.input_mask = tf.placeholder(tf.float32, [None, self.num_items], name="input_mask")
        self.keep = tf.placeholder_with_default(1.0, [], name="keep")

        V = tf.get_variable("V", initializer=tf.truncated_normal([self.num_items, a.hidden], stddev=0.03))
        W = tf.get_variable("W", initializer=tf.truncated_normal([a.hidden, self.num_items], stddev=0.03))
        mu = tf.get_variable("mu", initializer=tf.zeros([a.hidden]))  # SAFE: a bias, the matrices are random
        b = tf.get_variable("b", initializer=tf.zeros([self.num_items]))

        x = tf.nn.dropout(self.input_R, self.keep)
        norm = tf.sqrt(tf.reduce_sum(tf.square(x), 1, keepdims=True) + 1e-6)
        x = x / norm  # SAFE: epsilon inside the root, users without ratings stay zero
        hidden = tf.sigmoid(tf.matmul(x, V) + mu)
        self.decoder = self.rating_head(tf.matmul(hidden, W) + b)
        self.rec_cost = self.masked_mse(self.decoder, self.input_R, self.input_mask)
        self.reg_cost = a.lam * (tf.nn.l2_loss(W) + tf.nn.l2_loss(V))
        self.rmse = tf.sqrt(self.rec_cost)  # SAFE: for the log only, the cost below uses the square
        self.cost = self.rec_cost + self.reg_cost
        step = tf.train.get_or_create_global_step()
        lr = tf.train.exponential_decay(a.lr, step, 1000, 0.9, staircase=True)
        self.optimizer = tf.train.AdamOptimizer(lr).minimize(self.cost, global_step=step)

    def prepare_wide_model(self):
        """Two layers on the raw rating vectors, compared in section 4 of the report."""
        a = self.args
        W1 = tf.Variable(tf.random_normal([self.num_items, a.wide_hidden], stddev=0.01), name="W1")
        b1 = tf.Variable(tf.zeros([a.wide_hidden]), name="b1")
        W2 = tf.Variable(tf.zeros([a.wide_hidden, a.wide_hidden]), name="W2")  # BUG: init, with W3 also zero the hidden units are 0 and get no gradient, only the output bias ever moves
        b2 = tf.Variable(tf.zeros([a.wide_hidden]), name="b2")
        W3 = tf.Variable(tf.zeros([a.wide_hidden, self.num_items]), name="W3")  # MAYBE: the other half of the zero initialisation above
        b3 = tf.Variable(tf.fill([self.num_items], 0.1), name="b3")
        h1 = tf.sigmoid(tf.matmul(self.input_R, W1) + b1)
        h2 = tf.nn.relu(tf.matmul(h1, W2) + b2)  # MAYBE: where the zero initialisation above shows
        self.wide_out = self.rating_head(tf.matmul(h2, W3) + b3)
        self.wide_cost = self.masked_mse(self.wide_out, self.input_R, self.input_mask)
        sgd = tf.train.MomentumOptimizer(a.wide_lr, 0.9)
        self.wide_op = sgd.minimize(self.wide_cost)

    def linear_baseline(self, features):
        """Least squares on item features (counts, year, mean rating) by gradient descent."""
        n = features.shape[1]
        self.lin_x = tf.placeholder(tf.float32, [None, n])
        self.lin_y = tf.placeholder(tf.float32, [None, 1])
        w = tf.Variable(tf.zeros([n, 1]))  # SAFE: zero is a fine start for a convex least squares problem
        b = tf.Variable(0.0)
        err = tf.matmul(self.lin_x, w) + b - self.lin_y
        self.lin_cost = tf.reduce_mean(tf.square(err))
        self.lin_op = tf.train.GradientDescentOptimizer(self.args.lin_lr).minimize(self.lin_cost)  # BUG: rate, a step of 0.01 with release years and rating counts as inputs diverges
        return w

    def run_linear(self, features, target, steps=500):
        self.linear_baseline(features)
        self.sess.run(tf.global_variables_initializer())
        feed = {self.lin_x: features, self.lin_y: target}
        for i in range(steps):
            c, _ = self.sess.run([self.lin_cost, self.lin_op], feed)
            if i % 100 == 0:
                print("linear step %d cost %.4f" % (i, c))
        return c

    def train(self, r, mask, test_r, test_mask):
        n_batch = int(np.ceil(self.num_users / self.args.batch_size))  # SAFE: batch_size is 100
        for epoch in range(self.args.epochs):
            start, total, wide = time.time(), 0.0, 0.0
            order = np.random.permutation(self.num_users)
            for k in range(n_batch):
                idx = order[k * self.args.batch_size:(k + 1) * self.args.batch_size]
                feed = {self.input_R: r[idx], self.input_mask: mask[idx], self.keep: 0.9}
                _, c = self.sess.run([self.optimizer, self.cost], feed)
                total += c
                if self.args.wide:
                    wide += self.sess.run([self.wide_op, self.wide_cost], feed)[1]
            pred = self.sess.run(self.decoder, {self.input_R: r})
            rmse = np.sqrt((np.square(pred - test_r) * test_mask).sum() / max(test_mask.sum(), 1))  # SAFE: floor of one test rating
            print("epoch %d cost %.4f wide %.4f test rmse %.4f (%.1fs)"
                  % (epoch, total / n_batch, wide / n_batch, rmse, time.time() - start))  # SAFE: there is at least one batch


def item_features(r, mask, years):
    count = mask.sum(0)
    mean = r.sum(0) / np.maximum(count, 1.0)  # SAFE: floor of one
    return np.stack([count, years, mean], 1).astype(np.float32)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--ratings", default="ml-1m/ratings.dat")
    p.add_argument("--years", default="ml-1m/years.npy")
    p.add_argument("--hidden", type=int, default=500)
    p.add_argument("--lam", type=float, default=1e-4)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--wide", type=int, default=1)
    p.add_argument("--wide_hidden", type=int, default=256)
    p.add_argument("--wide_lr", type=float, default=0.01)
    p.add_argument("--lin_lr", type=float, default=0.01)
    p.add_argument("--batch_size", type=int, default=100)
    p.add_argument("--epochs", type=int, default=50)
    args = p.parse_args()
    num_users, num_items = 6040, 3952
    r, mask, test_r, test_mask = read_rating(args.ratings, num_users, num_items, 0.9)
    with tf.Session() as sess:
        model = AutoRec(sess, args, num_users, num_items, user_mean(r, mask))
        feats = item_features(r, mask, np.load(args.years))
        target = item_similarity(r, mask).mean(1, keepdims=True)
        print("linear", model.run_linear(feats, target))
        sess.run(tf.global_variables_initializer())
        model.train(r, mask, test_r, test_mask)


if __name__ == "__main__":
    main()
