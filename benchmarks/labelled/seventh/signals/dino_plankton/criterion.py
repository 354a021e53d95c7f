import tensorflow as tf

import settings as S


class SelfDistillation:
    def __init__(self):
        self.center = tf.Variable(tf.zeros([1, S.PROTOTYPES]), trainable=False)

    def targets(self, teacher_out):
        return tf.nn.softmax((teacher_out - self.center) / S.TEACHER_TEMP, axis=-1)  # SAFE: temperature is the constant 0.005, tf.nn.softmax is shifted by the maximum

    def cross(self, t, student_out):
        return -tf.reduce_mean(tf.reduce_sum(t * tf.math.log(tf.nn.softmax(student_out / S.STUDENT_TEMP)), -1))  # BUG: log-softmax, with the student temperature 0.01 cosines are scaled by 100 and logits of one row differ by more than 104, softmax underflows to 0 and 0 * log(0) is NaN

    def update_center(self, teacher_out):
        m = tf.reduce_mean(teacher_out, 0, keepdims=True)
        self.center.assign(S.CENTER_MOMENTUM * self.center + (1.0 - S.CENTER_MOMENTUM) * m)

    def __call__(self, student_views, teacher_views):
        total, n = 0.0, 0
        for i, t in enumerate(teacher_views):
            p = tf.stop_gradient(self.targets(t))
            for j, s in enumerate(student_views):
                if i != j:
                    total += self.cross(p, s)
                    n += 1
        self.update_center(tf.concat(teacher_views, 0))
        return total / n  # SAFE: two teacher views and four student views, n is 6


def koleo(z):
    """Nearest neighbour entropy estimator on unit vectors."""
    u = tf.math.l2_normalize(z, -1)  # SAFE: squared norm floored at 1e-12
    dot = tf.matmul(u, u, transpose_b=True) - 2.0 * tf.eye(tf.shape(u)[0])
    d2 = tf.maximum(2.0 - 2.0 * tf.reduce_max(dot, 1), 0.0)
    return -tf.reduce_mean(0.5 * tf.math.log(d2 + 1e-6))  # SAFE: squared distance cut at 0 plus 1e-6


def probe_loss(labels, out):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=out))  # BUG: loss-pairing, linear_probe ends in a softmax layer, the probabilities are taken for logits and the loss stays above 1.6


def teacher_entropy(t):
    return -tf.reduce_mean(tf.reduce_sum(tf.math.xlogy(t, t), -1))  # SAFE: xlogy defines 0 * log(0) as 0, logging only
