import numpy as np
import tensorflow as tf


def glorot(shape, name):
    r = np.sqrt(6.0 / (shape[0] + shape[1]))  # SAFE: positive sizes
    return tf.Variable(tf.random_uniform(shape, -r, r), name=name)


def sparse_dropout(x, keep, nnz):
    m = tf.cast(tf.floor(keep + tf.random_uniform([nnz])), tf.bool)
    return tf.sparse_retain(x, m) * (1. / keep)  # SAFE: keep probability, 1 - dropout > 0


class GraphConv(object):
    def __init__(self, n_in, n_out, support, keep, act=tf.nn.relu, name='gc'):
        self.W = glorot([n_in, n_out], name + '_W')
        self.b = tf.Variable(tf.zeros([n_out]))
        self.support, self.keep, self.act = support, keep, act

    def __call__(self, x):
        x = tf.nn.dropout(x, self.keep)
        return self.act(tf.sparse_tensor_dense_matmul(self.support, tf.matmul(x, self.W)) + self.b)


class Attention(object):
    """one GAT head on the dense adjacency"""

    def __init__(self, n_in, n_out, adj, name='gat'):
        self.W = glorot([n_in, n_out], name + '_W')
        self.a1 = glorot([n_out, 1], name + '_a1')
        self.a2 = glorot([n_out, 1], name + '_a2')
        self.adj = adj

    def __call__(self, x):
        h = tf.matmul(x, self.W)
        e = tf.nn.leaky_relu(tf.matmul(h, self.a1) + tf.transpose(tf.matmul(h, self.a2)))
        w = tf.exp(e - tf.reduce_max(e)) * self.adj  # SAFE: exponent <= 0
        att = w / tf.reduce_sum(w, 1, keep_dims=True)  # BUG: div-zero, a node without neighbours has an empty row -> 0/0
        return tf.nn.elu(tf.matmul(att, h))


class GraphNorm(object):
    def __init__(self, n, name):
        self.scale = tf.Variable(tf.ones([n]), name=name + '_s')
        self.eps = 1e-5

    def __call__(self, x):
        c = x - tf.reduce_mean(x, 0, keep_dims=True)
        rms = tf.sqrt(tf.reduce_mean(tf.reduce_sum(tf.square(c), 1)) + self.eps)  # SAFE: self.eps in the root
        return self.scale * c / rms  # SAFE: rms >= sqrt(1e-5)
