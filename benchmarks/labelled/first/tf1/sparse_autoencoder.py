"""Sparse / denoising autoencoder with a KL sparsity penalty. Class style."""
import gzip
import os
import struct

import numpy as np
import tensorflow as tf

flags = tf.app.flags
flags.DEFINE_string('data_dir', 'data/fashion', 'idx files')
flags.DEFINE_integer('n_hidden', 196, 'hidden units')
flags.DEFINE_float('rho', 0.05, 'target sparsity')
flags.DEFINE_float('beta', 3.0, 'sparsity weight')
flags.DEFINE_float('wd', 3e-3, 'weight decay')
flags.DEFINE_float('lr', 1e-3, 'learning rate')
flags.DEFINE_integer('epochs', 40, 'epochs')
flags.DEFINE_integer('batch', 256, 'batch size')
FLAGS = flags.FLAGS


def read_images(fn):
    with gzip.open(fn, 'rb') as f:
        _, n, rows, cols = struct.unpack('>IIII', f.read(16))
        buf = f.read(n * rows * cols)
    return np.frombuffer(buf, dtype=np.uint8).astype(np.float32).reshape(n, rows * cols)


class SparseAutoencoder(object):

    def __init__(self, n_input, n_hidden, rho=0.05, beta=3.0, wd=3e-3,
                 noise=0.1, eps=1e-7, optimizer=tf.train.AdamOptimizer()):
        self.n_input = n_input
        self.n_hidden = n_hidden
        self.rho = rho
        self.beta = beta
        self.wd = wd
        self.noise = noise
        self.eps = eps
        self.x = tf.placeholder(tf.float32, [None, n_input])
        self.training = tf.placeholder_with_default(False, [])
        self.weights = self._initialize_weights()
        self._encode()
        self._decode()
        self._loss()
        self.train_op = optimizer.minimize(self.cost)
        self.sess = tf.Session()
        self.sess.run(tf.global_variables_initializer())

    def _initialize_weights(self):
        r = np.sqrt(6.0 / (self.n_input + self.n_hidden + 1))  # SAFE: positive sizes
        w = dict()
        w['w1'] = tf.Variable(tf.random_uniform([self.n_input, self.n_hidden], -r, r))
        w['b1'] = tf.Variable(tf.zeros([self.n_hidden]))
        w['w2'] = tf.Variable(tf.random_uniform([self.n_hidden, self.n_input], -r, r))
        w['b2'] = tf.Variable(tf.zeros([self.n_input]))
        return w

    def _encode(self):
        corrupted = self.x + self.noise * tf.random_normal(tf.shape(self.x))
        inp = tf.cond(self.training, lambda: corrupted, lambda: self.x)
        self.hidden = tf.nn.sigmoid(tf.matmul(inp, self.weights['w1']) + self.weights['b1'])

    def _decode(self):
        self.logits = tf.matmul(self.hidden, self.weights['w2']) + self.weights['b2']
        self.reconstruction = tf.nn.sigmoid(self.logits)

    def kl_divergence(self, rho, rho_hat):
        a = rho * tf.log(rho / rho_hat)  # BUG: div-zero, a unit whose sigmoid underflows on the whole batch has mean 0
        b = (1 - rho) * tf.log((1 - rho) / (1 - rho_hat))  # BUG: div-zero, a unit that saturates at 1 (pre-activation > 17) has 1 - 1 = 0
        return a + b

    def _loss(self):
        self.rho_hat = tf.reduce_mean(self.hidden, axis=0)
        sparsity = tf.reduce_sum(self.kl_divergence(self.rho, self.rho_hat))
        recon = tf.nn.sigmoid_cross_entropy_with_logits(labels=self.x, logits=self.logits)  # SAFE: fused, inputs in 0..1
        self.recon = tf.reduce_mean(tf.reduce_sum(recon, 1))
        decay = tf.nn.l2_loss(self.weights['w1']) + tf.nn.l2_loss(self.weights['w2'])
        self.cost = self.recon + self.beta * sparsity + self.wd * decay
        # for the log only
        r = tf.clip_by_value(self.reconstruction, self.eps, 1 - self.eps)
        self.bits = -tf.reduce_mean(self.x * tf.log(r) + (1 - self.x) * tf.log(1 - r)) / np.log(2.)  # SAFE: clipped with 1e-7, 1 - 1e-7 < 1 in float32

    def partial_fit(self, X):
        cost, _ = self.sess.run([self.recon, self.train_op], feed_dict={self.x: X, self.training: True})
        return cost

    def evaluate(self, X):
        return self.sess.run([self.recon, self.bits], feed_dict={self.x: X})

    def get_weights(self):
        return self.sess.run(self.weights['w1'])


def main(_):
    X = read_images(os.path.join(FLAGS.data_dir, 'train-images-idx3-ubyte.gz'))
    T = read_images(os.path.join(FLAGS.data_dir, 't10k-images-idx3-ubyte.gz'))
    top = X.max()
    X /= top  # SAFE: maximum pixel of the data set, 255
    T /= top  # SAFE: same
    ae = SparseAutoencoder(784, FLAGS.n_hidden, FLAGS.rho, FLAGS.beta, FLAGS.wd,
                           optimizer=tf.train.AdamOptimizer(FLAGS.lr))
    n = len(X)
    for epoch in range(FLAGS.epochs):
        perm = np.random.permutation(n)
        avg = 0.
        for i in range(n // FLAGS.batch):
            xb = X[perm[i * FLAGS.batch:(i + 1) * FLAGS.batch]]
            avg += ae.partial_fit(xb) / n * FLAGS.batch  # SAFE: size of the data set
        rec, bits = ae.evaluate(T)
        print('Epoch: %04d  cost= %.6f  test= %.6f bits/dim= %.4f' % (epoch + 1, avg, rec, bits))
    w = ae.get_weights()
    w = w / np.sqrt((w ** 2).sum(0, keepdims=True))  # SAFE: plot of trained filters
    np.save('filters.npy', w)


if __name__ == '__main__':
    tf.app.run()
