"""Neural style transfer with pretrained VGG-19 (imagenet-vgg-verydeep-19.mat). One script."""
import argparse

import numpy as np
import scipy.io
import scipy.misc
import tensorflow as tf

ap = argparse.ArgumentParser()
ap.add_argument('--content', required=True)
ap.add_argument('--style', required=True)
ap.add_argument('--out', default='out.jpg')
ap.add_argument('--iters', type=int, default=1000)
ap.add_argument('--learning-rate', type=float, default=10.0, dest='lr')
ap.add_argument('--content-weight', type=float, default=5.0)
ap.add_argument('--style-weight', type=float, default=100.0)
ap.add_argument('--tv-weight', type=float, default=10.0)
ap.add_argument('--vgg', default='imagenet-vgg-verydeep-19.mat')
a = ap.parse_args()

MEAN = np.array([123.68, 116.779, 103.939]).reshape((1, 1, 1, 3))
STYLE_LAYERS = ['relu1_1', 'relu2_1', 'relu3_1', 'relu4_1', 'relu5_1']
CONTENT_LAYER = 'relu4_2'
LAYERS = ('conv1_1 relu1_1 conv1_2 relu1_2 pool1 conv2_1 relu2_1 conv2_2 relu2_2 pool2 '
          'conv3_1 relu3_1 conv3_2 relu3_2 conv3_3 relu3_3 conv3_4 relu3_4 pool3 '
          'conv4_1 relu4_1 conv4_2 relu4_2 conv4_3 relu4_3 conv4_4 relu4_4 pool4 '
          'conv5_1 relu5_1').split()


def imread(path, size=None):
    im = scipy.misc.imread(path).astype(np.float32)
    if im.ndim == 2:
        im = np.dstack((im, im, im))
    if size is not None:
        im = scipy.misc.imresize(im, size).astype(np.float32)
    return im[:, :, :3]


vgg = scipy.io.loadmat(a.vgg)['layers'][0]


def build(image):
    net = {}
    cur = image
    for i, name in enumerate(LAYERS):
        if name.startswith('conv'):
            k, b = vgg[i][0][0][0][0]
            k = np.transpose(k, (1, 0, 2, 3))
            cur = tf.nn.conv2d(cur, tf.constant(k), [1, 1, 1, 1], 'SAME') + tf.constant(b.reshape(-1))
        elif name.startswith('relu'):
            cur = tf.nn.relu(cur)
        else:
            cur = tf.nn.avg_pool(cur, [1, 2, 2, 1], [1, 2, 2, 1], 'SAME')
        net[name] = cur
    return net


def gram(f):
    _, hh, ww, c = f.get_shape().as_list()
    m = tf.reshape(f, [-1, c])
    return tf.matmul(m, m, transpose_a=True) / float(hh * ww * c)  # SAFE: static shape


content_img = imread(a.content)
style_img = imread(a.style, content_img.shape[:2])
shape = (1,) + content_img.shape

with tf.Graph().as_default(), tf.Session() as s0:
    ph = tf.placeholder(tf.float32, shape)
    net = build(ph - MEAN)
    content_feat = s0.run(net[CONTENT_LAYER], {ph: content_img[None]})
    style_grams = [s0.run(gram(net[l]), {ph: style_img[None]}) for l in STYLE_LAYERS]

g = tf.Graph()
with g.as_default():
    image = tf.Variable(content_img[None].astype(np.float32))
    net = build(image - MEAN)
    closs = 2 * tf.nn.l2_loss(net[CONTENT_LAYER] - content_feat) / content_feat.size  # SAFE: array size
    sloss = 0.
    for l, target in zip(STYLE_LAYERS, style_grams):
        sloss += 2 * tf.nn.l2_loss(gram(net[l]) - target) / target.size  # SAFE: array size
    sloss /= len(STYLE_LAYERS)  # SAFE: constant list of five

    dy = image[:, 1:, :-1, :] - image[:, :-1, :-1, :]
    dx = image[:, :-1, 1:, :] - image[:, :-1, :-1, :]
    tv = tf.reduce_mean(tf.sqrt(tf.square(dx) + tf.square(dy)))  # BUG: sqrt-grad, two equal neighbour pixels (flat sky, start from the content image) give 0 * inf

    total = a.content_weight * closs + a.style_weight * sloss + a.tv_weight * tv
    train = tf.train.AdamOptimizer(a.lr).minimize(total)  # SAFE: step 10 moves pixels of 0..255, the usual setting

    grad_img = tf.gradients(total, image)[0]
    rel = tf.norm(grad_img) / (tf.norm(image) + 1e-8)  # SAFE: printed only

    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        best, best_loss = None, float('inf')
        for it in range(a.iters):
            sess.run(train)
            if it % 50 == 0 or it == a.iters - 1:
                l, c_, s_, t_, rr = sess.run([total, closs, sloss, tv, rel])
                print('%5d total %.3e content %.3e style %.3e tv %.3e grad %.2e' % (it, l, c_, s_, t_, rr))
                if l < best_loss:
                    best_loss = l
                    best = sess.run(image)[0]

scipy.misc.imsave(a.out, np.clip(best, 0, 255).astype('uint8'))
