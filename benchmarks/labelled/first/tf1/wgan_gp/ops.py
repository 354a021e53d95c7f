import numpy as np
import tensorflow as tf

EPS = 1e-8


def lrelu(x, leak=0.2):
    return tf.maximum(x, leak * x)


def linear(x, n_out, scope, stddev=0.02, bias=0.0):
    with tf.variable_scope(scope):
        n_in = x.get_shape().as_list()[-1]
        w = tf.get_variable('w', [n_in, n_out], initializer=tf.random_normal_initializer(stddev=stddev))
        b = tf.get_variable('b', [n_out], initializer=tf.constant_initializer(bias))
        return tf.matmul(x, w) + b


def conv2d(x, n_out, scope, k=5, s=2, spectral=False):
    with tf.variable_scope(scope):
        n_in = x.get_shape().as_list()[-1]
        std = np.sqrt(2.0 / (k * k * n_in))  # SAFE: kernel and channels are positive
        w = tf.get_variable('w', [k, k, n_in, n_out], initializer=tf.truncated_normal_initializer(stddev=std))
        if spectral:
            w = spectral_norm(w)
        b = tf.get_variable('b', [n_out], initializer=tf.zeros_initializer())
        return tf.nn.conv2d(x, w, [1, s, s, 1], 'SAME') + b


def deconv2d(x, out_shape, scope, k=5, s=2):
    with tf.variable_scope(scope):
        n_in = x.get_shape().as_list()[-1]
        w = tf.get_variable('w', [k, k, out_shape[-1], n_in], initializer=tf.random_normal_initializer(stddev=0.02))
        b = tf.get_variable('b', [out_shape[-1]], initializer=tf.zeros_initializer())
        return tf.nn.conv2d_transpose(x, w, out_shape, [1, s, s, 1]) + b


def spectral_norm(w):
    shape = w.shape.as_list()
    w2 = tf.reshape(w, [-1, shape[-1]])
    u = tf.get_variable('u', [1, shape[-1]], initializer=tf.random_normal_initializer(), trainable=False)
    v = tf.matmul(u, w2, transpose_b=True)
    v = v / (tf.sqrt(tf.reduce_sum(tf.square(v))) + 1e-12)  # SAFE: stop_gradient below, not differentiated; w2 is random so v != 0
    u2 = tf.matmul(v, w2)
    u2 = u2 / (tf.sqrt(tf.reduce_sum(tf.square(u2))) + 1e-12)  # SAFE: same as above
    u2, v = tf.stop_gradient(u2), tf.stop_gradient(v)
    sigma = tf.matmul(tf.matmul(v, w2), u2, transpose_b=True)
    with tf.control_dependencies([u.assign(u2)]):
        return tf.reshape(w2 / sigma, shape)  # MAYBE: sigma is the spectral norm, 0 only for an all zero kernel


def pixel_norm(x):
    return x * tf.rsqrt(tf.reduce_mean(tf.square(x), axis=-1, keep_dims=True) + EPS)  # SAFE: epsilon constant of the module


def instance_norm(x, scope):
    with tf.variable_scope(scope):
        c = x.get_shape().as_list()[-1]
        gamma = tf.get_variable('gamma', [c], initializer=tf.ones_initializer())
        beta = tf.get_variable('beta', [c], initializer=tf.zeros_initializer())
        mean, var = tf.nn.moments(x, [1, 2], keep_dims=True)
        return gamma * (x - mean) / tf.sqrt(var + 1e-5) + beta  # SAFE: epsilon in the root


def minibatch_stddev(x):
    mean = tf.reduce_mean(x, 0, keep_dims=True)
    y = tf.reduce_mean(tf.square(x - mean), 0)
    y = tf.reduce_mean(tf.sqrt(y))  # BUG: sqrt-grad, a feature that is the same for the whole batch (collapsed generator, constant border) has variance 0
    s = tf.shape(x)
    return tf.concat([x, tf.fill([s[0], s[1], s[2], 1], y)], axis=3)
