# ETAS model of aftershocks fitted by maximum likelihood, TensorFlow 1.
#   lambda(t) = mu + sum_i K exp(a (m_i - m0)) (t - t_i + c)^-p
import csv
import sys
from datetime import datetime

import numpy as np
import tensorflow as tf

try:
    tf = tf.compat.v1
    tf.disable_eager_execution()
except AttributeError:
    pass

flags = tf.app.flags
flags.DEFINE_string("catalog", "catalog.csv", "columns time (ISO), magnitude")
flags.DEFINE_float("m0", 3.0, "magnitude of completeness")
flags.DEFINE_integer("max_events", 1500, "use the last events only")
flags.DEFINE_integer("steps", 3000, "optimisation steps")
flags.DEFINE_float("lr", 0.01, "learning rate")
flags.DEFINE_string("out", "etas.npz", "where parameters go")
FLAGS = flags.FLAGS

P_MIN, C_MIN = 1.01, 1e-3


def read_catalog(path, m0, limit):
    t, m = [], []
    with open(path) as fh:
        for row in csv.DictReader(fh):
            mag = float(row["magnitude"])
            if mag < m0:
                continue
            t.append(datetime.strptime(row["time"][:19], "%Y-%m-%dT%H:%M:%S"))
            m.append(mag)
    if len(t) < 20:
        sys.exit("only %d events above %.1f" % (len(t), m0))
    order = np.argsort(t)
    first = t[order[0]]
    days = np.array([(t[i] - first).total_seconds() / 86400.0 for i in order])
    mags = np.array(m)[order]
    days, mags = days[-limit:], mags[-limit:]
    return days - days[0], mags


def gutenberg_richter_b(mags, m0):
    """Aki's estimator with the usual half-bin correction."""
    return np.log10(np.e) / (mags.mean() - (m0 - 0.05))  # SAFE: all magnitudes are >= m0, so at least 0.05


class Etas(object):
    def __init__(self, days, mags, m0):
        self.days, self.mags = days, mags
        self.horizon = float(days[-1]) + 1e-3
        with tf.variable_scope("etas"):
            self.raw = tf.get_variable("raw", [5], tf.float64,
                                       initializer=tf.constant_initializer(np.array([-1.0, -1.0, 0.5, -3.0, -1.5])))
        self.mu = tf.nn.softplus(self.raw[0]) + 1e-6
        self.k = tf.nn.softplus(self.raw[1]) + 1e-6
        self.a = 3.0 * tf.sigmoid(self.raw[2])
        self.c = tf.nn.softplus(self.raw[3]) + C_MIN
        self.p = P_MIN + tf.nn.softplus(self.raw[4])
        self.t = tf.constant(days, tf.float64)
        self.m = tf.constant(mags - m0, tf.float64)
        self.loglik = self._loglik()

    def _productivity(self):
        return self.k * tf.exp(self.a * self.m)  # SAFE: a below 3, magnitudes above m0 below 7

    def _loglik(self):
        gap = self.t[:, None] - self.t[None, :]
        n = len(self.days)
        past = tf.constant(np.tril(np.ones((n, n)), -1), tf.float64)
        gap = tf.maximum(gap, 0.0)
        kernel = tf.pow(gap + self.c, -self.p)  # SAFE: gap is floored at zero and c is positive
        lam = self.mu + tf.reduce_sum(past * kernel * self._productivity()[None, :], axis=1)
        rest = self.horizon - self.t
        q = self.p - 1.0
        mass = (tf.pow(self.c, -q) - tf.pow(rest + self.c, -q)) / q  # SAFE: p starts from 1.01
        integral = self.mu * self.horizon + tf.reduce_sum(self._productivity() * mass)
        return tf.reduce_sum(tf.log(lam)) - integral  # SAFE: mu is a softplus plus 1e-6

    def branching_ratio(self, beta):
        q = self.p - 1.0
        per_event = self.k * tf.pow(self.c, -q) / q
        return per_event * beta / tf.maximum(beta - self.a, 1e-2)  # SAFE: floored, only reported


def residual_times(days, mags, m0, par):
    """Transformed times should look like a unit-rate Poisson process."""
    mu, k, a, c, p = par
    out = np.zeros(len(days))
    q = p - 1.0
    for i in range(1, len(days)):
        g = days[i] - days[:i]
        out[i] = mu * days[i] + (k * np.exp(a * (mags[:i] - m0)) * (c ** -q - (g + c) ** -q) / q).sum()  # SAFE: fitted p exceeds 1.01
    return out


def ks_uniform(z):
    span = z[-1] - z[0]
    if span <= 0:
        return float("nan")
    u = np.sort((z - z[0]) / span)  # SAFE: returned above for an empty span
    grid = np.arange(1, len(u) + 1) / float(len(u))
    return float(np.abs(u - grid).max())


def main(_):
    days, mags = read_catalog(FLAGS.catalog, FLAGS.m0, FLAGS.max_events)
    b = gutenberg_richter_b(mags, FLAGS.m0)
    print("%d events over %.1f days, b = %.2f" % (len(days), days[-1], b))

    model = Etas(days, mags, FLAGS.m0)
    loss = -model.loglik / float(len(days))  # SAFE: at least twenty events or the program stops
    step = tf.Variable(0, trainable=False, dtype=tf.int64)
    lr = tf.train.exponential_decay(FLAGS.lr, step, 1000, 0.5)
    train = tf.train.AdamOptimizer(lr).minimize(loss, global_step=step)
    fetch = [model.mu, model.k, model.a, model.c, model.p]
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        previous = np.inf
        for i in range(FLAGS.steps):
            value, _ = sess.run([loss, train])
            if i % 100 == 0:
                print("%5d  nll/event %.6f  mu %.4f K %.4f a %.3f c %.4f p %.3f" % ((i, value) + tuple(sess.run(fetch))))
                if abs(previous - value) < 1e-7:
                    break
                previous = value
        par = sess.run(fetch)
        ratio = sess.run(model.branching_ratio(tf.constant(b * np.log(10.0), tf.float64)))
        saver.save(sess, "./etas.ckpt")
    z = residual_times(days, mags, FLAGS.m0, par)
    print("branching ratio %.3f, KS %.4f" % (ratio, ks_uniform(z)))
    np.savez(FLAGS.out, parameters=np.array(par), residual=z, b=b)


if __name__ == "__main__":
    tf.app.run()
