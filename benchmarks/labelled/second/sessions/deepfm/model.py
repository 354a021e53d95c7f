import numpy as np
import tensorflow as tf

import config


def glorot(fan_in, fan_out):
    return np.sqrt(2.0 / (fan_in + fan_out))  # SAFE: layer sizes are positive


class DeepFM(object):

    def __init__(self, feature_size, field_size, loss_type="logloss", pos_weight=1.0):
        assert loss_type in ("logloss", "mse", "focal")
        self.feature_size, self.field_size = feature_size, field_size
        self.loss_type, self.pos_weight = loss_type, pos_weight
        self.feat_index = tf.placeholder(tf.int32, [None, field_size], "feat_index")
        self.feat_value = tf.placeholder(tf.float32, [None, field_size], "feat_value")
        self.label = tf.placeholder(tf.float32, [None, 1], "label")
        self.train_phase = tf.placeholder_with_default(False, [], "train_phase")
        self.logit = self._forward()
        self.out = tf.nn.sigmoid(self.logit)
        self.loss = self._loss()
        opt = tf.train.AdamOptimizer(config.LEARNING_RATE)
        with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
            self.grads_and_vars = opt.compute_gradients(self.loss)
            self.train_op = opt.apply_gradients(self.grads_and_vars)

    def _forward(self):
        k = config.EMBEDDING_SIZE
        with tf.variable_scope("fm"):
            emb = tf.get_variable("embeddings", [self.feature_size, k],
                                  initializer=tf.random_normal_initializer(0.0, 0.01))
            bias = tf.get_variable("bias", [self.feature_size, 1],
                                   initializer=tf.random_uniform_initializer(0.0, 1.0))
        value = tf.expand_dims(self.feat_value, 2)
        e = tf.nn.embedding_lookup(emb, self.feat_index) * value
        first = tf.reduce_sum(tf.nn.embedding_lookup(bias, self.feat_index) * value, 2)
        second = 0.5 * (tf.square(tf.reduce_sum(e, 1)) - tf.reduce_sum(tf.square(e), 1))
        rms = tf.sqrt(tf.reduce_mean(tf.square(second), 1, keepdims=True) + 1e-6)  # SAFE: 1e-6 is added inside the sqrt
        second = second / rms  # SAFE: rms is at least 1e-3
        y = tf.reshape(e, [-1, self.field_size * k])
        self.l2 = 0.0
        n_in = self.field_size * k
        for i, n in enumerate(config.DEEP_LAYERS):
            with tf.variable_scope("deep_%d" % i):
                w = tf.get_variable("w", [n_in, n],
                                    initializer=tf.random_normal_initializer(0.0, glorot(n_in, n)))
                b = tf.get_variable("b", [n], initializer=tf.zeros_initializer())
                self.l2 += tf.nn.l2_loss(w)
                y = tf.layers.batch_normalization(tf.matmul(y, w) + b, training=self.train_phase)
                y = tf.nn.relu(y)
            n_in = n
        return tf.layers.dense(tf.concat([first, second, y], 1), 1, name="concat_projection")

    def _loss(self):
        if self.loss_type == "logloss":
            p = tf.clip_by_value(self.out, config.PROB_EPS, 1.0 - config.PROB_EPS)
            per = -self.pos_weight * self.label * tf.log(p) - (1.0 - self.label) * tf.log(1.0 - p)  # SAFE: PROB_EPS is 1e-6, which survives in float32 at both ends
        elif self.loss_type == "focal":
            ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=self.label, logits=self.logit)
            per = tf.square(1.0 - tf.exp(-ce)) * ce  # SAFE: cross entropy is non-negative so exp(-ce) is in (0, 1]
        else:
            per = tf.square(self.label - self.out)
        return tf.reduce_mean(per) + config.L2_REG * self.l2
