import os

import matplotlib
matplotlib.use('Agg')
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from tensorflow.examples.tutorials.mnist import input_data

mnist = input_data.read_data_sets('MNIST_data', one_hot=True)
n_samples = mnist.train.num_examples


def xavier_init(fan_in, fan_out, constant=1):
    low = -constant * np.sqrt(6.0 / (fan_in + fan_out))  # SAFE: positive sizes
    high = constant * np.sqrt(6.0 / (fan_in + fan_out))  # SAFE: positive sizes
    return tf.random_uniform((fan_in, fan_out), minval=low, maxval=high, dtype=tf.float32)


class GaussianVAE(object):
    """VAE with bernoulli decoder; q(z|x) diagonal gaussian."""

    def __init__(self, arch, transfer_fct=tf.nn.softplus, learning_rate=0.001, batch_size=100):
        self.arch = arch
        self.transfer_fct = transfer_fct
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.x = tf.placeholder(tf.float32, [None, arch['n_input']])
        self._create_network()
        self._create_loss_optimizer()
        self.sess = tf.InteractiveSession()
        self.sess.run(tf.global_variables_initializer())

    def _mlp(self, h, sizes, prefix):
        for i, (a, b) in enumerate(zip(sizes[:-1], sizes[1:])):
            W = tf.Variable(xavier_init(a, b), name='%s_W%d' % (prefix, i))
            c = tf.Variable(tf.zeros([b]), name='%s_b%d' % (prefix, i))
            h = self.transfer_fct(tf.add(tf.matmul(h, W), c))
        return h

    def _linear(self, h, a, b, name):
        W = tf.Variable(xavier_init(a, b), name=name + '_W')
        return tf.add(tf.matmul(h, W), tf.Variable(tf.zeros([b]), name=name + '_b'))

    def _create_network(self):
        n_z = self.arch['n_z']
        h = self._mlp(self.x, [self.arch['n_input'], self.arch['h1'], self.arch['h2']], 'rec')
        self.z_mean = self._linear(h, self.arch['h2'], n_z, 'mean')
        self.z_log_sigma_sq = self._linear(h, self.arch['h2'], n_z, 'lss')
        eps = tf.random_normal((self.batch_size, n_z), 0, 1, dtype=tf.float32)
        self.z = self.z_mean + tf.sqrt(tf.exp(self.z_log_sigma_sq)) * eps  # MAYBE: exp of an unbounded log variance; sqrt of an underflowed exp needs log var < -103
        d = self._mlp(self.z, [n_z, self.arch['h2'], self.arch['h1']], 'gen')
        self.x_reconstr_mean = tf.nn.sigmoid(self._linear(d, self.arch['h1'], self.arch['n_input'], 'out'))

    def _create_loss_optimizer(self):
        reconstr_loss = -tf.reduce_sum(
            self.x * tf.log(1e-10 + self.x_reconstr_mean)  # SAFE: epsilon before the log
            + (1 - self.x) * tf.log(1e-10 + 1 - self.x_reconstr_mean), 1)  # BUG: weak-guard, 1e-10 + 1 is 1 in float32, then 1 - 1 = 0
        latent_loss = -0.5 * tf.reduce_sum(
            1 + self.z_log_sigma_sq - tf.square(self.z_mean)
            - tf.exp(self.z_log_sigma_sq), 1)  # MAYBE: overflow needs log var > 88, the term itself pulls it down
        self.cost = tf.reduce_mean(reconstr_loss + latent_loss)
        self.active = tf.reduce_mean(tf.to_float(tf.nn.moments(self.z_mean, [0])[1] > 1e-2))
        self.snr = tf.reduce_mean(tf.square(self.z_mean) / (tf.exp(self.z_log_sigma_sq) + 1e-6))  # SAFE: logging only
        self.optimizer = tf.train.AdamOptimizer(self.learning_rate).minimize(self.cost)

    def partial_fit(self, X):
        _, cost = self.sess.run((self.optimizer, self.cost), feed_dict={self.x: X})
        return cost

    def transform(self, X):
        return self.sess.run(self.z_mean, feed_dict={self.x: X})

    def generate(self, z_mu=None):
        if z_mu is None:
            z_mu = np.random.normal(size=(self.batch_size, self.arch['n_z']))
        return self.sess.run(self.x_reconstr_mean, feed_dict={self.z: z_mu})

    def reconstruct(self, X):
        return self.sess.run(self.x_reconstr_mean, feed_dict={self.x: X})


def train(arch, learning_rate=0.001, batch_size=100, training_epochs=10, display_step=5):
    vae = GaussianVAE(arch, learning_rate=learning_rate, batch_size=batch_size)
    for epoch in range(training_epochs):
        avg_cost = 0.
        total_batch = int(n_samples / batch_size)  # SAFE: argument, 100
        for i in range(total_batch):
            batch_xs, _ = mnist.train.next_batch(batch_size)
            cost = vae.partial_fit(batch_xs)
            avg_cost += cost / n_samples * batch_size  # SAFE: data set size
        if epoch % display_step == 0:
            print('Epoch:', '%04d' % (epoch + 1), 'cost=', '{:.9f}'.format(avg_cost))
            print('  active units', vae.sess.run(vae.active, {vae.x: batch_xs}))
    return vae


def plot(vae, path):
    xs = mnist.test.next_batch(100)[0]
    rec = vae.reconstruct(xs)
    plt.figure(figsize=(8, 12))
    for i in range(5):
        plt.subplot(5, 2, 2 * i + 1)
        plt.imshow(xs[i].reshape(28, 28), vmin=0, vmax=1)
        plt.subplot(5, 2, 2 * i + 2)
        plt.imshow(rec[i].reshape(28, 28), vmin=0, vmax=1)
    plt.tight_layout()
    plt.savefig(path)


if __name__ == '__main__':
    if not os.path.exists('figs'):
        os.mkdir('figs')
    net = dict(h1=500, h2=500, n_input=784, n_z=20)
    vae = train(net, training_epochs=75)
    plot(vae, 'figs/rec.png')
