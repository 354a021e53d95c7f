import math
import tensorflow as tf


def l2norm(x, axis=-1):
    return x * tf.math.rsqrt(tf.maximum(tf.reduce_sum(tf.square(x), axis, keepdims=True), 1e-12))  # SAFE: squared norm floored at 1e-12 before rsqrt


class MarginHead(tf.keras.layers.Layer):
    """Angular margin classifier: s * cos(theta + m) for the true class."""

    def __init__(self, n_classes, scale=30.0, margin=0.5, kind="arc", **kw):
        super().__init__(**kw)
        self.n, self.s, self.m, self.kind = n_classes, scale, margin, kind

    def build(self, shape):
        self.w = self.add_weight(name="w", shape=(shape[0][-1], self.n), initializer="glorot_uniform")

    def cosine(self, emb):
        return tf.matmul(l2norm(emb), l2norm(self.w, 0))

    def call(self, inputs):
        emb, labels = inputs
        hot = tf.one_hot(labels, self.n)
        cos = self.cosine(emb)
        if self.kind == "cos":
            return self.s * (cos - self.m * hot)
        if self.kind == "arc_easy":
            return self.easy(cos, hot)
        theta = tf.acos(tf.clip_by_value(cos, -1.0, 1.0))  # BUG: domain, the clip keeps the value legal but a cosine of exactly 1 has an infinite acos slope
        return self.s * tf.cos(theta + self.m * hot)

    def easy(self, cos, hot):
        c = tf.clip_by_value(cos, -1.0 + 1e-4, 1.0 - 1e-4)
        sin = tf.sqrt(1.0 - tf.square(c))  # SAFE: cosine clipped to 1-1e-4, radicand at least 1.9e-4
        phi = c * math.cos(self.m) - sin * math.sin(self.m)
        return self.s * tf.where(hot > 0, phi, c)


def supervised_contrastive(emb, labels, t=0.1):
    z = l2norm(emb)
    sim = tf.matmul(z, z, transpose_b=True) / t  # SAFE: cosine over the constant default 0.1
    n = tf.shape(z)[0]
    notself = 1.0 - tf.eye(n)
    pos = tf.cast(labels[:, None] == labels[None, :], tf.float32) * notself
    logden = tf.reduce_logsumexp(sim - 1e9 * (1.0 - notself), axis=1, keepdims=True)  # SAFE: logsumexp subtracts the maximum; the mask is finite
    lp = sim - logden
    cnt = tf.reduce_sum(pos, 1)
    return -tf.reduce_mean(tf.reduce_sum(pos * lp, 1) / tf.maximum(cnt, 1.0))  # SAFE: number of positives floored at one


def pairwise_distance(z):
    sq = tf.reduce_sum(tf.square(z), 1)
    d = sq[:, None] - 2.0 * tf.matmul(z, z, transpose_b=True) + sq[None, :]
    d = tf.maximum(d, 0.0)
    zero = tf.cast(d < 1e-12, tf.float32)
    return (1.0 - zero) * tf.sqrt(d + zero)  # SAFE: zeros are replaced by one inside the root and masked outside


def batch_hard_triplet(emb, labels, margin=0.3):
    d = pairwise_distance(l2norm(emb))
    same = tf.cast(labels[:, None] == labels[None, :], tf.float32)
    hp = tf.reduce_max(d * same, 1)
    hn = tf.reduce_min(d + 10.0 * same, 1)
    return tf.reduce_mean(tf.nn.softplus(margin + hp - hn))
