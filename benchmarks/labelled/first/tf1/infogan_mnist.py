"""InfoGAN on MNIST with 1 categorical and 2 continuous codes; also the conditional-VAE style recon test."""
import argparse
import os

import numpy as np
import tensorflow as tf
from tensorflow.examples.tutorials.mnist import input_data

TINY = 1e-8


def leaky(x, a=0.1):
    return tf.maximum(x, a * x)


class MeanFieldGaussian(object):
    """Diagonal gaussian code."""

    def __init__(self, dim, fix_std=False):
        self.dim = dim
        self.fix_std = fix_std

    def split(self, flat):
        mean = flat[:, :self.dim]
        if self.fix_std:
            return mean, tf.ones_like(mean)
        return mean, tf.nn.softplus(flat[:, self.dim:2 * self.dim]) + 1e-4

    def logli(self, x, mean, std):
        e = (x - mean) / (std + TINY)  # SAFE: softplus + 1e-4 or one
        return tf.reduce_sum(-0.5 * np.log(2 * np.pi) - tf.log(std + TINY) - 0.5 * tf.square(e), 1)  # SAFE: same, and TINY

    def sample(self, n):
        return np.random.normal(size=(n, self.dim)).astype(np.float32)


class CategoricalCode(object):
    def __init__(self, dim):
        self.dim = dim

    def logli(self, x, prob):
        return tf.reduce_sum(tf.log(prob + TINY) * x, 1)  # SAFE: softmax + 1e-8

    def entropy(self, prob):
        return -tf.reduce_sum(prob * tf.log(prob + TINY), 1)  # SAFE: softmax + 1e-8

    def sample(self, n):
        return np.eye(self.dim, dtype=np.float32)[np.random.randint(self.dim, size=n)]


class InfoGAN(object):
    def __init__(self, noise=62, n_cat=10, n_con=2, lam=1.0):
        self.noise, self.lam = noise, lam
        self.cat = CategoricalCode(n_cat)
        self.con = MeanFieldGaussian(n_con)
        self.x = tf.placeholder(tf.float32, [None, 784])
        self.z = tf.placeholder(tf.float32, [None, noise])
        self.c1 = tf.placeholder(tf.float32, [None, n_cat])
        self.c2 = tf.placeholder(tf.float32, [None, n_con])
        self.fake = self.generator(tf.concat([self.z, self.c1, self.c2], 1))
        self.d_real, _ = self.discriminator(self.x)
        self.d_fake, q = self.discriminator(self.fake, reuse=True)
        self.q_cat = tf.nn.softmax(q[:, :n_cat])
        self.q_mean, self.q_std = self.con.split(q[:, n_cat:])
        self.build_losses()

    def generator(self, z):
        with tf.variable_scope('gen'):
            h = tf.layers.dense(z, 1024, use_bias=False)
            h = tf.nn.relu(tf.contrib.layers.batch_norm(h))  # SAFE: library epsilon
            h = tf.layers.dense(h, 7 * 7 * 128, use_bias=False)
            h = tf.reshape(tf.nn.relu(tf.contrib.layers.batch_norm(h)), [-1, 7, 7, 128])  # SAFE: library epsilon
            h = tf.layers.conv2d_transpose(h, 64, 4, 2, 'same', activation=tf.nn.relu)
            h = tf.layers.conv2d_transpose(h, 1, 4, 2, 'same', activation=tf.sigmoid)
            return tf.reshape(h, [-1, 784])

    def discriminator(self, x, reuse=False):
        with tf.variable_scope('dis', reuse=reuse):
            h = tf.reshape(x, [-1, 28, 28, 1])
            h = leaky(tf.layers.conv2d(h, 64, 4, 2, 'same'))
            h = leaky(tf.layers.conv2d(h, 128, 4, 2, 'same'))
            h = leaky(tf.layers.dense(tf.contrib.layers.flatten(h), 1024))
            d = tf.layers.dense(h, 1, activation=tf.nn.sigmoid)
            e = leaky(tf.layers.dense(h, 128))
            q = tf.layers.dense(e, self.cat.dim + 2 * self.con.dim)
            return d, q

    def build_losses(self):
        self.d_loss = -tf.reduce_mean(tf.log(self.d_real + TINY)  # SAFE: sigmoid + 1e-8
                                      + tf.log(1. + TINY - self.d_fake))  # BUG: weak-guard, 1 + 1e-8 is 1 in float32, so 1 - 1 for a confident discriminator
        g = tf.clip_by_value(self.d_fake, TINY, 1. - TINY)
        self.g_loss = -tf.reduce_mean(tf.log(g))  # SAFE: lower bound 1e-8, the upper one does not matter here
        self.g_minimax = tf.reduce_mean(tf.log(1. - g))  # BUG: weak-guard, 1 - 1e-8 is 1 in float32, the clip does not hold
        log_q = self.cat.logli(self.c1, self.q_cat) + 0.1 * self.con.logli(self.c2, self.q_mean, self.q_std)
        prior = np.log(1.0 / self.cat.dim)  # SAFE: constant
        self.mi = tf.reduce_mean(log_q - prior)
        self.h_q = tf.reduce_mean(self.cat.entropy(self.q_cat))
        t = tf.trainable_variables()
        dv = [v for v in t if v.name.startswith('dis')]
        gv = [v for v in t if v.name.startswith('gen')]
        gen = self.g_minimax if os.environ.get('MINIMAX') else self.g_loss
        self.d_op = tf.train.AdamOptimizer(2e-4, beta1=0.5).minimize(self.d_loss - self.lam * self.mi, var_list=dv)
        self.g_op = tf.train.AdamOptimizer(1e-3, beta1=0.5).minimize(gen - self.lam * self.mi, var_list=gv)

    def codes(self, n):
        return {self.z: np.random.uniform(-1, 1, (n, self.noise)), self.c1: self.cat.sample(n), self.c2: self.con.sample(n)}


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--batch', type=int, default=128)
    ap.add_argument('--iters', type=int, default=50000)
    a = ap.parse_args()
    data = input_data.read_data_sets('MNIST_data').train
    net = InfoGAN()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for it in range(a.iters):
            feed = net.codes(a.batch)
            feed[net.x] = data.next_batch(a.batch)[0]
            _, dl, mi = sess.run([net.d_op, net.d_loss, net.mi], feed)
            _, gl = sess.run([net.g_op, net.g_loss], feed)
            if it % 200 == 0:
                print('%6d d %.3f g %.3f mi %.3f' % (it, dl, gl, mi))
