import numpy as np
import tensorflow.compat.v1 as tf


def normalized_columns(std=1.0):
    def init(shape, dtype=None, partition_info=None):
        out = np.random.randn(*shape).astype(np.float32)
        out *= std / np.sqrt(np.square(out).sum(axis=0, keepdims=True))  # SAFE: columns of gaussian noise have a positive norm
        return tf.constant(out)
    return init


def dense(x, n_in, n_out, name, std=1.0):
    with tf.variable_scope(name):
        w = tf.get_variable("w", initializer=normalized_columns(std)([n_in, n_out]))
        b = tf.get_variable("b", [n_out], initializer=tf.zeros_initializer())
    return tf.matmul(x, w) + b


class ACNetwork:
    def __init__(self, s_dim, a_dim, scope, trainer=None, beta=0.01, max_norm=40.0):
        with tf.variable_scope(scope):
            self.state = tf.placeholder(tf.float32, [None, s_dim])
            h = tf.nn.elu(dense(self.state, s_dim, 128, "h1"))
            h = tf.nn.elu(dense(h, 128, 128, "h2"))
            self.logits = dense(h, 128, a_dim, "pi", 0.01)
            self.policy = tf.nn.softmax(self.logits)
            self.value = tf.squeeze(dense(h, 128, 1, "v"), 1)
            self.actions = tf.placeholder(tf.int32, [None])
            self.target_v = tf.placeholder(tf.float32, [None])
            self.adv = tf.placeholder(tf.float32, [None])
            hot = tf.one_hot(self.actions, a_dim)
            logp = -tf.nn.softmax_cross_entropy_with_logits_v2(labels=hot, logits=self.logits)  # SAFE: stable op on logits
            self.policy_loss = -tf.reduce_sum(logp * self.adv)
            self.value_loss = 0.5 * tf.reduce_sum(tf.square(self.target_v - self.value))
            self.entropy = -tf.reduce_sum(self.policy * tf.log(self.policy))  # BUG: zero-log-zero, a nearly deterministic policy underflows to exactly 0 and 0*log(0) is NaN in value and gradient
            self.loss = 0.5 * self.value_loss + self.policy_loss - beta * self.entropy
            self.vars = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope)
            if trainer is not None:
                g = tf.gradients(self.loss, self.vars)
                g, self.norm = tf.clip_by_global_norm(g, max_norm)
                self.train_op = trainer.apply_gradients(zip(g, self.vars))

    def act(self, sess, s, rng):
        p, v = sess.run([self.policy, self.value], {self.state: [s]})
        p = p[0].astype("float64")
        return rng.choice(len(p), p=p / p.sum()), v[0]  # SAFE: softmax row sums to about 1
