"""Multilayer perceptron on MNIST from the raw idx files."""
from __future__ import print_function

import os
import struct
import sys
import time

import numpy as np
import tensorflow as tf

FLAGS = tf.app.flags.FLAGS
tf.app.flags.DEFINE_string("data_dir", "MNIST_data", "Directory with the four idx files")
tf.app.flags.DEFINE_string("train_dir", "mlp_train", "Checkpoints and summaries")
tf.app.flags.DEFINE_float("learning_rate", 0.1, "Initial learning rate")
tf.app.flags.DEFINE_integer("hidden1", 128, "Units in hidden layer 1")
tf.app.flags.DEFINE_integer("hidden2", 32, "Units in hidden layer 2")
tf.app.flags.DEFINE_integer("batch_size", 100, "Batch size")
tf.app.flags.DEFINE_integer("max_steps", 4000, "Number of steps")
tf.app.flags.DEFINE_float("weight_decay", 5e-4, "L2 weight decay")

NUM_CLASSES = 10
IMAGE_PIXELS = 784


def read_idx(path):
    with open(path, "rb") as f:
        zero, dtype, dims = struct.unpack(">HBB", f.read(4))
        shape = struct.unpack(">" + "I" * dims, f.read(4 * dims))
        return np.frombuffer(f.read(), np.uint8).reshape(shape)


def load_split(root, prefix):
    images = read_idx(os.path.join(root, prefix + "-images-idx3-ubyte"))
    labels = read_idx(os.path.join(root, prefix + "-labels-idx1-ubyte"))
    return images.reshape(-1, IMAGE_PIXELS).astype(np.float32), labels.astype(np.int32)


def hidden_layer(x, units, name):
    n_in = x.get_shape().as_list()[1]
    with tf.name_scope(name):
        w = tf.Variable(tf.truncated_normal([n_in, units], stddev=1.0 / np.sqrt(float(n_in))), name="weights")  # SAFE: n_in is a static positive dimension
        b = tf.Variable(tf.zeros([units]), name="biases")
        tf.add_to_collection("decay", tf.nn.l2_loss(w))
        return tf.matmul(x, w) + b


def inference(images):
    h1 = tf.nn.relu(hidden_layer(images, FLAGS.hidden1, "hidden1"))  # BUG: raw-data, load_split never divides the 0..255 pixels and SGD with rate 0.1 blows up or kills all ReLUs
    h2 = tf.nn.relu(hidden_layer(h1, FLAGS.hidden2, "hidden2"))
    return hidden_layer(h2, NUM_CLASSES, "softmax_linear")


def loss_fn(logits, labels):
    xent = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)  # SAFE: softmax_linear has no activation, these are logits
    decay = FLAGS.weight_decay * tf.add_n(tf.get_collection("decay"))
    return tf.reduce_mean(xent) + decay


def training(loss):
    tf.summary.scalar("loss", loss)
    step = tf.Variable(0, name="global_step", trainable=False)
    rate = tf.train.inverse_time_decay(FLAGS.learning_rate, step, 1000, 0.5)
    train_op = tf.train.GradientDescentOptimizer(rate).minimize(loss, global_step=step)
    return train_op, step


def evaluation(logits, labels):
    correct = tf.reduce_sum(tf.cast(tf.nn.in_top_k(logits, labels, 1), tf.int32))
    probs = tf.nn.softmax(logits)
    margin = tf.reduce_mean(tf.log(tf.reduce_max(probs, 1)))  # SAFE: the largest of ten softmax outputs is at least 0.1
    tf.summary.scalar("mean_log_confidence", margin)
    return correct


class Feeder(object):

    def __init__(self, images, labels, batch_size, seed=0):
        self.images, self.labels, self.n = images, labels, batch_size
        self.rng = np.random.RandomState(seed)

    def next(self):
        idx = self.rng.randint(0, len(self.images), self.n)
        return self.images[idx], self.labels[idx]


def do_eval(sess, correct, pl_x, pl_y, x, y):
    hits = 0
    for i in range(0, len(x), 1000):
        hits += sess.run(correct, {pl_x: x[i:i + 1000], pl_y: y[i:i + 1000]})
    print("  Num examples: %d  Precision @ 1: %0.04f" % (len(x), hits / float(max(len(x), 1))))


def run_training():
    train_x, train_y = load_split(FLAGS.data_dir, "train")
    test_x, test_y = load_split(FLAGS.data_dir, "t10k")
    with tf.Graph().as_default():
        pl_x = tf.placeholder(tf.float32, [None, IMAGE_PIXELS])
        pl_y = tf.placeholder(tf.int32, [None])
        logits = inference(pl_x)
        loss = loss_fn(logits, pl_y)
        train_op, step = training(loss)
        correct = evaluation(logits, pl_y)
        summary = tf.summary.merge_all()
        saver = tf.train.Saver()
        feeder = Feeder(train_x, train_y, FLAGS.batch_size)
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            writer = tf.summary.FileWriter(FLAGS.train_dir, sess.graph)
            for i in range(FLAGS.max_steps):
                start = time.time()
                xs, ys = feeder.next()
                _, value = sess.run([train_op, loss], {pl_x: xs, pl_y: ys})
                if i % 100 == 0:
                    print("Step %d: loss = %.2f (%.3f sec)" % (i, value, time.time() - start))
                    writer.add_summary(sess.run(summary, {pl_x: xs, pl_y: ys}), i)
                if (i + 1) % 1000 == 0:
                    saver.save(sess, os.path.join(FLAGS.train_dir, "model.ckpt"), global_step=step)
                    do_eval(sess, correct, pl_x, pl_y, test_x, test_y)


def main(argv):
    if not os.path.isdir(FLAGS.data_dir):
        print("data directory %s does not exist" % FLAGS.data_dir)
        return 1
    run_training()


if __name__ == "__main__":
    tf.app.run(main=main, argv=[sys.argv[0]])
