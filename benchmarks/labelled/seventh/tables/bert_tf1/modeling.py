"""A small BERT style encoder for TF 1.x."""
import math

import numpy as np
import tensorflow as tf


class BertConfig(object):

    def __init__(self, vocab_size, hidden_size=256, num_layers=4, num_heads=4, intermediate=1024,
                 max_position=512, hidden_dropout=0.1, attention_dropout=0.1, initializer_range=0.02):
        if hidden_size % num_heads != 0:
            raise ValueError("hidden size %d is not a multiple of %d heads" % (hidden_size, num_heads))
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.intermediate = intermediate
        self.max_position = max_position
        self.hidden_dropout = hidden_dropout
        self.attention_dropout = attention_dropout
        self.initializer_range = initializer_range


def create_initializer(r=0.02):
    return tf.truncated_normal_initializer(stddev=r)


def gelu(x):
    cdf = 0.5 * (1.0 + tf.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * tf.pow(x, 3))))  # SAFE: power with the integer constant 3, defined for negative numbers
    return x * cdf


def dropout(x, prob):
    if prob is None or prob == 0.0:
        return x
    return tf.nn.dropout(x, 1.0 - prob)  # SAFE: probabilities are 0.1, the keep probability is never zero


def layer_norm(x, name):
    with tf.variable_scope(name):
        dim = x.shape.as_list()[-1]
        gamma = tf.get_variable("gamma", [dim], initializer=tf.ones_initializer())
        beta = tf.get_variable("beta", [dim], initializer=tf.zeros_initializer())  # SAFE: gamma starts at one
        mean, var = tf.nn.moments(x, [-1], keep_dims=True)
        return (x - mean) * tf.rsqrt(var + 1e-12) * gamma + beta  # SAFE: rsqrt(1e-12) is 1e6, finite in float32, for the zero variance of equal inputs


def attention_mask(from_ids, to_mask):
    b, n = tf.shape(from_ids)[0], tf.shape(from_ids)[1]
    to_mask = tf.cast(tf.reshape(to_mask, [b, 1, tf.shape(to_mask)[1]]), tf.float32)
    return tf.ones([b, n, 1], tf.float32) * to_mask


def attention(x, mask, c, is_training):
    head = c.hidden_size // c.num_heads
    b, n = tf.shape(x)[0], tf.shape(x)[1]

    def project(name):
        y = tf.layers.dense(x, c.hidden_size, name=name, kernel_initializer=create_initializer(c.initializer_range))
        return tf.transpose(tf.reshape(y, [b, n, c.num_heads, head]), [0, 2, 1, 3])

    q, k, v = project("query"), project("key"), project("value")
    scores = tf.matmul(q, k, transpose_b=True) / math.sqrt(float(head))  # SAFE: the head size is checked in BertConfig
    scores += (1.0 - tf.expand_dims(mask, 1)) * -10000.0  # SAFE: float32 and a finite fill
    probs = tf.nn.softmax(scores)  # SAFE: the fill is finite, rows of padding become uniform
    if is_training:
        probs = dropout(probs, c.attention_dropout)
    ctx = tf.transpose(tf.matmul(probs, v), [0, 2, 1, 3])
    return tf.reshape(ctx, [b, n, c.hidden_size])


class BertModel(object):

    def __init__(self, config, is_training, input_ids, input_mask, segment_ids, scope="bert"):
        c = config
        drop = c.hidden_dropout if is_training else 0.0
        init = create_initializer(c.initializer_range)
        with tf.variable_scope(scope, reuse=tf.AUTO_REUSE):
            with tf.variable_scope("embeddings"):
                self.table = tf.get_variable("word", [c.vocab_size, c.hidden_size], initializer=init)
                seg = tf.get_variable("segment", [2, c.hidden_size], initializer=init)
                pos = tf.get_variable("position", [c.max_position, c.hidden_size], initializer=init)
                x = tf.gather(self.table, input_ids) + tf.gather(seg, segment_ids)
                x = x + tf.expand_dims(pos[:tf.shape(input_ids)[1]], 0)
                x = dropout(layer_norm(x, "ln"), drop)
                x.set_shape([None, None, c.hidden_size])
            mask = attention_mask(input_ids, input_mask)
            for i in range(c.num_layers):
                with tf.variable_scope("layer_%d" % i):
                    a = attention(x, mask, c, is_training)
                    a = tf.layers.dense(tf.reshape(a, [-1, tf.shape(x)[1], c.hidden_size]), c.hidden_size,
                                        name="proj", kernel_initializer=init)
                    x = layer_norm(x + dropout(a, drop), "ln1")
                    h = tf.layers.dense(x, c.intermediate, activation=gelu, name="ff1", kernel_initializer=init)
                    h = tf.layers.dense(h, c.hidden_size, name="ff2", kernel_initializer=init)
                    x = layer_norm(x + dropout(h, drop), "ln2")
            self.sequence_output = x
            self.pooled = tf.layers.dense(x[:, 0], c.hidden_size, activation=tf.tanh, name="pooler",
                                          kernel_initializer=init)
            m = tf.expand_dims(tf.cast(input_mask, tf.float32), -1)
            self.mean_pooled = tf.reduce_sum(x * m, 1) / (tf.reduce_sum(m, 1) + 1e-10)  # SAFE: the mask sums to at least one for CLS, and epsilon alone is representable
