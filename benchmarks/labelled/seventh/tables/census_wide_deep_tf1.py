"""Wide & deep model on the census income table, low level TensorFlow 1.x."""
import argparse
import csv
import os

import numpy as np
import tensorflow as tf

CONT = ['age', 'fnlwgt', 'education_num', 'capital_gain', 'capital_loss', 'hours_per_week']
CAT = ['workclass', 'marital', 'occupation', 'relationship', 'race', 'sex', 'country']
COLUMNS = ['age', 'workclass', 'fnlwgt', 'education', 'education_num', 'marital', 'occupation', 'relationship',
           'race', 'sex', 'capital_gain', 'capital_loss', 'hours_per_week', 'country', 'income']
AGE_EDGES = [18, 25, 30, 35, 40, 45, 50, 55, 60, 65]


def read(path):
    cont, cat, y = [], [], []
    with open(path) as fh:
        for row in csv.reader(fh, skipinitialspace=True):
            if len(row) != len(COLUMNS):
                continue
            d = dict(zip(COLUMNS, row))
            cont.append([float(d[c]) for c in CONT])
            cat.append([d[c] for c in CAT])
            y.append(float('>50K' in d['income']))
    return np.array(cont, np.float32), cat, np.array(y, np.float32)


class Encoder(object):

    def fit(self, cat, y, smoothing=20.0):
        self.maps, self.rates = [], []
        prior = float(np.mean(y))
        for k in range(len(CAT)):
            values = sorted(set(r[k] for r in cat))
            self.maps.append({v: i + 1 for i, v in enumerate(values)})
            ids = np.array([self.maps[k][r[k]] for r in cat])
            n = np.bincount(ids, minlength=len(values) + 1)
            s = np.bincount(ids, weights=y, minlength=len(values) + 1)
            self.rates.append((s + smoothing * prior) / (n + smoothing))  # SAFE: smoothing of 20 is added to the counts
        return self

    def ids(self, cat):
        return np.array([[self.maps[k].get(r[k], 0) for k in range(len(CAT))] for r in cat], np.int32)

    def log_odds(self, ids):
        p = np.clip(np.stack([self.rates[k][ids[:, k]] for k in range(len(CAT))], 1), 1e-4, 1 - 1e-4)
        return np.log(p / (1 - p)).astype(np.float32)  # SAFE: rates are clipped away from both ends

    def sizes(self):
        return [len(m) + 1 for m in self.maps]


def age_gain_cross(cont):
    bucket = np.digitize(cont[:, 0], AGE_EDGES)
    gain = np.minimum(np.log1p(cont[:, 3]).astype(np.int32), 11)  # SAFE: capital gains are never negative in the table
    return (bucket * 12 + gain).astype(np.int32)


