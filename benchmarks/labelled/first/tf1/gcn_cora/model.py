import tensorflow as tf

from layers import Attention, GraphConv, GraphNorm


def masked_ce(logits, labels, mask):
    loss = tf.nn.softmax_cross_entropy_with_logits(logits=logits, labels=labels)  # SAFE: fused op on logits
    mask = tf.cast(mask, tf.float32)
    mask /= tf.reduce_mean(mask)  # SAFE: the training split is never empty
    return tf.reduce_mean(loss * mask)


def masked_accuracy(logits, labels, mask):
    ok = tf.to_float(tf.equal(tf.argmax(logits, 1), tf.argmax(labels, 1)))
    mask = tf.to_float(mask)
    return tf.reduce_sum(ok * mask) / tf.reduce_sum(mask)  # SAFE: metric only


class GCN(object):
    def __init__(self, n, n_feat, n_class, support, adj, hidden=16, wd=5e-4, lr=0.01, gat=False, smooth=0.0):
        self.x = tf.placeholder(tf.float32, [n, n_feat])
        self.y = tf.placeholder(tf.float32, [n, n_class])
        self.mask = tf.placeholder(tf.bool, [n])
        self.keep = tf.placeholder_with_default(1.0, [])
        if gat:
            l1 = Attention(n_feat, hidden, adj, 'g1')
        else:
            l1 = GraphConv(n_feat, hidden, support, self.keep, name='g1')
        h = GraphNorm(hidden, 'n1')(l1(self.x))
        out = GraphConv(hidden, n_class, support, self.keep, act=lambda v: v, name='g2')
        self.logits = out(h)
        self.prob = tf.nn.softmax(self.logits)
        self.loss = masked_ce(self.logits, self.y, self.mask) + wd * tf.nn.l2_loss(l1.W)
        if smooth > 0:
            self.loss += smooth * self.smoothness(adj)
        self.acc = masked_accuracy(self.logits, self.y, self.mask)
        self.train_op = tf.train.AdamOptimizer(lr).minimize(self.loss)

    def smoothness(self, adj):
        """kl between a node and the mean of its neighbours"""
        deg = tf.maximum(tf.reduce_sum(adj, 1, keep_dims=True), 1.0)
        nb = tf.matmul(adj, self.prob) / deg  # SAFE: maximum with 1
        kl = tf.reduce_sum(self.prob * (tf.log(self.prob + 1e-9) - tf.log(nb)), 1)  # BUG: log-zero, an isolated node has nb = 0, log gives -inf
        return tf.reduce_mean(kl)
