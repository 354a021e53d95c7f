import tensorflow as tf
from tensorflow import keras


class NTXent(keras.layers.Layer):
    """Normalised temperature cross entropy on 2N projections."""

    def __init__(self, temperature, hard_beta=0.0, **kw):
        super().__init__(**kw)
        self.temperature = temperature
        self.hard_beta = hard_beta

    def call(self, za, zb):
        n = tf.shape(za)[0]
        z = tf.math.l2_normalize(tf.concat([za, zb], 0), 1)  # SAFE: float32, l2_normalize floors the squared norm
        sim = tf.matmul(z, z, transpose_b=True) / self.temperature  # SAFE: every preset has a positive temperature
        e = tf.exp(sim)  # BUG: exp-overflow, cosine one over temperature 0.01 gives exp(100) in float32
        e = e * (1.0 - tf.eye(2 * n))
        pos = tf.concat([tf.linalg.diag_part(e[:n, n:]), tf.linalg.diag_part(e[n:, :n])], 0)
        if self.hard_beta > 0:
            w = tf.nn.softmax(self.hard_beta * tf.stop_gradient(sim), -1)  # SAFE: tf softmax is stabilised and no gradient
            den = tf.reduce_sum(e * w, -1) * tf.cast(2 * n, e.dtype)
        else:
            den = tf.reduce_sum(e, -1)
        return -tf.reduce_mean(tf.math.log(pos / den + 1e-12))  # MAYBE: offset on the ratio flattens the gradient of hard pairs


def alignment(za, zb):
    za, zb = tf.math.l2_normalize(za, 1), tf.math.l2_normalize(zb, 1)  # SAFE: l2_normalize has an epsilon in float32
    return tf.reduce_mean(tf.reduce_sum(tf.square(za - zb), 1))


def uniformity(z, t=2.0):
    z = tf.math.l2_normalize(z, 1)  # SAFE: l2_normalize has an epsilon in float32
    d = tf.maximum(2.0 - 2.0 * tf.matmul(z, z, transpose_b=True), 0.0)
    return tf.math.log(tf.reduce_mean(tf.exp(-t * d)))  # SAFE: exponent in [-8, 0], mean positive
