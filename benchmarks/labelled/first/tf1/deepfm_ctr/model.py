import numpy as np
import tensorflow as tf

from config import EPSILON
from data import N_CAT, N_DENSE


class DeepFM(object):
    def __init__(self, args):
        self.args = args
        self.label = tf.placeholder(tf.float32, [None])
        self.dense = tf.placeholder(tf.float32, [None, N_DENSE])
        self.cat = tf.placeholder(tf.int32, [None, N_CAT])
        self.keep = tf.placeholder_with_default(1.0, [])
        self.training = tf.placeholder_with_default(False, [])
        self._build()
        self._loss()

    def _bn(self, x, name):
        with tf.variable_scope(name):
            m, v = tf.nn.moments(x, [0])
            ema = tf.train.ExponentialMovingAverage(0.99)
            upd = ema.apply([m, v])
            tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, upd)
            m, v = tf.cond(self.training, lambda: (m, v), lambda: (ema.average(m), ema.average(v)))
            return tf.nn.batch_normalization(x, m, v, None, None, 1e-3)  # SAFE: epsilon argument 1e-3

    def _build(self):
        a = self.args
        with tf.variable_scope('fm'):
            w = tf.get_variable('w', [a.hash, 1], initializer=tf.zeros_initializer())
            v = tf.get_variable('v', [a.hash, a.k], initializer=tf.random_normal_initializer(stddev=0.01))
            b = tf.get_variable('b', [], initializer=tf.zeros_initializer())
            first = tf.reduce_sum(tf.nn.embedding_lookup(w, self.cat), [1, 2])
            self.emb = tf.nn.embedding_lookup(v, self.cat)
            sum_sq = tf.square(tf.reduce_sum(self.emb, 1))
            sq_sum = tf.reduce_sum(tf.square(self.emb), 1)
            second = 0.5 * tf.reduce_sum(sum_sq - sq_sum, 1)
        with tf.variable_scope('deep'):
            h = tf.concat([tf.reshape(self.emb, [-1, N_CAT * a.k]), self._bn(self.dense, 'bn_in')], 1)
            for i, n in enumerate(map(int, a.layers.split(','))):
                fan = h.get_shape().as_list()[1]
                h = tf.layers.dense(h, n, tf.nn.relu,
                                    kernel_initializer=tf.random_normal_initializer(stddev=np.sqrt(2.0 / (fan + n))))  # SAFE: positive sizes
                h = tf.nn.dropout(self._bn(h, 'bn%d' % i), self.keep)
            deep = tf.squeeze(tf.layers.dense(h, 1), 1)
        self.logit = b + first + second + deep
        self.out = tf.nn.sigmoid(self.logit)

    def _loss(self):
        a = self.args
        y, p = self.label, self.out
        if a.loss == 'logloss':
            ll = -(y * tf.log(p)  # BUG: log-sigmoid, logit < -104 (fm cross terms are unbounded)
                   + (1 - y) * tf.log(1 - p))  # BUG: log-sigmoid, logit > 17
            self.data_loss = tf.reduce_mean(ll)
        elif a.loss == 'fused':
            self.data_loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=self.logit))  # SAFE: logits
        elif a.loss == 'focal':
            pt = tf.where(tf.equal(y, 1.0), p, 1.0 - p)
            pt = tf.clip_by_value(pt, EPSILON, 1.0)
            self.data_loss = -tf.reduce_mean(tf.pow(1.0 - pt, 2.0) * tf.log(pt))  # SAFE: clipped with EPSILON of config.py; exponent 2
        else:
            self.data_loss = tf.losses.log_loss(y, p, epsilon=EPSILON)  # SAFE: library with epsilon 1e-7
        reg = tf.nn.l2_loss(self.emb) / tf.to_float(tf.shape(self.label)[0])  # SAFE: batch size, never empty
        self.loss = self.data_loss + a.l2 * reg
        # normalised entropy against the prior of the batch
        prior = tf.reduce_mean(y)
        h0 = -(prior * tf.log(prior + 1e-9) + (1 - prior) * tf.log(1 - prior + 1e-9))  # SAFE: 1 - prior is done first, epsilon holds; metric
        self.ne = self.data_loss / (h0 + 1e-9)  # SAFE: metric with epsilon
        with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
            self.train_op = tf.train.AdamOptimizer(a.lr).minimize(self.loss)
