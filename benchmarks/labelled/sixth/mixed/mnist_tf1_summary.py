"""MNIST with summaries, adapted from the old tutorial for tf.compat.v1."""
import argparse
import os
import sys
import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()

FLAGS = None


def weight_variable(shape):
    return tf.Variable(tf.truncated_normal(shape, stddev=0.1))


def bias_variable(shape):
    return tf.Variable(tf.constant(0.1, shape=shape))


def variable_summaries(var):
    with tf.name_scope("summaries"):
        mean = tf.reduce_mean(var)
        tf.summary.scalar("mean", mean)
        stddev = tf.sqrt(tf.reduce_mean(tf.square(var - mean)))  # SAFE: summary only, not part of the loss
        tf.summary.scalar("stddev", stddev)
        tf.summary.histogram("histogram", var)


def nn_layer(x, n_in, n_out, name, act=tf.nn.relu):
    with tf.name_scope(name):
        w = weight_variable([n_in, n_out])
        variable_summaries(w)
        b = bias_variable([n_out])
        pre = tf.matmul(x, w) + b
        return act(pre, name="activation")


def inference(x, keep_prob):
    h = nn_layer(x, 784, 500, "layer1")
    h = tf.nn.dropout(h, rate=1.0 - keep_prob)  # SAFE: keep_prob is fed as 0.9 or 1.0, so the internal division is by a positive number
    return nn_layer(h, 500, 10, "layer2", act=tf.nn.softmax)


def build_loss(y, y_):
    with tf.name_scope("cross_entropy"):
        ce = -tf.reduce_sum(y_ * tf.log(y), axis=1)  # BUG: log-softmax, softmax underflows to 0 for confident mistakes, 0*log(0) is NaN as well
        return tf.reduce_mean(ce)


def accuracy_op(y, y_):
    correct = tf.equal(tf.argmax(y, 1), tf.argmax(y_, 1))
    return tf.reduce_mean(tf.cast(correct, tf.float32))


def entropy_op(y):
    p = tf.clip_by_value(y, 1e-10, 1.0)
    return -tf.reduce_mean(tf.reduce_sum(p * tf.log(p), axis=1))  # SAFE: probabilities clipped to 1e-10, summary only


class Batches:
    def __init__(self, x, y, seed=0):
        self.x = x.reshape(-1, 784).astype(np.float32) / 255.0  # SAFE: constant divisor, scales pixels to [0, 1]
        self.y = np.eye(10, dtype=np.float32)[y]
        self.rng = np.random.RandomState(seed)

    def next(self, n):
        k = self.rng.randint(0, len(self.x), n)
        return self.x[k], self.y[k]


def train(data, test):
    x = tf.placeholder(tf.float32, [None, 784], name="x-input")
    y_ = tf.placeholder(tf.float32, [None, 10], name="y-input")
    keep = tf.placeholder_with_default(1.0, [], name="keep")
    y = inference(x, keep)
    loss = build_loss(y, y_)
    tf.summary.scalar("loss", loss)
    tf.summary.scalar("entropy", entropy_op(y))
    acc = accuracy_op(y, y_)
    gs = tf.train.get_or_create_global_step()
    lr = tf.train.exponential_decay(FLAGS.learning_rate, gs, 1000, 0.95)
    op = tf.train.AdamOptimizer(lr).minimize(loss, global_step=gs)
    merged = tf.summary.merge_all()
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        writer = tf.summary.FileWriter(os.path.join(FLAGS.log_dir, "train"), sess.graph)
        for i in range(FLAGS.max_steps):
            bx, by = data.next(100)
            if i % 100 == 0:
                a, l = sess.run([acc, loss], {x: test.x[:2000], y_: test.y[:2000]})
                print("step %d acc %.4f loss %.4f" % (i, a, l))
            s, _ = sess.run([merged, op], {x: bx, y_: by, keep: FLAGS.dropout})
            writer.add_summary(s, i)
        saver.save(sess, os.path.join(FLAGS.log_dir, "model.ckpt"))


def main(_):
    (xa, ya), (xb, yb) = tf.keras.datasets.mnist.load_data()
    train(Batches(xa, ya), Batches(xb, yb))


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--max_steps", type=int, default=5000)
    p.add_argument("--learning_rate", type=float, default=0.01)
    p.add_argument("--dropout", type=float, default=0.9)
    p.add_argument("--log_dir", default="logs/mnist")
    FLAGS, rest = p.parse_known_args()
    tf.app.run(main=main, argv=[sys.argv[0]] + rest)
