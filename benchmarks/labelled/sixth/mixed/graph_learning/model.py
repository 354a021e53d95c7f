import tensorflow as tf
from layers import SimilarityGraph, GraphConv, GraphAttention, symmetric_norm, dense_renorm


class IDGL(tf.keras.Model):
    def __init__(self, n_class, hidden=16, dim=32, mix=0.8, threshold=0.3):
        super().__init__()
        self.graph = SimilarityGraph(dim, threshold)
        self.gc1 = GraphConv(hidden, "relu")
        self.gc2 = GraphConv(n_class)
        self.gat = GraphAttention(hidden)
        self.mix = mix

    def call(self, inputs, training=False):
        x, a0 = inputs
        learned = self.graph(x)
        a = self.mix * dense_renorm(a0) + (1.0 - self.mix) * symmetric_norm(learned)
        h = self.gc1(x, a, training=training) + self.gat(x, a0)
        return self.gc2(h, a, training=training), learned

    def graph_regulariser(self, x, adj, smooth=0.2, conn=0.1, sparse=0.1):
        n = tf.cast(tf.shape(x)[0], tf.float32)
        deg = tf.reduce_sum(adj, -1)
        lap = tf.linalg.diag(deg) - adj
        dirichlet = tf.linalg.trace(tf.matmul(x, tf.matmul(lap, x), transpose_a=True)) / (n * n)  # SAFE: n is the number of nodes, at least one
        connect = -tf.reduce_mean(tf.math.log(deg + 1e-3))  # SAFE: degrees are sums of relu outputs and get 1e-3 added
        return smooth * dirichlet + conn * connect + sparse * tf.reduce_mean(tf.square(adj))
