import tensorflow as tf


class CenterLoss(tf.keras.layers.Layer):
    def __init__(self, n, dim, alpha=0.5, **kw):
        super().__init__(**kw)
        self.n, self.dim, self.alpha = n, dim, alpha
        self.centers = self.add_weight(name="centers", shape=(n, dim), initializer="zeros", trainable=False)

    def call(self, x, y):
        y = tf.reshape(y, [-1])
        c = tf.gather(self.centers, y)
        diff = c - x
        _, idx, cnt = tf.unique_with_counts(y)
        per = tf.cast(tf.gather(cnt, idx), tf.float32)[:, None]
        upd = self.alpha * tf.stop_gradient(diff) / (1.0 + per)  # SAFE: 1 + count
        self.centers.scatter_nd_sub(y[:, None], upd)
        return 0.5 * tf.reduce_mean(tf.reduce_sum(tf.square(diff), axis=1))  # SAFE: squares


def island_loss(centers):
    """cosine between the batch centres (segment means, one row per class id)"""
    n = tf.norm(centers, axis=1, keepdims=True)
    cn = centers / n  # BUG: div-zero, segment_mean gives a zero row for every class id not in the batch, 0/0
    sim = tf.matmul(cn, cn, transpose_b=True)
    return tf.reduce_sum(sim + 1.0) - 2.0 * tf.cast(tf.shape(centers)[0], tf.float32)


def spread(centers):
    n = tf.maximum(tf.norm(centers, axis=1, keepdims=True), 1e-6)
    return tf.matmul(centers / n, centers / n, transpose_b=True)  # SAFE: maximum, and only looked at
