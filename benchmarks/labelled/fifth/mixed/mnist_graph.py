# Deep MNIST with convolution layers, graph mode.  After the old TensorFlow tutorial.
import gzip
import os
import struct
import sys

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()

flags = tf.app.flags
flags.DEFINE_string("data_dir", "data/mnist", "where the gz files are")
flags.DEFINE_string("summary_dir", "logs/mnist", "summaries and checkpoints")
flags.DEFINE_integer("max_steps", 20000, "training steps")
flags.DEFINE_integer("batch_size", 50, "batch size")
flags.DEFINE_float("learning_rate", 1e-3, "start of the decay")
flags.DEFINE_float("keep", 0.5, "dropout keep probability")
FLAGS = flags.FLAGS


def read_idx(path):
    with gzip.open(path, "rb") as f:
        zero, dtype, dims = struct.unpack(">HBB", f.read(4))
        shape = tuple(struct.unpack(">I", f.read(4))[0] for _ in range(dims))
        return np.frombuffer(f.read(), dtype=np.uint8).reshape(shape)


def load(data_dir, part):
    x = read_idx(os.path.join(data_dir, part + "-images-idx3-ubyte.gz"))
    y = read_idx(os.path.join(data_dir, part + "-labels-idx1-ubyte.gz"))
    x = x.reshape(len(x), 784).astype(np.float32) / 255.0
    return x, np.eye(10, dtype=np.float32)[y]


class Batches(object):
    def __init__(self, x, y, size, seed=0):
        self.x, self.y, self.size = x, y, size
        self.rng = np.random.RandomState(seed)
        self.order, self.at = self.rng.permutation(len(x)), 0

    def next(self):
        if self.at + self.size > len(self.x):
            self.order, self.at = self.rng.permutation(len(self.x)), 0
        idx = self.order[self.at:self.at + self.size]
        self.at += self.size
        return self.x[idx], self.y[idx]


def weight(shape, name):
    return tf.get_variable(name, shape, initializer=tf.truncated_normal_initializer(stddev=0.1))


def bias(shape, name):
    return tf.get_variable(name, shape, initializer=tf.constant_initializer(0.1))


def batch_norm(x, name, eps=1e-3):
    with tf.variable_scope(name):
        c = x.get_shape()[-1].value if hasattr(x.get_shape()[-1], "value") else x.get_shape()[-1]
        gamma = tf.get_variable("gamma", [c], initializer=tf.ones_initializer())
        beta = tf.get_variable("beta", [c], initializer=tf.zeros_initializer())
        mean, var = tf.nn.moments(x, [0, 1, 2])
        return gamma * (x - mean) * tf.rsqrt(var + eps) + beta  # SAFE: variance is not negative, eps is 1e-3


def conv_pool(x, k, cin, cout, name):
    with tf.variable_scope(name):
        h = tf.nn.conv2d(x, weight([k, k, cin, cout], "w"), strides=[1, 1, 1, 1], padding="SAME")
        h = tf.nn.relu(batch_norm(h + bias([cout], "b"), "bn"))
        return tf.nn.max_pool(h, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")


def inference(x, keep_prob):
    image = tf.reshape(x, [-1, 28, 28, 1])
    h1 = conv_pool(image, 5, 1, 32, "conv1")
    h2 = conv_pool(h1, 5, 32, 64, "conv2")
    flat = tf.reshape(h2, [-1, 7 * 7 * 64])
    with tf.variable_scope("fc1"):
        fc = tf.nn.relu(tf.matmul(flat, weight([7 * 7 * 64, 1024], "w")) + bias([1024], "b"))
        mask = tf.cast(tf.random_uniform(tf.shape(fc)) < keep_prob, tf.float32)
        fc = fc * mask / keep_prob  # SAFE: fed with 0.5 in training and 1.0 in evaluation
    with tf.variable_scope("fc2"):
        return tf.nn.softmax(tf.matmul(fc, weight([1024, 10], "w")) + bias([10], "b"))


def cross_entropy(labels, y):
    per_example = -tf.reduce_sum(labels * tf.log(y), axis=1)  # BUG: log-softmax, y is the softmax of inference() and underflows to 0, 0 * -Inf gives NaN
    return tf.reduce_mean(per_example)


def confidence_penalty(y):
    p = tf.clip_by_value(y, 1e-6, 1.0)
    return tf.reduce_mean(tf.reduce_sum(p * tf.log(p), axis=1))  # SAFE: clipped to at least 1e-6


def build():
    x = tf.placeholder(tf.float32, [None, 784], name="x")
    t = tf.placeholder(tf.float32, [None, 10], name="t")
    keep_prob = tf.placeholder(tf.float32, name="keep_prob")
    y = inference(x, keep_prob)
    with tf.name_scope("train"):
        ce = cross_entropy(t, y)
        loss = ce + 0.01 * confidence_penalty(y)
        step = tf.train.get_or_create_global_step()
        rate = tf.train.exponential_decay(FLAGS.learning_rate, step, 2000, 0.9, staircase=True)
        train_op = tf.train.AdamOptimizer(rate).minimize(loss, global_step=step)
    with tf.name_scope("eval"):
        hit = tf.cast(tf.equal(tf.argmax(y, 1), tf.argmax(t, 1)), tf.float32)
        accuracy = tf.reduce_mean(hit)
        entropy = -tf.reduce_mean(tf.reduce_sum(y * tf.log(y + 1e-10), axis=1))  # SAFE: 1e-10 is added, a metric only
    tf.summary.scalar("cross_entropy", ce)
    tf.summary.scalar("accuracy", accuracy)
    tf.summary.scalar("entropy", entropy)
    return x, t, keep_prob, train_op, ce, accuracy, step


def evaluate(sess, accuracy, feeds, x, y, size=1000):
    px, pt, pk = feeds
    total, n = 0.0, 0
    for i in range(0, len(x), size):
        b = len(x[i:i + size])
        total += b * sess.run(accuracy, {px: x[i:i + size], pt: y[i:i + size], pk: 1.0})
        n += b
    return total / max(n, 1)  # SAFE: maximum with 1


def main(_):
    xs, ys = load(FLAGS.data_dir, "train")
    xt, yt = load(FLAGS.data_dir, "t10k")
    px, pt, pk, train_op, ce, accuracy, gstep = build()
    merged = tf.summary.merge_all()
    saver = tf.train.Saver()
    batches = Batches(xs, ys, FLAGS.batch_size)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        writer = tf.summary.FileWriter(FLAGS.summary_dir, sess.graph)
        for i in range(FLAGS.max_steps):
            bx, by = batches.next()
            sess.run(train_op, {px: bx, pt: by, pk: FLAGS.keep})
            if i % 100 == 0:
                s, c, a = sess.run([merged, ce, accuracy], {px: bx, pt: by, pk: 1.0})
                writer.add_summary(s, i)
                sys.stdout.write("step %d loss %g train accuracy %g\n" % (i, c, a))
            if i % 2000 == 1999:
                saver.save(sess, os.path.join(FLAGS.summary_dir, "model"), global_step=gstep)
        print("test accuracy", evaluate(sess, accuracy, (px, pt, pk), xt, yt))


if __name__ == "__main__":
    tf.app.run()
