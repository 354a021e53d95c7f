"""Claim frequency with a Poisson network, graph mode (motor insurance portfolio)."""
import argparse
import csv

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()

NUMERIC = ["driver_age", "vehicle_age", "vehicle_value", "density", "bonus"]
BRANDS = 12


def load(path):
    num, brand, expo, y = [], [], [], []
    with open(path) as f:
        for r in csv.DictReader(f):
            num.append([float(r[c]) for c in NUMERIC])
            brand.append(int(r["brand"]) % BRANDS)
            expo.append(float(r["exposure"]))
            y.append(float(r["claims"]))
    return (np.array(num, np.float32), np.array(brand, np.int32),
            np.array(expo, np.float32), np.array(y, np.float32))


class Preprocess(object):
    """Ages are standardised, the heavy tailed columns get their own treatment."""

    def __init__(self, num):
        self.mean = num.mean(axis=0)
        self.std = np.maximum(num.std(axis=0), 1e-3)
        self.cap = np.percentile(num, 99, axis=0)

    def __call__(self, num):
        z = (num - self.mean) / self.std  # SAFE: the deviation is at least 1e-3
        value = np.minimum(num[:, 2:3], self.cap[2]) / max(float(self.cap[2]), 1.0)  # SAFE: maximum with 1
        density = num[:, 3:4]
        bonus = np.log(np.clip(num[:, 4:5], 50.0, 350.0) / 100.0)  # SAFE: clipped to [50, 350]
        return np.concatenate([z[:, :2], value, density, bonus], axis=1).astype(np.float32)


def linear(x, units, name):
    with tf.variable_scope(name):
        n = x.get_shape().as_list()[-1]
        w = tf.get_variable("w", [n, units], initializer=tf.glorot_uniform_initializer())
        b = tf.get_variable("b", [units], initializer=tf.zeros_initializer())
        return tf.matmul(x, w) + b


class PoissonNet(object):
    def __init__(self, n_num, base_rate, width=32, l2=1e-4):
        self.num = tf.placeholder(tf.float32, [None, n_num])
        self.brand = tf.placeholder(tf.int32, [None])
        self.expo = tf.placeholder(tf.float32, [None])
        self.y = tf.placeholder(tf.float32, [None])
        table = tf.get_variable("brand", [BRANDS, 3], initializer=tf.random_normal_initializer(stddev=0.1))
        x = tf.concat([self.num, tf.nn.embedding_lookup(table, self.brand)], axis=1)
        h = tf.nn.tanh(linear(x, width, "h1"))
        h = tf.nn.tanh(linear(h, width, "h2"))
        deep = tf.squeeze(linear(h, 1, "out"), 1)
        skip = tf.squeeze(linear(self.num, 1, "glm"), 1)
        self.eta = deep + skip + float(np.log(max(base_rate, 1e-4)))  # SAFE: maximum with 1e-4
        self.rate = self.intensity()
        self.nll = self.loss()
        self.deviance = self.poisson_deviance()
        reg = tf.add_n([tf.nn.l2_loss(v) for v in tf.trainable_variables() if v.op.name.endswith("/w")])
        self.total = self.nll + l2 * reg
        opt = tf.train.AdamOptimizer(1e-3)
        gv = opt.compute_gradients(self.total)
        g, self.norm = tf.clip_by_global_norm([a for a, _ in gv], 5.0)
        self.train_op = opt.apply_gradients(list(zip(g, [v for _, v in gv])))

    def intensity(self):
        return tf.exp(self.eta)  # BUG: exp-overflow, the skip part sees the density in raw people per km2 (up to 27000), eta passes 88

    def loss(self):
        mu = self.rate * tf.clip_by_value(self.expo, 1e-3, 1.0)
        log_mu = self.eta + tf.log(tf.clip_by_value(self.expo, 1e-3, 1.0))  # SAFE: the exposure is clipped to [0.001, 1]
        return tf.reduce_mean(mu - self.y * log_mu + tf.lgamma(self.y + 1.0))  # SAFE: lgamma of claim counts plus 1

    def poisson_deviance(self):
        mu = tf.maximum(self.rate * self.expo, 1e-6)
        ratio = tf.where(self.y > 0, self.y, tf.ones_like(self.y)) / mu  # SAFE: mu is at least 1e-6
        return 2.0 * tf.reduce_mean(self.y * tf.log(ratio) - (self.y - mu))  # SAFE: y is replaced by 1 where it is 0, a metric


def gini(y, p, expo):
    order = np.argsort(p)
    cy, ce = np.cumsum(y[order]), np.cumsum(expo[order])
    if cy[-1] == 0 or ce[-1] == 0:
        return 0.0
    return float(1.0 - 2.0 * np.trapezoid(cy / cy[-1], ce / ce[-1]))  # SAFE: both totals are checked above


def lift_table(y, p, expo, bins=5):
    edges = np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1])
    b = np.digitize(p, edges)
    rows = []
    for k in range(bins):
        m = b == k
        e = max(float(expo[m].sum()), 1e-9)
        rows.append((float(y[m].sum()) / e, float((p[m] * expo[m]).sum()) / e))  # SAFE: exposure is at least 1e-9
    return rows


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--csv", default="data/claims.csv")
    ap.add_argument("--epochs", type=int, default=20)
    ap.add_argument("--batch", type=int, default=512)
    args = ap.parse_args()
    num, brand, expo, y = load(args.csv)
    rng = np.random.RandomState(0)
    order = rng.permutation(len(y))
    cut = int(0.8 * len(y))
    tr, te = order[:cut], order[cut:]
    prep = Preprocess(num[tr])
    x = prep(num)
    base = y[tr].sum() / max(expo[tr].sum(), 1e-6)  # SAFE: maximum with 1e-6
    net = PoissonNet(x.shape[1], base)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for epoch in range(args.epochs):
            rng.shuffle(tr)
            for s in range(0, len(tr), args.batch):
                i = tr[s:s + args.batch]
                sess.run(net.train_op, {net.num: x[i], net.brand: brand[i], net.expo: expo[i], net.y: y[i]})
            feed = {net.num: x[te], net.brand: brand[te], net.expo: expo[te], net.y: y[te]}
            dev, p = sess.run([net.deviance, net.rate], feed)
            print(epoch, "deviance %.4f gini %.3f" % (dev, gini(y[te], p, expo[te])))
        print(lift_table(y[te], p, expo[te]))


if __name__ == "__main__":
    main()
