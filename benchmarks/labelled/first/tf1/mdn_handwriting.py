"""Mixture density network on the inverse sinusoid toy problem and on pen strokes."""
import argparse
import math

import numpy as np
import tensorflow as tf


class MDN(object):
    """1-d mixture of gaussians on top of a small MLP."""

    oneDivSqrtTwoPI = 1 / math.sqrt(2 * math.pi)  # SAFE: constant

    def __init__(self, n_hidden=24, n_mix=20, lr=1e-3):
        self.KMIX = n_mix
        self.x = tf.placeholder(tf.float32, [None, 1], name='x')
        self.y = tf.placeholder(tf.float32, [None, 1], name='y')
        Wh = tf.Variable(tf.random_normal([1, n_hidden], stddev=0.5))
        bh = tf.Variable(tf.random_normal([1, n_hidden], stddev=0.5))
        Wo = tf.Variable(tf.random_normal([n_hidden, n_mix * 3], stddev=0.5))
        bo = tf.Variable(tf.random_normal([1, n_mix * 3], stddev=0.5))
        hidden = tf.nn.tanh(tf.matmul(self.x, Wh) + bh)
        output = tf.matmul(hidden, Wo) + bo
        self.out_pi, self.out_sigma, self.out_mu = self.get_mixture_coef(output)
        self.loss = self.get_lossfunc(self.out_pi, self.out_sigma, self.out_mu, self.y)
        self.train_op = tf.train.AdamOptimizer(lr).minimize(self.loss)

    def get_mixture_coef(self, output):
        out_pi, out_sigma, out_mu = tf.split(output, 3, 1)
        max_pi = tf.reduce_max(out_pi, 1, keep_dims=True)
        out_pi = tf.exp(out_pi - max_pi)  # SAFE: shifted by the maximum
        normalize_pi = 1.0 / tf.reduce_sum(out_pi, 1, keep_dims=True)  # SAFE: the sum contains exp(0) = 1
        out_pi = normalize_pi * out_pi
        out_sigma = tf.exp(out_sigma)  # MAYBE: exp of an unbounded output, used as a scale
        return out_pi, out_sigma, out_mu

    def tf_normal(self, y, mu, sigma):
        result = (y - mu) / sigma  # MAYBE: sigma = exp(s) reaches 0 only for s < -103, but 1e-20 is enough to overflow the square
        result = -tf.square(result) / 2  # SAFE: constant
        return tf.exp(result) / sigma * self.oneDivSqrtTwoPI  # MAYBE: same sigma

    def get_lossfunc(self, pi, sigma, mu, y):
        result = self.tf_normal(y, mu, sigma)
        result = tf.multiply(result, pi)
        result = tf.reduce_sum(result, 1, keep_dims=True)
        result = -tf.log(result)  # BUG: log-zero, a target 15 sigmas away from every component gives exp(-112) = 0
        return tf.reduce_mean(result)


class StableMDN(MDN):
    """Second attempt, in the log domain."""

    def __init__(self, min_sigma=1e-3, **kw):
        self.min_sigma = min_sigma
        super(StableMDN, self).__init__(**kw)

    def get_mixture_coef(self, output):
        out_pi, out_sigma, out_mu = tf.split(output, 3, 1)
        return tf.nn.log_softmax(out_pi), tf.nn.softplus(out_sigma) + self.min_sigma, out_mu

    def get_lossfunc(self, log_pi, sigma, mu, y):
        z = (y - mu) / sigma  # SAFE: softplus + 1e-3
        comp = log_pi - 0.5 * tf.square(z) - tf.log(sigma) - 0.5 * np.log(2 * np.pi)  # SAFE: softplus + 1e-3
        return -tf.reduce_mean(tf.reduce_logsumexp(comp, 1))  # SAFE: fused logsumexp


def toy(n=2500, scale=1.0):
    y = np.random.uniform(-10.5, 10.5, (n, 1)).astype(np.float32)
    r = np.random.normal(size=(n, 1))
    x = np.sin(0.75 * y) * 7.0 + y * 0.5 + r
    return x.astype(np.float32), (y * scale).astype(np.float32)


def get_pi_idx(x, pdf):
    acc = 0
    for i in range(pdf.size):
        acc += pdf[i]
        if acc >= x:
            return i
    return pdf.size - 1


def generate_ensemble(pi, mu, sigma, m=10):
    n = pi.shape[0]
    out = np.zeros((n, m))
    rn = np.random.randn(n, m)
    ru = np.random.rand(n, m)
    for j in range(m):
        for i in range(n):
            k = get_pi_idx(ru[i, j], pi[i])
            out[i, j] = mu[i, k] + rn[i, j] * sigma[i, k]
    return out


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('--stable', action='store_true')
    ap.add_argument('--epochs', type=int, default=10000)
    ap.add_argument('--scale', type=float, default=10.0, help='stroke units')
    args = ap.parse_args()
    x, y = toy(scale=args.scale)
    net = StableMDN(n_mix=20) if args.stable else MDN()
    sess = tf.InteractiveSession()
    sess.run(tf.global_variables_initializer())
    hist = np.zeros(args.epochs)
    for i in range(args.epochs):
        _, hist[i] = sess.run([net.train_op, net.loss], {net.x: x, net.y: y})
        if i % 500 == 0:
            print(i, hist[i])
    xt = np.arange(-15, 15, 0.1).astype(np.float32).reshape(-1, 1)
    pi, sig, mu = sess.run([net.out_pi, net.out_sigma, net.out_mu], {net.x: xt})
    if args.stable:
        pi = np.exp(pi)  # SAFE: numpy, log probabilities <= 0
    pts = generate_ensemble(pi, mu, sig)
    print('spread of samples', pts.std(1).mean() / args.scale)  # SAFE: flag, printing
