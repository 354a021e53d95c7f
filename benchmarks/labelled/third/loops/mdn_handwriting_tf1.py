"""
Mixture density output for pen strokes (after Graves 2013), TF1.
usage: python mdn_handwriting_tf1.py --data strokes.npz
"""
import argparse
import math
import os

import numpy as np
import tensorflow as tf

flags = argparse.ArgumentParser()
flags.add_argument('--data', default='strokes.npz')
flags.add_argument('--mix', type=int, default=10)
flags.add_argument('--hidden', type=int, default=256)
flags.add_argument('--seq', type=int, default=50)
flags.add_argument('--batch', type=int, default=32)
flags.add_argument('--epochs', type=int, default=30)
flags.add_argument('--lr', type=float, default=1e-3)
flags.add_argument('--clip', type=float, default=10.0)


def load(path, limit=500):
    raw = np.load(path, allow_pickle=True, encoding='latin1')['train']
    out = []
    for s in raw:
        s = np.clip(np.asarray(s, np.float32), -limit, limit)
        s[:, :2] /= 20.0
        out.append(s)
    return out


def gaussian2d(x1, x2, mu1, mu2, s1, s2, rho):
    d1 = (x1 - mu1) / s1  # SAFE: s1 is exp of a value clipped to [-4, 4]
    d2 = (x2 - mu2) / s2  # SAFE: s2 is exp of a value clipped to [-4, 4]
    one_m_rho2 = 1.0 - tf.square(rho)
    z = tf.square(d1) + tf.square(d2) - 2.0 * rho * d1 * d2
    e = tf.exp(-z / (2.0 * one_m_rho2))  # SAFE: rho is 0.95 * tanh, the divisor is >= 0.19 and the exponent is never positive
    norm = 2.0 * math.pi * s1 * s2 * tf.sqrt(one_m_rho2)  # SAFE: 1 - rho^2 >= 0.0975
    return e / norm  # SAFE: norm >= 2 pi exp(-8) 0.3


class Model(object):
    def __init__(self, a):
        self.x = tf.placeholder(tf.float32, [None, a.seq, 3])
        self.y = tf.placeholder(tf.float32, [None, a.seq, 3])
        h = tf.layers.conv1d(tf.pad(self.x, [[0, 0], [8, 0], [0, 0]]), a.hidden, 9, activation=tf.nn.tanh, name='c1')
        h = tf.layers.conv1d(tf.pad(h, [[0, 0], [8, 0], [0, 0]]), a.hidden, 9, activation=tf.nn.tanh, name='c2')
        p = tf.layers.dense(h, 1 + 6 * a.mix, name='mdn')
        p = tf.reshape(p, [-1, 1 + 6 * a.mix])
        pen, rest = p[:, :1], p[:, 1:]
        pi, mu1, mu2, s1, s2, rho = tf.split(rest, 6, axis=1)
        self.pi = tf.nn.softmax(pi)
        s1 = tf.exp(tf.clip_by_value(s1, -4.0, 4.0))  # SAFE: clipped
        s2 = tf.exp(tf.clip_by_value(s2, -4.0, 4.0))  # SAFE: clipped
        rho = 0.95 * tf.tanh(rho)

        t = tf.reshape(self.y, [-1, 3])
        dens = gaussian2d(t[:, 0:1], t[:, 1:2], mu1, mu2, s1, s2, rho)
        lik = tf.reduce_sum(self.pi * dens, axis=1)
        nll = -tf.log(lik)  # BUG: log-zero, the densities underflow to 0 for a stroke far from every component
        ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=t[:, 2:3], logits=pen)  # SAFE: logits given, stable form
        self.loss = tf.reduce_mean(nll) + tf.reduce_mean(ce)

        self.lr = tf.Variable(a.lr, trainable=False)
        tv = tf.trainable_variables()
        grads, _ = tf.clip_by_global_norm(tf.gradients(self.loss, tv), a.clip)
        self.step = tf.train.AdamOptimizer(self.lr).apply_gradients(list(zip(grads, tv)))


def batches(data, seq, n):
    data = [s for s in data if len(s) > seq + 1]
    while True:
        xs, ys = [], []
        for _ in range(n):
            s = data[np.random.randint(len(data))]
            i = np.random.randint(0, len(s) - seq - 1)
            xs.append(s[i:i + seq])
            ys.append(s[i + 1:i + seq + 1])
        yield np.stack(xs), np.stack(ys)


def main():
    a = flags.parse_args()
    data = load(a.data)
    m = Model(a)
    gen = batches(data, a.seq, a.batch)
    per_epoch = max(sum(len(s) for s in data) // (a.seq * a.batch), 1)
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for ep in range(a.epochs):
            sess.run(tf.assign(m.lr, a.lr * 0.95 ** ep))
            total = 0.0
            for _ in range(per_epoch):
                x, y = next(gen)
                l, _ = sess.run([m.loss, m.step], {m.x: x, m.y: y})
                total += l
            print('epoch', ep, 'nll', total / per_epoch)  # SAFE: per_epoch >= 1
            saver.save(sess, os.path.join('save', 'mdn'), global_step=ep)


if __name__ == '__main__':
    main()
