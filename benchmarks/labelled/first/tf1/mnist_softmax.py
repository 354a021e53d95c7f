"""Softmax regression + one hidden layer on MNIST, my first tensorflow program."""
from __future__ import print_function

import argparse
import math
import os
import sys

import numpy as np
import tensorflow as tf
from tensorflow.examples.tutorials.mnist import input_data

parser = argparse.ArgumentParser()
parser.add_argument('--data_dir', type=str, default='/tmp/mnist')
parser.add_argument('--log_dir', type=str, default='/tmp/mnist_logs')
parser.add_argument('--hidden', type=int, default=128)
parser.add_argument('--batch_size', type=int, default=100)
parser.add_argument('--lr', type=float, default=0.1)
parser.add_argument('--steps', type=int, default=5000)
parser.add_argument('--wd', type=float, default=1e-4)
args = parser.parse_args()

mnist = input_data.read_data_sets(args.data_dir, one_hot=True)

x = tf.placeholder(tf.float32, [None, 784], name='x')
y_ = tf.placeholder(tf.float32, [None, 10], name='labels')
keep_prob = tf.placeholder(tf.float32, name='keep_prob')
global_step = tf.Variable(0, trainable=False)

with tf.name_scope('hidden'):
    W1 = tf.Variable(tf.truncated_normal([784, args.hidden], stddev=1.0 / math.sqrt(784.0)))  # SAFE: constant
    b1 = tf.Variable(tf.zeros([args.hidden]))
    h1 = tf.nn.relu(tf.matmul(x, W1) + b1)
    h1_drop = tf.nn.dropout(h1, keep_prob)

with tf.name_scope('out'):
    W2 = tf.Variable(tf.truncated_normal([args.hidden, 10], stddev=1.0 / np.sqrt(args.hidden)))  # SAFE: positive size
    b2 = tf.Variable(tf.zeros([10]))
    y = tf.nn.softmax(tf.matmul(h1_drop, W2) + b2)

with tf.name_scope('loss'):
    cross_entropy = tf.reduce_mean(
        -tf.reduce_sum(y_ * tf.log(y), reduction_indices=[1]))  # BUG: log-softmax, softmax underflows to 0 for a logit gap > 104
    l2 = tf.nn.l2_loss(W1) + tf.nn.l2_loss(W2)
    loss = cross_entropy + args.wd * l2

with tf.name_scope('stats'):
    # how sure is the model?
    ent = -tf.reduce_sum(y * tf.log(y + 1e-8), 1)  # SAFE: epsilon 1e-8 on a probability
    mean_ent = tf.reduce_mean(ent) / math.log(10.0)  # SAFE: constant log(10)
    w_norm = tf.sqrt(tf.reduce_sum(tf.square(W1)))  # SAFE: summary only, never differentiated
    correct = tf.equal(tf.argmax(y, 1), tf.argmax(y_, 1))
    accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))

tf.summary.scalar('loss', loss)
tf.summary.scalar('entropy', mean_ent)
tf.summary.scalar('w_norm', w_norm)
tf.summary.scalar('accuracy', accuracy)
tf.summary.histogram('W1', W1)
merged = tf.summary.merge_all()

lr = tf.train.exponential_decay(args.lr, global_step, 1000, 0.95, staircase=True)
train_step = tf.train.GradientDescentOptimizer(lr).minimize(loss, global_step=global_step)

if not os.path.isdir(args.log_dir):
    os.makedirs(args.log_dir)

sess = tf.InteractiveSession()
tf.global_variables_initializer().run()
writer = tf.summary.FileWriter(args.log_dir, sess.graph)

n_batches = mnist.train.num_examples // args.batch_size
running = 0.
for i in range(args.steps):
    batch_xs, batch_ys = mnist.train.next_batch(args.batch_size)
    _, l, s = sess.run([train_step, loss, merged],
                       feed_dict={x: batch_xs, y_: batch_ys, keep_prob: 0.8})
    running += l
    writer.add_summary(s, i)
    if (i + 1) % 100 == 0:
        acc = sess.run(accuracy, feed_dict={x: mnist.validation.images,
                                            y_: mnist.validation.labels,
                                            keep_prob: 1.0})
        print('step %d  loss %.4f  val acc %.4f' % (i + 1, running / 100., acc))  # SAFE: constant
        running = 0.
        sys.stdout.flush()

total = 0.
seen = 0
for i in range(mnist.test.num_examples // args.batch_size):
    bx, by = mnist.test.next_batch(args.batch_size)
    total += np.sum(sess.run(correct, feed_dict={x: bx, y_: by, keep_prob: 1.0}))
    seen += len(bx)
print('test accuracy: %.4f' % (total / float(seen)))  # SAFE: reporting after training, seen > 0
sess.close()
