"""A softmax classifier of handwritten digits, in the style of the TensorFlow 1 tutorials."""

import tensorflow as tf
from tensorflow.examples.tutorials.mnist import input_data

FLAGS = tf.app.flags.FLAGS
tf.app.flags.DEFINE_string("data_dir", "MNIST_data", "where the digits are kept")
tf.app.flags.DEFINE_integer("steps", 20000, "number of training steps")
tf.app.flags.DEFINE_integer("batch_size", 128, "digits in a batch")
tf.app.flags.DEFINE_float("learning_rate", 1.5, "rate of gradient descent")


def inference(images):
    """One hidden layer; returns the probabilities of the ten digits."""
    w1 = tf.Variable(tf.truncated_normal([784, 128], stddev=0.05), name="w1")
    b1 = tf.Variable(tf.zeros([128]), name="b1")
    hidden = tf.nn.relu(tf.matmul(images, w1) + b1)
    w2 = tf.Variable(tf.truncated_normal([128, 10], stddev=0.05), name="w2")
    b2 = tf.Variable(tf.zeros([10]), name="b2")
    return tf.nn.softmax(tf.matmul(hidden, w2) + b2)


def main(_):
    mnist = input_data.read_data_sets(FLAGS.data_dir, one_hot=True)
    x = tf.placeholder(tf.float32, [None, 784])
    y_ = tf.placeholder(tf.float32, [None, 10])

    y = inference(x)
    cross_entropy = tf.reduce_mean(-tf.reduce_sum(y_ * tf.log(y), reduction_indices=[1]))
    train_step = tf.train.GradientDescentOptimizer(FLAGS.learning_rate).minimize(cross_entropy)
    accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(y, 1), tf.argmax(y_, 1)), tf.float32))

    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for step in range(FLAGS.steps):
            batch_xs, batch_ys = mnist.train.next_batch(FLAGS.batch_size)
            sess.run(train_step, feed_dict={x: batch_xs, y_: batch_ys})
            if step % 1000 == 0:
                print(step, sess.run(accuracy, feed_dict={x: mnist.test.images, y_: mnist.test.labels}))


if __name__ == "__main__":
    tf.app.run(main)
