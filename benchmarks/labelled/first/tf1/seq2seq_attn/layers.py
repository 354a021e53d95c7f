import math

import tensorflow as tf


def layer_norm(x, scope, epsilon=1e-6):
    with tf.variable_scope(scope):
        n = x.get_shape()[-1]
        g = tf.get_variable('g', [n], initializer=tf.ones_initializer())
        b = tf.get_variable('b', [n], initializer=tf.zeros_initializer())
        mean = tf.reduce_mean(x, -1, keep_dims=True)
        var = tf.reduce_mean(tf.square(x - mean), -1, keep_dims=True)
        return g * (x - mean) * tf.rsqrt(var + epsilon) + b  # SAFE: epsilon default 1e-6 in the root


def masked_softmax(e, mask):
    """softmax over the source positions that are words"""
    ex = tf.exp(e) * mask  # BUG: exp-overflow, a score of 89 is inf (unbounded dot product / v.tanh sum)
    return ex / tf.reduce_sum(ex, 1, keep_dims=True)  # MAYBE: every source has at least <eos>, 0/0 only if all scores < -103


def dot_scores(query, keys):
    d = keys.get_shape().as_list()[-1]
    return tf.reduce_sum(tf.expand_dims(query, 1) * keys, 2) / math.sqrt(d)  # SAFE: static positive depth


def additive_scores(query, keys, n, reuse):
    with tf.variable_scope('additive', reuse=reuse):
        q = tf.layers.dense(query, n, use_bias=False, name='q')
        k = tf.layers.dense(keys, n, name='k')
        v = tf.get_variable('v', [n])
        return tf.reduce_sum(v * tf.tanh(tf.expand_dims(q, 1) + k), 2)


def attention(query, keys, mask, cfg, reuse=False):
    if cfg.scoring == 'dot':
        e = dot_scores(query, keys)
    else:
        e = additive_scores(query, keys, cfg.attn, reuse)
    a = masked_softmax(e, mask)
    ctx = tf.reduce_sum(tf.expand_dims(a, 2) * keys, 1)
    return ctx, a


def copy_gate(state, ctx, emb, reuse):
    with tf.variable_scope('p_gen', reuse=reuse):
        return tf.layers.dense(tf.concat([state, ctx, emb], 1), 1, activation=tf.sigmoid, name='g')
