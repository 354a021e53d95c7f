import numpy as np
import tensorflow as tf


def _fan_in_init(fan_in):
    d = 1.0 / np.sqrt(fan_in)  # SAFE: fan_in is a positive layer size
    return tf.random_uniform_initializer(-d, d)


def conv(x, out, size, stride, name):
    n_in = x.get_shape().as_list()[-1]
    with tf.variable_scope(name):
        init = _fan_in_init(n_in * size * size)
        w = tf.get_variable("w", [size, size, n_in, out], initializer=init)
        b = tf.get_variable("b", [out], initializer=init)
        return tf.nn.relu(tf.nn.conv2d(x, w, [1, stride, stride, 1], "VALID") + b)


def fc(x, out, name, activation=None):
    n_in = x.get_shape().as_list()[-1]
    with tf.variable_scope(name):
        init = _fan_in_init(n_in)
        w = tf.get_variable("w", [n_in, out], initializer=init)
        b = tf.get_variable("b", [out], initializer=init)
        h = tf.matmul(x, w) + b
        return activation(h) if activation else h


class ActorCriticNetwork(object):

    def __init__(self, scope, state_shape, action_size):
        self.scope = scope
        self.action_size = action_size
        with tf.variable_scope(scope):
            self.s = tf.placeholder(tf.uint8, [None] + list(state_shape), name="s")
            x = tf.cast(self.s, tf.float32) / 255.0
            h = conv(x, 16, 8, 4, "conv1")
            h = conv(h, 32, 4, 2, "conv2")
            h = tf.reshape(h, [-1, int(np.prod(h.get_shape().as_list()[1:]))])
            h = fc(h, 256, "fc1", tf.nn.relu)
            self.pi = fc(h, action_size, "policy", tf.nn.softmax)
            self.v = tf.squeeze(fc(h, 1, "value"), 1)
        self.vars = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope)

    def sync_from(self, other):
        return tf.group(*[dst.assign(src) for dst, src in zip(self.vars, other.vars)])

    def run_policy_and_value(self, sess, s_t):
        pi, v = sess.run([self.pi, self.v], feed_dict={self.s: [s_t]})
        return pi[0], v[0]

    def run_value(self, sess, s_t):
        return sess.run(self.v, feed_dict={self.s: [s_t]})[0]
