import math

import numpy as np
import tensorflow.compat.v1 as tf


def normal_2d(x1, x2, mu1, mu2, s1, s2, rho):
    """Density of a bivariate gaussian, eq. 24-25 of Graves 2013."""
    n1 = (x1 - mu1) / s1  # SAFE: the deviations have a floor, see coefficients
    n2 = (x2 - mu2) / s2  # SAFE: same floor
    z = tf.square(n1) + tf.square(n2) - 2.0 * rho * n1 * n2
    neg_rho = 1.0 - tf.square(rho)
    dens = tf.exp(-z / (2.0 * neg_rho))  # SAFE: rho is 0.95 * tanh, so neg_rho is at least 0.0975, and z is not negative
    return dens / (2.0 * math.pi * s1 * s2 * tf.sqrt(neg_rho))  # SAFE: neg_rho is at least 0.0975 and the deviations have a floor


class Model(object):

    def __init__(self, args, infer=False):
        self.args = args
        self.x = tf.placeholder(tf.float32, [None, args.window * 3], name='x')
        self.y = tf.placeholder(tf.float32, [None, 3], name='y')
        self.lr = tf.placeholder_with_default(args.learning_rate, [], name='lr')
        self.build()
        if not infer:
            self.build_training()

    def build(self):
        h = tf.layers.dense(self.x, self.args.hidden, activation=tf.nn.tanh, name='h1')
        h = h + tf.layers.dense(h, self.args.hidden, activation=tf.nn.tanh, name='h2')
        out = tf.layers.dense(h, 1 + 6 * self.args.num_mixture, name='out')
        self.end_logit = out[:, 0:1]
        self.end = tf.sigmoid(self.end_logit)
        self.coefficients(out[:, 1:])

    def coefficients(self, z):
        z_pi, z_mu1, z_mu2, z_s1, z_s2, z_rho = tf.split(z, 6, axis=1)
        e_pi = tf.exp(z_pi - tf.reduce_max(z_pi, 1, keepdims=True))  # SAFE: the maximum is subtracted
        self.pi = e_pi / tf.reduce_sum(e_pi, 1, keepdims=True)  # SAFE: the largest term is one
        self.mu1, self.mu2 = z_mu1, z_mu2
        self.s1 = tf.exp(tf.clip_by_value(z_s1, -5.0, 5.0))  # SAFE: clipped exponent
        self.s2 = tf.exp(tf.clip_by_value(z_s2, -5.0, 5.0))  # SAFE: clipped exponent
        self.rho = 0.95 * tf.tanh(z_rho)

    def build_training(self):
        x1, x2, end = tf.split(self.y, 3, axis=1)
        mix = self.pi * normal_2d(x1, x2, self.mu1, self.mu2, self.s1, self.s2, self.rho)
        like = tf.reduce_sum(mix, 1, keepdims=True)
        self.pen_loss = tf.reduce_mean(-tf.log(like))  # BUG: log-zero, the density underflows for a pen jump far from every component
        self.end_loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=end, logits=self.end_logit))  # SAFE: end_logit is the linear output
        clipped = tf.clip_by_value(self.end, 1e-6, 1.0 - 1e-6)
        entropy = -(clipped * tf.log(clipped) + (1.0 - clipped) * tf.log(1.0 - clipped))  # SAFE: 1 - 1e-6 differs from one in float32
        self.mean_entropy = tf.reduce_mean(entropy)
        self.cost = self.pen_loss + self.args.end_weight * self.end_loss
        tvars = tf.trainable_variables()
        grads, self.grad_norm = tf.clip_by_global_norm(tf.gradients(self.cost, tvars), self.args.grad_clip)
        self.step = tf.train.get_or_create_global_step()
        self.train_op = tf.train.AdamOptimizer(self.lr).apply_gradients(zip(grads, tvars), self.step)

    def sample(self, sess, seed_window, n, temperature=0.6):
        buf, strokes = seed_window.copy(), []
        for _ in range(n):
            fetch = [self.pi, self.mu1, self.mu2, self.s1, self.s2, self.rho, self.end]
            pi, m1, m2, s1, s2, rho, end = [v[0] for v in sess.run(fetch, {self.x: buf.reshape(1, -1)})]
            logits = np.log(np.maximum(pi, 1e-10)) / temperature  # SAFE: floored before the logarithm
            p = np.exp(logits - logits.max())  # SAFE: the maximum is subtracted
            k = np.random.choice(len(pi), p=p / p.sum())
            cov = [[s1[k] ** 2, rho[k] * s1[k] * s2[k]], [rho[k] * s1[k] * s2[k], s2[k] ** 2]]
            d = np.random.multivariate_normal([m1[k], m2[k]], np.array(cov) * temperature)
            row = np.array([d[0], d[1], float(np.random.rand() < end[0])], np.float32)
            strokes.append(row)
            buf = np.concatenate([buf[1:], row[None]])
        return np.array(strokes)
