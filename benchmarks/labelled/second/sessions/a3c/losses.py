import tensorflow as tf

import config


class A3CLoss(object):

    def __init__(self, net):
        self.a = tf.placeholder(tf.float32, [None, net.action_size], name="a")
        self.td = tf.placeholder(tf.float32, [None], name="td")
        self.r = tf.placeholder(tf.float32, [None], name="r")

        log_prob = tf.log(tf.clip_by_value(net.pi, 1e-20, 1.0))  # SAFE: pi is clipped to 1e-20 which float32 can represent
        chosen = tf.reduce_sum(log_prob * self.a, axis=1)
        self.entropy = -tf.reduce_sum(net.pi * tf.log(net.pi), axis=1)  # BUG: zero-log-zero, the policy softmax underflows to exactly 0 for a confident policy
        self.policy_loss = -tf.reduce_sum(chosen * self.td + config.ENTROPY_BETA * self.entropy)
        self.value_loss = config.VALUE_COEF * tf.nn.l2_loss(self.r - net.v)
        self.total_loss = self.policy_loss + self.value_loss
        self.grads = tf.gradients(self.total_loss, net.vars)


def make_optimizer(global_t):
    frac = 1.0 - tf.cast(global_t, tf.float32) / config.MAX_TIME_STEP  # SAFE: constant denominator of ten million
    lr = config.INITIAL_LR * tf.maximum(frac, 0.0)
    return tf.train.RMSPropOptimizer(lr, decay=config.RMSP_ALPHA, epsilon=config.RMSP_EPSILON)


def apply_to_global(optimizer, loss, global_net):
    clipped, norm = tf.clip_by_global_norm(loss.grads, config.GRAD_NORM_CLIP)
    return optimizer.apply_gradients(zip(clipped, global_net.vars)), norm
