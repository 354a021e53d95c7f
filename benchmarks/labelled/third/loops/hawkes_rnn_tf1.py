# Neural point process (RMTPP style) on retweet cascades. TensorFlow 1.13
import argparse
import pickle
import sys

import numpy as np
import tensorflow as tf

ap = argparse.ArgumentParser()
ap.add_argument('--train', default='retweet_train.pkl')
ap.add_argument('--dev', default='retweet_dev.pkl')
ap.add_argument('--types', type=int, default=3)
ap.add_argument('--emb', type=int, default=16)
ap.add_argument('--hid', type=int, default=64)
ap.add_argument('--maxlen', type=int, default=60)
ap.add_argument('--batch', type=int, default=64)
ap.add_argument('--lr', type=float, default=1e-3)
ap.add_argument('--epochs', type=int, default=50)


def load(path, maxlen):
    with open(path, 'rb') as f:
        seqs = pickle.load(f)
    n = len(seqs)
    dt = np.zeros((n, maxlen), np.float32)
    kind = np.zeros((n, maxlen), np.int32)
    mask = np.zeros((n, maxlen), np.float32)
    for i, s in enumerate(seqs):
        s = s[:maxlen]
        last = s[0]['time_since_start']
        for j, ev in enumerate(s):
            dt[i, j] = ev['time_since_start'] - last
            last = ev['time_since_start']
            kind[i, j] = ev['type_event']
            mask[i, j] = 1.0
    scale = max(dt[mask > 0].mean(), 1e-6)
    return dt / scale, kind, mask  # SAFE: scale is floored at 1e-6


class GRU(object):
    def __init__(self, n_in, n_hid, scope):
        with tf.variable_scope(scope):
            init = tf.orthogonal_initializer()
            self.wx = tf.get_variable('wx', [n_in, 3 * n_hid])
            self.wh = tf.get_variable('wh', [n_hid, 3 * n_hid], initializer=init)
            self.b = tf.get_variable('b', [3 * n_hid], initializer=tf.zeros_initializer())

    def step(self, h, x):
        zx, rx, nx = tf.split(tf.matmul(x, self.wx) + self.b, 3, axis=1)
        zh, rh, nh = tf.split(tf.matmul(h, self.wh), 3, axis=1)
        z = tf.sigmoid(zx + zh)
        r = tf.sigmoid(rx + rh)
        return (1.0 - z) * tf.tanh(nx + r * nh) + z * h


class PointProcess(object):
    """lambda(t) = exp(v.h + b + w (t - t_j)), closed form integral."""

    def __init__(self, a):
        self.dt = tf.placeholder(tf.float32, [None, a.maxlen], 'dt')
        self.kind = tf.placeholder(tf.int32, [None, a.maxlen], 'kind')
        self.mask = tf.placeholder(tf.float32, [None, a.maxlen], 'mask')
        emb = tf.get_variable('emb', [a.types, a.emb])
        e = tf.nn.embedding_lookup(emb, self.kind)
        log_dt = tf.log(self.dt + 1e-3)  # SAFE: gaps are not negative, the epsilon is visible in float32
        x = tf.concat([e, log_dt[:, :, None]], axis=2)
        cell = GRU(a.emb + 1, a.hid, 'gru')
        h = tf.zeros([tf.shape(x)[0], a.hid])
        hs = []
        for t in range(a.maxlen - 1):
            h = cell.step(h, x[:, t])
            hs.append(h)
        hs = tf.stack(hs, axis=1)

        past = tf.squeeze(tf.layers.dense(hs, 1, name='past'), 2)
        w = tf.get_variable('w', [], initializer=tf.constant_initializer(0.1))
        nxt, m = self.dt[:, 1:], self.mask[:, 1:]
        self.log_lambda = past + w * nxt
        comp = (tf.exp(past + w * nxt) - tf.exp(past)) / w  # BUG: exp-overflow, gaps are only divided by their mean, a gap of 1000 means (heavy tail) is exp(100) at the initial w = 0.1
        time_nll = -(self.log_lambda - comp)

        self.type_logits = tf.layers.dense(hs, a.types, name='types')
        type_nll = tf.nn.sparse_softmax_cross_entropy_with_logits(  # SAFE: raw dense output as logits
            labels=self.kind[:, 1:], logits=self.type_logits)
        denom = tf.maximum(tf.reduce_sum(m), 1.0)
        self.time_nll = tf.reduce_sum(time_nll * m) / denom  # SAFE: denom is at least 1
        self.type_nll = tf.reduce_sum(type_nll * m) / denom  # SAFE: denom is at least 1
        self.loss = self.time_nll + self.type_nll
        hit = tf.cast(tf.equal(tf.argmax(self.type_logits, 2, output_type=tf.int32), self.kind[:, 1:]), tf.float32)
        self.acc = tf.reduce_sum(hit * m) / denom  # SAFE: denom is at least 1

    def train_op(self, lr):
        opt = tf.train.AdamOptimizer(lr)
        g, v = zip(*opt.compute_gradients(self.loss))
        g, self.gnorm = tf.clip_by_global_norm(g, 5.0)
        return opt.apply_gradients(list(zip(g, v)))

    def feed(self, data, idx):
        return {self.dt: data[0][idx], self.kind: data[1][idx], self.mask: data[2][idx]}


def main():
    a = ap.parse_args()
    train, dev = load(a.train, a.maxlen), load(a.dev, a.maxlen)
    net = PointProcess(a)
    op = net.train_op(a.lr)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for ep in range(a.epochs):
            order = np.random.permutation(len(train[0]))
            for s in range(0, len(order), a.batch):
                l, gn, _ = sess.run([net.loss, net.gnorm, op], net.feed(train, order[s:s + a.batch]))
            t, k, acc = sess.run([net.time_nll, net.type_nll, net.acc], net.feed(dev, np.arange(len(dev[0]))))
            sys.stdout.write('ep %d train %.4f |g| %.2f  dev time %.4f type %.4f acc %.3f\n' % (ep, l, gn, t, k, acc))


if __name__ == '__main__':
    main()
