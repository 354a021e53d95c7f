"""SRCNN / small residual net, x3 super resolution on the Y channel (T91 / Set5)."""
import glob
import os

import numpy as np
import scipy.misc
import scipy.ndimage
import tensorflow as tf

flags = tf.app.flags
flags.DEFINE_integer('epoch', 15000, 'Number of epoch')
flags.DEFINE_integer('batch_size', 128, 'batch size')
flags.DEFINE_integer('image_size', 33, 'size of the patch')
flags.DEFINE_integer('label_size', 21, 'size of the label')
flags.DEFINE_float('learning_rate', 1e-4, 'learning rate of SGD')
flags.DEFINE_integer('scale', 3, 'scale')
flags.DEFINE_integer('stride', 14, 'stride')
flags.DEFINE_string('loss', 'l2', 'l2 | charbonnier | edge')
flags.DEFINE_string('checkpoint_dir', 'checkpoint', '')
FLAGS = flags.FLAGS


def imread_y(path):
    return scipy.misc.imread(path, flatten=True, mode='YCbCr').astype(np.float32)


def modcrop(im, scale):
    h, w = im.shape
    return im[:h - h % scale, :w - w % scale]


def make_pair(path):
    label = modcrop(imread_y(path), FLAGS.scale)
    low = scipy.ndimage.interpolation.zoom(label, 1. / FLAGS.scale, prefilter=False)  # SAFE: positive flag
    inp = scipy.ndimage.interpolation.zoom(low, FLAGS.scale / 1., prefilter=False)  # SAFE: constant
    return inp, label


def patches(folder):
    xs, ys = [], []
    pad = abs(FLAGS.image_size - FLAGS.label_size) // 2
    for f in sorted(glob.glob(os.path.join(folder, '*.bmp'))):
        inp, lab = make_pair(f)
        h, w = inp.shape
        for i in range(0, h - FLAGS.image_size + 1, FLAGS.stride):
            for j in range(0, w - FLAGS.image_size + 1, FLAGS.stride):
                xs.append(inp[i:i + FLAGS.image_size, j:j + FLAGS.image_size, None])
                ys.append(lab[i + pad:i + pad + FLAGS.label_size, j + pad:j + pad + FLAGS.label_size, None])
    return np.array(xs), np.array(ys)


def model(x):
    w = {
        'w1': tf.Variable(tf.random_normal([9, 9, 1, 64], stddev=1e-3)),
        'w2': tf.Variable(tf.random_normal([1, 1, 64, 32], stddev=np.sqrt(2.0 / 64))),  # SAFE: constant
        'w3': tf.Variable(tf.random_normal([5, 5, 32, 1], stddev=1e-3)),
    }
    b = {k: tf.Variable(tf.zeros([n])) for k, n in (('b1', 64), ('b2', 32), ('b3', 1))}
    h = tf.nn.relu(tf.nn.conv2d(x, w['w1'], [1, 1, 1, 1], 'VALID') + b['b1'])
    h = tf.nn.relu(tf.nn.conv2d(h, w['w2'], [1, 1, 1, 1], 'VALID') + b['b2'])
    return tf.nn.conv2d(h, w['w3'], [1, 1, 1, 1], 'VALID') + b['b3']


def gradients_xy(im):
    return im[:, 1:, :-1] - im[:, :-1, :-1], im[:, :-1, 1:] - im[:, :-1, :-1]


def magnitude(im):
    gx, gy = gradients_xy(im)
    return tf.sqrt(gx ** 2 + gy ** 2)  # BUG: sqrt-grad, two equal neighbours in the prediction (all zero output of a dead relu net) give 0 * inf


def charbonnier(d, eps=1e-3):
    return tf.reduce_mean(tf.sqrt(tf.square(d) + eps ** 2))  # SAFE: eps ** 2 = 1e-6 in the root


def psnr_op(mse, peak=255.0):
    return 10.0 * tf.log(peak ** 2 / tf.maximum(mse, 1e-8)) / tf.log(10.0)  # SAFE: maximum, metric, log of a constant


def main(_):
    images = tf.placeholder(tf.float32, [None, FLAGS.image_size, FLAGS.image_size, 1], name='images')
    labels = tf.placeholder(tf.float32, [None, FLAGS.label_size, FLAGS.label_size, 1], name='labels')
    pred = model(images)
    mse = tf.reduce_mean(tf.square(labels - pred))
    if FLAGS.loss == 'charbonnier':
        loss = charbonnier(labels - pred)
    elif FLAGS.loss == 'edge':
        loss = mse + 0.1 * tf.reduce_mean(tf.abs(magnitude(labels) - magnitude(pred)))
    else:
        loss = mse
    psnr = psnr_op(mse)
    tf.summary.scalar('psnr', psnr)
    train_op = tf.train.GradientDescentOptimizer(FLAGS.learning_rate).minimize(loss)

    x, y = patches('Train')
    xt, yt = patches('Test/Set5')
    print('training patches', x.shape, 'range', x.min(), x.max())
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        n = len(x) // FLAGS.batch_size
        for ep in range(FLAGS.epoch):
            tot = 0.
            for i in range(n):
                s = slice(i * FLAGS.batch_size, (i + 1) * FLAGS.batch_size)
                _, e = sess.run([train_op, loss], feed_dict={images: x[s], labels: y[s]})  # BUG: raw-data, luminance 0..255 with plain SGD on the squared error
                tot += e
            if ep % 10 == 0:
                base = 20 * np.log10(255.0 / np.sqrt(np.mean((yt - xt[:, 6:-6, 6:-6]) ** 2)))  # SAFE: numpy, evaluation of the bicubic baseline
                print('ep %d loss %.5f psnr %.2f (bicubic %.2f)' % (
                    ep, tot / n, sess.run(psnr, {images: xt, labels: yt}), base))  # SAFE: reporting
                saver.save(sess, os.path.join(FLAGS.checkpoint_dir, 'srcnn'), ep)


if __name__ == '__main__':
    tf.app.run()
