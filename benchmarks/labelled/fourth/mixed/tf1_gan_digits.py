# Vanilla GAN, graph mode. Expects digits.npz with an array `x` of shape (N, 784), values 0..255.
import os

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()

flags = tf.app.flags
flags.DEFINE_string("data", "digits.npz", "training data")
flags.DEFINE_integer("z", 64, "noise size")
flags.DEFINE_integer("h", 128, "hidden units")
flags.DEFINE_integer("batch", 128, "batch size")
flags.DEFINE_integer("iters", 100000, "iterations")
flags.DEFINE_float("lr", 1e-3, "learning rate")
flags.DEFINE_string("logdir", "log_gan", "summaries and checkpoints")
FLAGS = flags.FLAGS


def xavier(shape):
    std = 1.0 / np.sqrt(shape[0] / 2.0)  # SAFE: layer sizes are positive constants
    return tf.random_normal(shape, stddev=std)


class MLP(object):
    def __init__(self, sizes, name):
        with tf.variable_scope(name):
            self.w = [tf.get_variable("w%d" % i, initializer=xavier(s)) for i, s in enumerate(zip(sizes, sizes[1:]))]
            self.b = [tf.get_variable("b%d" % i, initializer=tf.zeros([n])) for i, n in enumerate(sizes[1:])]

    @property
    def params(self):
        return self.w + self.b

    def __call__(self, x):
        for w, b in zip(self.w[:-1], self.b[:-1]):
            x = tf.nn.relu(tf.matmul(x, w) + b)
        return tf.matmul(x, self.w[-1]) + self.b[-1]


class GAN(object):
    def __init__(self, dim, z, h, lr):
        self.x = tf.placeholder(tf.float32, [None, dim], "x")
        self.z = tf.placeholder(tf.float32, [None, z], "z")
        gen, dis = MLP([z, h, dim], "gen"), MLP([dim, h, 1], "dis")
        self.sample = tf.nn.sigmoid(gen(self.z))
        self.real_logit, self.fake_logit = dis(self.x), dis(self.sample)
        self.d_real, self.d_fake = tf.sigmoid(self.real_logit), tf.sigmoid(self.fake_logit)
        self.d_loss = self.discriminator_loss()
        self.g_loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(
            labels=tf.ones_like(self.fake_logit), logits=self.fake_logit))  # SAFE: stable logits form
        self.js = self.divergence()
        self.ratio = tf.reduce_mean(tf.exp(tf.clip_by_value(self.real_logit, -10.0, 10.0)))  # SAFE: clipped, only summarised
        self.spread = tf.reduce_mean(tf.sqrt(tf.nn.moments(self.sample, [0])[1]))  # SAFE: only summarised, variance is not negative
        self.d_step = tf.train.AdamOptimizer(lr).minimize(self.d_loss, var_list=dis.params)
        self.g_step = tf.train.AdamOptimizer(lr).minimize(self.g_loss, var_list=gen.params)
        for k in ("d_loss", "g_loss", "js", "ratio", "spread"):
            tf.summary.scalar(k, getattr(self, k))
        self.summary = tf.summary.merge_all()

    def discriminator_loss(self):
        return -tf.reduce_mean(tf.log(self.d_real) + tf.log(1.0 - self.d_fake))  # BUG: log-sigmoid, a saturated discriminator gives log(0)

    def divergence(self):
        """Estimate of the Jensen-Shannon divergence for the monitor."""
        r = tf.clip_by_value(self.d_real, 1e-5, 1.0)
        f = tf.clip_by_value(self.d_fake, 0.0, 1.0 - 1e-5)
        return 0.5 * (tf.reduce_mean(tf.log(r)) + tf.reduce_mean(tf.log(1.0 - f))) + np.log(2.0)  # SAFE: both clipped with 1e-5


def batches(x, n, rng):
    while True:
        for i in np.array_split(rng.permutation(len(x)), max(1, len(x) // n)):  # SAFE: floored at 1
            yield x[i]


def main(_):
    x = np.load(FLAGS.data)["x"].astype(np.float32) / 255.0
    rng = np.random.RandomState(0)
    gan = GAN(x.shape[1], FLAGS.z, FLAGS.h, FLAGS.lr)
    saver = tf.train.Saver()
    it = batches(x, FLAGS.batch, rng)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        writer = tf.summary.FileWriter(FLAGS.logdir, sess.graph)
        for i in range(FLAGS.iters):
            xb = next(it)
            z = rng.uniform(-1, 1, (len(xb), FLAGS.z))
            feed = {gan.x: xb, gan.z: z}
            _, dl = sess.run([gan.d_step, gan.d_loss], feed)
            _, gl, s = sess.run([gan.g_step, gan.g_loss, gan.summary], feed)
            if i % 1000 == 0:
                writer.add_summary(s, i)
                print("iter %d d %.4f g %.4f" % (i, dl, gl))
                saver.save(sess, os.path.join(FLAGS.logdir, "gan"), global_step=i)


if __name__ == "__main__":
    tf.app.run(main)
