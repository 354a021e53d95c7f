import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()


class Categorical(object):
    """probability vectors [N, A]"""

    @staticmethod
    def kl(p, q):
        return tf.reduce_sum(p * tf.log(p / q), axis=1)  # BUG: zero-log-zero, softmax outputs underflow to 0 for both policies once one action dominates, 0 * log(0/0)

    @staticmethod
    def entropy(p):
        return -tf.reduce_sum(p * tf.log(p + 1e-8), axis=1)  # SAFE: epsilon, p >= 0

    @staticmethod
    def likelihood(p, a, n):
        return tf.reduce_sum(p * tf.one_hot(a, n), axis=1)


class DiagGauss(object):
    """mean and log std side by side [N, 2A]"""

    @staticmethod
    def split(p):
        m, s = tf.split(p, 2, axis=1)
        return m, tf.clip_by_value(s, -5.0, 2.0)

    @classmethod
    def kl(cls, p, q):
        m0, s0 = cls.split(p)
        m1, s1 = cls.split(q)
        num = tf.exp(2.0 * s0) + tf.square(m0 - m1)  # SAFE: log std clipped in split
        return tf.reduce_sum(s1 - s0 + num / (2.0 * tf.exp(2.0 * s1)) - 0.5, axis=1)  # SAFE: exp(2 * -5) is the smallest divisor

    @classmethod
    def entropy(cls, p):
        return tf.reduce_sum(cls.split(p)[1] + 1.4189385, axis=1)
