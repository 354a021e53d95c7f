import os

import tensorflow as tf

import mnist_inference
from mnist_data import read_data_sets

BATCH_SIZE = 100
LEARNING_RATE_BASE = 0.01
LEARNING_RATE_DECAY = 0.99
REGULARIZATION_RATE = 0.0001
TRAINING_STEPS = 6000
MOVING_AVERAGE_DECAY = 0.99

MODEL_SAVE_PATH = "MNIST_model/"
MODEL_NAME = "mnist_model"


def l2_regularizer(scale):
    def reg(w):
        return scale * tf.nn.l2_loss(w)
    return reg


def build_graph(num_examples):
    x = tf.placeholder(tf.float32, [None, mnist_inference.IMAGE_SIZE, mnist_inference.IMAGE_SIZE,
                                    mnist_inference.NUM_CHANNELS], name="x-input")
    y_ = tf.placeholder(tf.float32, [None, mnist_inference.NUM_LABELS], name="y-input")
    y = mnist_inference.inference(x, True, l2_regularizer(REGULARIZATION_RATE))
    global_step = tf.Variable(0, trainable=False)

    ema = tf.train.ExponentialMovingAverage(MOVING_AVERAGE_DECAY, global_step)
    ema_op = ema.apply(tf.trainable_variables())

    cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(logits=y, labels=tf.argmax(y_, 1))  # BUG: loss-pairing, inference already returns softmax probabilities
    loss = tf.reduce_mean(cross_entropy) + tf.add_n(tf.get_collection("losses"))
    learning_rate = tf.train.exponential_decay(
        LEARNING_RATE_BASE, global_step, num_examples / BATCH_SIZE, LEARNING_RATE_DECAY, staircase=True)  # SAFE: the batch size is a positive constant
    train_step = tf.train.GradientDescentOptimizer(learning_rate).minimize(loss, global_step=global_step)
    with tf.control_dependencies([train_step, ema_op]):
        train_op = tf.no_op(name="train")

    confidence = tf.reduce_max(y, 1)
    calib = -tf.log(tf.clip_by_value(confidence, 0.05, 1.0))  # SAFE: max of ten softmax outputs is at least 0.1, and it is clipped as well
    tf.summary.scalar("loss", loss)
    tf.summary.scalar("confidence_nll", tf.reduce_mean(calib))
    tf.summary.scalar("lr", learning_rate)
    correct = tf.equal(tf.argmax(y, 1), tf.argmax(y_, 1))
    accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))
    return x, y_, loss, accuracy, train_op, global_step


def train(train_set, valid_set):
    x, y_, loss, accuracy, train_op, global_step = build_graph(train_set.num_examples)
    saver = tf.train.Saver()
    merged = tf.summary.merge_all()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        writer = tf.summary.FileWriter("logs", sess.graph)
        for i in range(TRAINING_STEPS):
            xs, ys = train_set.next_batch(BATCH_SIZE)
            _, loss_value, step, summ = sess.run([train_op, loss, global_step, merged],
                                                 feed_dict={x: xs, y_: ys})
            if i % 1000 == 0:
                acc = sess.run(accuracy, {x: valid_set.images[:1000], y_: valid_set.labels[:1000]})
                print("After %d training step(s), loss on training batch is %g, acc %g."
                      % (step, loss_value, acc))
                writer.add_summary(summ, step)
                saver.save(sess, os.path.join(MODEL_SAVE_PATH, MODEL_NAME), global_step=global_step)


def main(argv=None):
    train_set, valid_set, _ = read_data_sets("./MNIST_data")
    train(train_set, valid_set)


if __name__ == "__main__":
    tf.app.run()
