import numpy as np
import tensorflow.compat.v1 as tf

from distributions import Categorical, DiagGauss

tf.disable_v2_behavior()


def dense(x, n, name, act=None, scale=1.0):
    with tf.variable_scope(name):
        w = tf.get_variable('w', [x.get_shape().as_list()[-1], n],
                            initializer=tf.orthogonal_initializer(scale))
        b = tf.get_variable('b', [n], initializer=tf.zeros_initializer())
        y = tf.matmul(x, w) + b
    return act(y) if act else y


class Policy(object):
    def __init__(self, n_obs, n_act, discrete, kl_coef=1.0, ent_coef=0.0, lr=3e-4):
        self.discrete = discrete
        self.dist = Categorical if discrete else DiagGauss
        self.n_act = n_act
        k = n_act if discrete else 2 * n_act
        self.obs = tf.placeholder(tf.float32, [None, n_obs])
        self.adv = tf.placeholder(tf.float32, [None])
        self.old = tf.placeholder(tf.float32, [None, k])
        self.act = tf.placeholder(tf.int32, [None]) if discrete else tf.placeholder(tf.float32, [None, n_act])
        self.kl_coef = tf.placeholder_with_default(kl_coef, [])
        with tf.variable_scope('pi'):
            h = dense(self.obs, 64, 'h1', tf.tanh)
            h = dense(h, 64, 'h2', tf.tanh)
            out = dense(h, k, 'out', scale=0.01)
        self.param = tf.nn.softmax(out) if discrete else out
        self.kl = tf.reduce_mean(self.dist.kl(self.old, self.param))
        self.ent = tf.reduce_mean(self.dist.entropy(self.param))
        self.surr = -tf.reduce_mean(self.ratio() * self.adv)
        self.loss = self.surr + self.kl_coef * self.kl - ent_coef * self.ent
        self.train_op = tf.train.AdamOptimizer(lr).minimize(self.loss)

    def ratio(self):
        if self.discrete:
            p = self.dist.likelihood(self.param, self.act, self.n_act)
            q = self.dist.likelihood(self.old, self.act, self.n_act)
            return p / tf.maximum(q, 1e-6)  # SAFE: q is floored at 1e-6 and p is at most 1
        m1, s1 = self.dist.split(self.param)
        m0, s0 = self.dist.split(self.old)
        z1, z0 = (self.act - m1) / tf.exp(s1), (self.act - m0) / tf.exp(s0)  # SAFE: log std clipped to [-5, 2]
        d = tf.reduce_sum(-0.5 * (tf.square(z1) - tf.square(z0)) - s1 + s0, axis=1)
        return tf.exp(tf.clip_by_value(d, -20.0, 20.0))  # SAFE: clipped exponent

    def sample(self, sess, o):
        p = sess.run(self.param, {self.obs: o[None]})[0]
        if self.discrete:
            p = p.astype(np.float64)
            return np.random.choice(self.n_act, p=p / p.sum()), p  # SAFE: p is a softmax output
        m, s = np.split(p, 2)
        return m + np.exp(np.clip(s, -5, 2)) * np.random.randn(len(m)), p  # SAFE: clipped
