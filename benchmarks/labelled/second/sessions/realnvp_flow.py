"""RealNVP on tabular data with batch-norm bijectors (TF 1 graph mode)."""
import math
import os

import numpy as np
import tensorflow as tf

flags = tf.app.flags
flags.DEFINE_string("data", "data/power.npy", "Array with one row per example")
flags.DEFINE_string("out", "flow_out", "Checkpoint directory")
flags.DEFINE_integer("layers", 6, "Coupling layers")
flags.DEFINE_integer("hidden", 64, "Width of the scale/shift networks")
flags.DEFINE_integer("batch_size", 128, "Batch size")
flags.DEFINE_integer("steps", 30000, "Training steps")
flags.DEFINE_float("lr", 1e-3, "Learning rate")
flags.DEFINE_float("alpha", 0.05, "Squeeze factor of the logit transform")
FLAGS = flags.FLAGS


def to_unit(x):
    lo, hi = x.min(0), x.max(0)
    span = np.where(hi > lo, hi - lo, 1.0)
    return (x - lo) / span  # SAFE: constant columns have span 1


def logit_transform(u, alpha):
    u = alpha + (1.0 - 2.0 * alpha) * u
    return np.log(u) - np.log(1.0 - u)  # SAFE: u was squeezed into [alpha, 1 - alpha] with alpha 0.05


def coupling_net(x, cond_dim, out_dim, hidden, scope, reuse):
    with tf.variable_scope(scope, reuse=reuse):
        h = tf.layers.dense(x[:, :cond_dim], hidden, tf.nn.relu, name="h1")
        h = tf.layers.dense(h, hidden, tf.nn.relu, name="h2")
        t = tf.layers.dense(h, out_dim, name="shift")
        s = tf.layers.dense(h, out_dim, name="scale", kernel_initializer=tf.zeros_initializer())
        cap = tf.get_variable("cap", [1], initializer=tf.constant_initializer(1.0))
        return tf.clip_by_value(cap, 0.0, 2.0) * tf.tanh(s), t


class BatchNormBijector(object):

    def __init__(self, dim, scope, decay=0.95, eps=1e-4):
        self.eps, self.decay = eps, decay
        with tf.variable_scope(scope):
            self.log_gamma = tf.get_variable("log_gamma", [dim], initializer=tf.zeros_initializer())
            self.beta = tf.get_variable("beta", [dim], initializer=tf.zeros_initializer())
            self.mean = tf.get_variable("mean", [dim], trainable=False, initializer=tf.zeros_initializer())
            self.var = tf.get_variable("var", [dim], trainable=False, initializer=tf.ones_initializer())

    def forward(self, x, training):
        if training:
            m, v = tf.nn.moments(x, [0])
            up = [tf.assign(self.mean, self.decay * self.mean + (1 - self.decay) * m),
                  tf.assign(self.var, self.decay * self.var + (1 - self.decay) * v)]
            with tf.control_dependencies(up):
                v = v + self.eps
        else:
            m, v = self.mean, self.var + self.eps
        lg = 2.0 * tf.tanh(self.log_gamma)
        y = (x - m) / tf.sqrt(v) * tf.exp(lg) + self.beta  # SAFE: eps was added to the variance above and |lg| is at most 2
        logdet = tf.reduce_sum(lg - 0.5 * tf.log(v))  # SAFE: v is a variance plus eps
        return y, logdet


class RealNVP(object):

    def __init__(self, dim, layers, hidden):
        self.dim, self.hidden = dim, hidden
        self.cond = dim // 2
        self.n = layers
        self.bns = [BatchNormBijector(dim, "bn%d" % i) for i in range(layers)]
        self.built = False

    def forward(self, x, training):
        logdet = tf.zeros([tf.shape(x)[0]])
        for i in range(self.n):
            s, t = coupling_net(x, self.cond, self.dim - self.cond, self.hidden,
                                "coupling%d" % i, self.built)
            x2 = x[:, self.cond:] * tf.exp(s) + t  # SAFE: s is a tanh times a cap clipped to [0, 2]
            x = tf.concat([x[:, :self.cond], x2], 1)
            logdet += tf.reduce_sum(s, 1)
            x, ld = self.bns[i].forward(x, training)
            logdet += ld
            x = tf.reverse(x, [1])
        self.built = True
        return x, logdet

    def log_prob(self, x, training=False):
        z, logdet = self.forward(x, training)
        base = -0.5 * tf.reduce_sum(tf.square(z) + math.log(2 * math.pi), 1)  # SAFE: logarithm of a constant
        return base + logdet


def mixture_log_prob(x, means, log_scale, logits):
    """Reference density used for the diagnostics plot."""
    ls = tf.clip_by_value(log_scale, -5.0, 5.0)
    z = (tf.expand_dims(x, 1) - means) / tf.exp(ls)  # SAFE: the log scale is clipped so the divisor is at least exp(-5)
    comp = -0.5 * tf.reduce_sum(tf.square(z) + 2 * ls + math.log(2 * math.pi), 2)
    return tf.reduce_logsumexp(comp + tf.nn.log_softmax(logits), 1)  # SAFE: reduce_logsumexp and log_softmax shift by the maximum


def build(dim, layers, hidden, lr):
    x = tf.placeholder(tf.float32, [None, dim], name="x")
    flow = RealNVP(dim, layers, hidden)
    lp = flow.log_prob(x, training=True)
    loss = -tf.reduce_mean(lp)
    lp_eval = flow.log_prob(x, training=False)
    bpd = -lp_eval / (dim * math.log(2.0))  # SAFE: dim is positive and log 2 is a constant
    with tf.variable_scope("reference"):
        means = tf.get_variable("means", [4, dim], initializer=tf.random_normal_initializer())
        ls = tf.get_variable("log_scale", [4, dim], initializer=tf.zeros_initializer())
        logits = tf.get_variable("logits", [4], initializer=tf.zeros_initializer())
    ref = mixture_log_prob(x, means, ls, logits)
    total = loss - tf.reduce_mean(ref)
    opt = tf.train.AdamOptimizer(lr)
    gv = opt.compute_gradients(total)
    grads, _ = tf.clip_by_global_norm([g for g, _ in gv], 10.0)
    train_op = opt.apply_gradients(list(zip(grads, [v for _, v in gv])))
    return x, loss, bpd, gv, train_op


def main(_):
    raw = np.load(FLAGS.data).astype(np.float64)
    raw = raw[np.isfinite(raw).all(1)]
    data = logit_transform(to_unit(raw), FLAGS.alpha).astype(np.float32)
    n_valid = max(len(data) // 10, 1)
    valid, train = data[:n_valid], data[n_valid:]
    x, loss, bpd, _, train_op = build(data.shape[1], FLAGS.layers, FLAGS.hidden, FLAGS.lr)
    rng, saver = np.random.RandomState(0), tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for step in range(FLAGS.steps):
            b = train[rng.randint(0, len(train), FLAGS.batch_size)]
            _, l = sess.run([train_op, loss], {x: b})
            if step % 500 == 0:
                print("step %d nll %.4f valid bpd %.4f" % (step, l, sess.run(bpd, {x: valid}).mean()))
                saver.save(sess, os.path.join(FLAGS.out, "flow"), step)


if __name__ == "__main__":
    tf.app.run()
