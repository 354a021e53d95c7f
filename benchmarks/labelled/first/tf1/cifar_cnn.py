# CIFAR-10 convnet. python cifar_cnn.py --data cifar-10-batches-py
import os
import pickle
import time

import numpy as np
import tensorflow as tf

flags = tf.app.flags
FLAGS = flags.FLAGS
flags.DEFINE_string('data', 'cifar-10-batches-py', 'folder with the python batches')
flags.DEFINE_integer('batch_size', 128, 'Batch size')
flags.DEFINE_integer('epochs', 60, 'number of epochs')
flags.DEFINE_float('learning_rate', 0.001, 'Initial learning rate')
flags.DEFINE_float('dropout', 0.5, 'keep probability of the fc layers')
flags.DEFINE_boolean('augment', True, 'random flips')

NUM_CLASSES = 10


def unpickle(path):
    with open(path, 'rb') as f:
        return pickle.load(f, encoding='bytes')


def load_data():
    xs, ys = [], []
    for i in range(1, 6):
        d = unpickle(os.path.join(FLAGS.data, 'data_batch_%d' % i))
        xs.append(d[b'data'])
        ys.extend(d[b'labels'])
    train_x = np.concatenate(xs).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).astype(np.float32)
    train_y = np.eye(NUM_CLASSES)[np.array(ys)]
    d = unpickle(os.path.join(FLAGS.data, 'test_batch'))
    test_x = d[b'data'].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).astype(np.float32)
    test_y = np.eye(NUM_CLASSES)[np.array(d[b'labels'])]
    mean = train_x.mean(axis=(0, 1, 2))
    std = train_x.std(axis=(0, 1, 2))
    train_x = (train_x - mean) / (std + 1e-7)  # SAFE: epsilon, and CIFAR channels have std ~ 60
    test_x = (test_x - mean) / (std + 1e-7)  # SAFE: same
    return train_x, train_y, test_x, test_y


def weight_variable(shape, name):
    fan_in = int(np.prod(shape[:-1]))
    init = tf.truncated_normal(shape, stddev=np.sqrt(2.0 / fan_in))  # SAFE: fan_in >= 1
    return tf.Variable(init, name=name)


def bias_variable(shape, name):
    return tf.Variable(tf.constant(0.1, shape=shape), name=name)


def conv(x, n_in, n_out, name, k=3):
    with tf.name_scope(name):
        W = weight_variable([k, k, n_in, n_out], 'W')
        b = bias_variable([n_out], 'b')
        h = tf.nn.relu(tf.nn.conv2d(x, W, [1, 1, 1, 1], 'SAME') + b)
        tf.add_to_collection('l2', tf.nn.l2_loss(W))
        return h


def pool(x):
    return tf.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], 'SAME')


images = tf.placeholder(tf.float32, [None, 32, 32, 3])
labels = tf.placeholder(tf.float32, [None, NUM_CLASSES])
keep_prob = tf.placeholder(tf.float32)
is_training = tf.placeholder(tf.bool)

net = conv(images, 3, 64, 'conv1')
net = conv(net, 64, 64, 'conv2')
net = pool(net)

# own batch norm over the batch statistics
mu, var = tf.nn.moments(net, [0, 1, 2])
net = (net - mu) / tf.sqrt(var + 1e-5)  # SAFE: epsilon inside the root

net = conv(net, 64, 128, 'conv3')
net = conv(net, 128, 128, 'conv4')
net = pool(net)
net = tf.nn.lrn(net, 4, bias=1.0, alpha=0.001 / 9.0, beta=0.75)  # SAFE: constant, bias=1

flat = tf.reshape(net, [-1, 8 * 8 * 128])
W_fc1 = weight_variable([8 * 8 * 128, 384], 'W_fc1')
b_fc1 = bias_variable([384], 'b_fc1')
fc1 = tf.nn.relu(tf.matmul(flat, W_fc1) + b_fc1)
fc1 = tf.nn.dropout(fc1, keep_prob)
W_fc2 = weight_variable([384, NUM_CLASSES], 'W_fc2')
b_fc2 = bias_variable([NUM_CLASSES], 'b_fc2')
y_conv = tf.nn.softmax(tf.matmul(fc1, W_fc2) + b_fc2)

cost = tf.reduce_mean(
    tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=y_conv))  # BUG: loss-pairing, softmax applied twice
reg = 5e-4 * tf.add_n(tf.get_collection('l2'))
total_loss = cost + reg

optimizer = tf.train.AdamOptimizer(FLAGS.learning_rate)
grads_and_vars = optimizer.compute_gradients(total_loss)
capped = [(tf.clip_by_norm(g, 5.0), v) for g, v in grads_and_vars if g is not None]  # SAFE: library clip
train_op = optimizer.apply_gradients(capped)

correct = tf.equal(tf.argmax(y_conv, 1), tf.argmax(labels, 1))
accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))


def batches(x, y, shuffle=True):
    idx = np.random.permutation(len(x)) if shuffle else np.arange(len(x))
    for s in range(0, len(x) - FLAGS.batch_size + 1, FLAGS.batch_size):
        j = idx[s:s + FLAGS.batch_size]
        bx = x[j]
        if shuffle and FLAGS.augment and np.random.rand() > 0.5:
            bx = bx[:, :, ::-1]
        yield bx, y[j]


def main(_):
    train_x, train_y, test_x, test_y = load_data()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for epoch in range(FLAGS.epochs):
            t0 = time.time()
            losses = []
            for bx, by in batches(train_x, train_y):
                _, c = sess.run([train_op, cost], {images: bx, labels: by,
                                                   keep_prob: FLAGS.dropout, is_training: True})
                losses.append(c)
            accs = [sess.run(accuracy, {images: bx, labels: by, keep_prob: 1.0, is_training: False})
                    for bx, by in batches(test_x, test_y, shuffle=False)]
            dt = time.time() - t0
            print('epoch %d loss %.4f acc %.4f (%.1f img/s)' % (
                epoch, np.mean(losses), np.mean(accs), len(train_x) / dt))  # SAFE: wall time for printing


if __name__ == '__main__':
    tf.app.run()
