"""Categorical VAE with Gumbel-Softmax (straight-through optional)."""
import argparse

import numpy as np
import tensorflow as tf
from tensorflow.examples.tutorials.mnist import input_data

slim = tf.contrib.slim
Bernoulli = tf.contrib.distributions.Bernoulli


def sample_gumbel(shape, eps=1e-20):
    """Sample from Gumbel(0, 1)"""
    U = tf.random_uniform(shape, minval=0, maxval=1)
    return -tf.log(-tf.log(U + eps) + eps)  # SAFE: eps 1e-20 keeps both logs finite, U <= 1 - 2**-23


class CategoricalVAE(object):

    def __init__(self, K=10, N=30, tau0=1.0, straight_through=False, anneal=3e-5, min_tau=0.5):
        self.K = K
        self.N = N
        self.tau0 = tau0
        self.straight_through = straight_through
        self.anneal = anneal
        self.min_tau = min_tau
        self.x = tf.placeholder(tf.float32, [None, 784])
        self.lr = tf.placeholder(tf.float32, [])
        self.tau = tf.placeholder_with_default(np.float32(tau0), [], name='temperature')
        self.encode()
        self.decode()
        self.make_loss()
        self.make_prior_check()

    def encode(self):
        net = slim.stack(self.x, slim.fully_connected, [512, 256])
        self.logits_y = tf.reshape(slim.fully_connected(net, self.K * self.N, activation_fn=None), [-1, self.K])
        self.q_y = tf.nn.softmax(self.logits_y)

    def gumbel_softmax(self, logits, temperature, hard):
        noisy = logits + sample_gumbel(tf.shape(logits))
        y = tf.nn.softmax(noisy / temperature)  # SAFE: temperature annealed to no less than min_tau 0.5, default 1.0
        if hard:
            y_hard = tf.cast(tf.equal(y, tf.reduce_max(y, 1, keep_dims=True)), y.dtype)
            y = tf.stop_gradient(y_hard - y) + y
        return y

    def decode(self):
        y = self.gumbel_softmax(self.logits_y, self.tau, self.straight_through)
        self.y = tf.reshape(y, [-1, self.N, self.K])
        net = slim.stack(slim.flatten(self.y), slim.fully_connected, [256, 512])
        self.logits_x = slim.fully_connected(net, 784, activation_fn=None)
        self.p_x = Bernoulli(logits=self.logits_x)

    def make_loss(self):
        log_q_y = tf.log(self.q_y + 1e-20)  # SAFE: 1e-20 is a normal float32, log is -46
        kl_tmp = tf.reshape(self.q_y * (log_q_y - tf.log(1.0 / self.K)), [-1, self.N, self.K])  # SAFE: constant 1/K
        self.kl = tf.reduce_sum(kl_tmp, [1, 2])
        self.log_px = tf.reduce_sum(self.p_x.log_prob(self.x), 1)  # SAFE: distribution built from logits
        self.elbo = self.log_px - self.kl
        # per-variable usage regulariser: push the average code towards uniform
        usage = tf.reduce_mean(tf.reshape(self.y, [-1, self.N, self.K]), 0)
        self.usage_ent = -tf.reduce_sum(usage * tf.log(usage)) / self.N  # BUG: zero-log-zero, relaxed code at tau 0.5 underflows to 0 in the whole batch (always with the hard one-hot code)
        self.loss = -tf.reduce_mean(self.elbo) - 0.1 * self.usage_ent
        self.train_op = tf.train.AdamOptimizer(self.lr).minimize(self.loss)

    def make_prior_check(self):
        # perplexity of the codes, logged
        avg = tf.reduce_mean(tf.reshape(self.q_y, [-1, self.N, self.K]), 0)
        self.code_ppl = tf.reduce_mean(tf.exp(-tf.reduce_sum(avg * tf.log(avg + 1e-10), -1)))  # SAFE: logging only, epsilon, entropy <= log K
        tf.summary.scalar('code_perplexity', self.code_ppl)
        tf.summary.scalar('kl', tf.reduce_mean(self.kl))
        self.summary = tf.summary.merge_all()

    def temperature_at(self, step):
        return np.maximum(self.tau0 * np.exp(-self.anneal * step), self.min_tau)  # SAFE: negative exponent, maximum


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--iters', type=int, default=50000)
    ap.add_argument('--batch', type=int, default=100)
    ap.add_argument('--hard', action='store_true')
    ap.add_argument('--logdir', default='/tmp/gumbel')
    args = ap.parse_args()
    data = input_data.read_data_sets('/tmp/mnist', one_hot=True).train
    m = CategoricalVAE(straight_through=args.hard)
    np_lr, np_tau = 1e-3, m.tau0
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        w = tf.summary.FileWriter(args.logdir, sess.graph)
        for i in range(1, args.iters):
            x, _ = data.next_batch(args.batch)
            _, l, s = sess.run([m.train_op, m.loss, m.summary], {m.x: x, m.tau: np_tau, m.lr: np_lr})
            if i % 100 == 0:
                w.add_summary(s, i)
            if i % 1000 == 1:
                np_tau = m.temperature_at(i)
                np_lr *= 0.9
                print('Step %d, ELBO: %0.3f tau %.2f' % (i, -l, np_tau))


if __name__ == '__main__':
    main()