class WideDeep(object):

    def __init__(self, sizes, args):
        self.args = args
        self.cont = tf.placeholder(tf.float32, [None, len(CONT)], 'cont')
        self.ids = tf.placeholder(tf.int32, [None, len(CAT)], 'ids')
        self.cross = tf.placeholder(tf.int32, [None], 'cross')
        self.odds = tf.placeholder(tf.float32, [None, len(CAT)], 'odds')
        self.y = tf.placeholder(tf.float32, [None], 'y')
        self.training = tf.placeholder_with_default(False, [], 'training')
        wide = self.wide_part(sizes)
        deep = self.deep_part(sizes)
        self.logit = wide + deep
        self.prob = tf.sigmoid(self.logit)
        self.build_loss()

    def wide_part(self, sizes):
        w = tf.get_variable('w_cross', [12 * (len(AGE_EDGES) + 1)], initializer=tf.zeros_initializer())  # SAFE: zero is fine for the weights of a linear model
        out = tf.gather(w, self.cross)
        for k, n in enumerate(sizes):
            out += tf.gather(tf.get_variable('w_%d' % k, [n], initializer=tf.zeros_initializer()), self.ids[:, k])
        return out

    def deep_part(self, sizes):
        parts = [self.cont, self.odds]
        for k, n in enumerate(sizes):
            table = tf.get_variable('emb_%d' % k, [n, 8], initializer=tf.random_normal_initializer(stddev=0.1))
            parts.append(tf.nn.embedding_lookup(table, self.ids[:, k]))
        x = tf.concat(parts, 1)
        for i, units in enumerate([100, 50]):
            x = tf.layers.dense(x, units, activation=tf.nn.relu, name='h%d' % i)  # BUG: raw-data, the weight column fnlwgt of up to 1.5 million enters unscaled next to values of order one
            x = tf.layers.dropout(x, 0.2, training=self.training)
        return tf.layers.dense(x, 1, name='out')[:, 0]

    def build_loss(self):
        a = self.args
        pos = self.y * tf.log(self.prob)  # BUG: log-sigmoid, the sigmoid underflows to 0 for logits of the size that unscaled columns produce
        neg = (1.0 - self.y) * tf.log_sigmoid(-self.logit)  # SAFE: log_sigmoid is the stable form
        self.nll = -tf.reduce_mean(pos + neg)
        brier = tf.reduce_mean(tf.square(self.prob - self.y))
        rate = tf.reduce_mean(self.y)
        ref = tf.maximum(rate * (1.0 - rate), 1e-3)
        self.skill = 1.0 - brier / ref  # SAFE: the reference is floored, a summary only
        self.loss = self.nll + a.l2 * tf.add_n([tf.nn.l2_loss(v) for v in tf.trainable_variables() if 'kernel' in v.name])
        tvars = tf.trainable_variables()
        wide = [v for v in tvars if v.name.startswith('w_')]
        deep = [v for v in tvars if not v.name.startswith('w_')]
        ftrl = tf.train.FtrlOptimizer(a.wide_lr, initial_accumulator_value=0.1, l1_regularization_strength=1e-4)  # SAFE: the accumulator starts at 0.1
        adag = tf.train.AdagradOptimizer(a.deep_lr, initial_accumulator_value=0.1)  # SAFE: the accumulator starts at 0.1
        self.train_op = tf.group(ftrl.minimize(self.loss, var_list=wide), adag.minimize(self.loss, var_list=deep))

    def feed(self, cont, ids, odds, y, training=False):
        return {self.cont: cont, self.ids: ids, self.cross: age_gain_cross(cont), self.odds: odds,
                self.y: y, self.training: training}


def auc(p, y):
    order = np.argsort(p, kind='stable')
    rank = np.empty(len(p))
    rank[order] = np.arange(1, len(p) + 1)
    n1, n0 = y.sum(), (1 - y).sum()
    return (rank[y > 0].sum() - n1 * (n1 + 1) / 2) / max(n1 * n0, 1.0)  # SAFE: floor of one pair


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--train', default='adult.data')
    p.add_argument('--test', default='adult.test')
    p.add_argument('--wide_lr', type=float, default=0.1)
    p.add_argument('--deep_lr', type=float, default=0.05)
    p.add_argument('--l2', type=float, default=1e-5)
    p.add_argument('--batch', type=int, default=100)
    p.add_argument('--epochs', type=int, default=20)
    p.add_argument('--model_dir', default='wd')
    args = p.parse_args()
    cont, cat, y = read(args.train)
    tcont, tcat, ty = read(args.test)
    enc = Encoder().fit(cat, y)
    ids, tids = enc.ids(cat), enc.ids(tcat)
    odds, todds = enc.log_odds(ids), enc.log_odds(tids)
    model = WideDeep(enc.sizes(), args)
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for epoch in range(args.epochs):
            order, losses = np.random.permutation(len(y)), []
            for i in range(0, len(y), args.batch):
                k = order[i:i + args.batch]
                losses.append(sess.run([model.nll, model.train_op], model.feed(cont[k], ids[k], odds[k], y[k], True))[0])
            prob, skill = sess.run([model.prob, model.skill], model.feed(tcont, tids, todds, ty))
            print('epoch %d loss %.4f auc %.4f skill %.3f' % (epoch, np.mean(losses), auc(prob, ty), skill))
            saver.save(sess, os.path.join(args.model_dir, 'model'), global_step=epoch)


if __name__ == '__main__':
    main()
