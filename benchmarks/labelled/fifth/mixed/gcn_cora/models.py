import math

import tensorflow.compat.v1 as tf


def glorot(shape, name):
    r = math.sqrt(6.0 / (shape[0] + shape[1]))  # SAFE: layer sizes are positive
    return tf.get_variable(name, shape, initializer=tf.random_uniform_initializer(-r, r))


def sparse_dropout(x, keep, nnz):
    mask = tf.cast(tf.floor(keep + tf.random_uniform(nnz)), tf.bool)
    return tf.sparse_retain(x, mask) * (1.0 / keep)  # SAFE: keep is 1 - dropout, 0.5 in training and 1 otherwise


def masked_softmax_cross_entropy(logits, labels, mask):
    loss = tf.nn.softmax_cross_entropy_with_logits_v2(logits=logits, labels=labels)
    mask = tf.cast(mask, tf.float32)
    mask /= tf.maximum(tf.reduce_mean(mask), 1e-6)  # SAFE: maximum with 1e-6 for an empty mask
    return tf.reduce_mean(loss * mask)


def masked_accuracy(logits, labels, mask):
    hit = tf.cast(tf.equal(tf.argmax(logits, 1), tf.argmax(labels, 1)), tf.float32)
    mask = tf.cast(mask, tf.float32)
    return tf.reduce_sum(hit * mask) / tf.maximum(tf.reduce_sum(mask), 1.0)  # SAFE: maximum with 1


def pair_norm(x, scale=1.0):
    x = x - tf.reduce_mean(x, axis=0, keepdims=True)
    rms = tf.sqrt(1e-6 + tf.reduce_mean(tf.reduce_sum(tf.square(x), 1)))  # SAFE: 1e-6 inside the root
    return scale * x / rms  # SAFE: rms is at least 0.001


class GCN(object):
    def __init__(self, n_feat, n_class, n_nodes, hidden=16, l2=5e-4, lr=0.01, entropy=0.01):
        self.x = tf.sparse_placeholder(tf.float32, name="x")
        self.nnz = tf.placeholder(tf.int32, [1])
        self.a = tf.sparse_placeholder(tf.float32, name="a")
        self.y = tf.placeholder(tf.float32, [n_nodes, n_class])
        self.mask = tf.placeholder(tf.bool, [n_nodes])
        self.dropout = tf.placeholder_with_default(0.0, [])
        keep = 1.0 - tf.minimum(self.dropout, 0.95)
        with tf.variable_scope("gcn"):
            self.w1, self.w2 = glorot([n_feat, hidden], "w1"), glorot([hidden, n_class], "w2")
            x = sparse_dropout(self.x, keep, self.nnz)
            h = tf.sparse_tensor_dense_matmul(self.a, tf.sparse_tensor_dense_matmul(x, self.w1))
            h = tf.nn.relu(pair_norm(h))
            drop = tf.cast(tf.random_uniform(tf.shape(h)) < keep, tf.float32)
            h = h * drop / keep  # SAFE: keep is at least 0.05
            self.logits = tf.sparse_tensor_dense_matmul(self.a, tf.matmul(h, self.w2))
        p = tf.nn.softmax(self.logits)
        unlabelled = tf.reduce_mean(tf.reduce_sum(-p * tf.nn.log_softmax(self.logits), axis=1))  # SAFE: log_softmax is finite
        self.loss = (masked_softmax_cross_entropy(self.logits, self.y, self.mask)
                     + l2 * tf.nn.l2_loss(self.w1) + entropy * unlabelled)
        self.accuracy = masked_accuracy(self.logits, self.y, self.mask)
        self.margin = tf.reduce_mean(tf.log(tf.reduce_max(p, 1) + 1e-12))  # SAFE: the largest probability is at least 1 / n_class, only a monitor
        self.train_op = tf.train.AdamOptimizer(lr).minimize(self.loss)
