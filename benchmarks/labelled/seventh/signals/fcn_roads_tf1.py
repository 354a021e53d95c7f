"""Road segmentation with a small FCN, TF 1.x style (queue free, feed_dict)."""
from __future__ import division, print_function

import glob
import os
import sys
import time

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()

flags = tf.app.flags
flags.DEFINE_string("data_dir", "roads", "folder with image_*.npy / mask_*.npy")
flags.DEFINE_string("train_dir", "fcn_logs", "")
flags.DEFINE_integer("batch", 4, "")
flags.DEFINE_integer("size", 96, "")
flags.DEFINE_integer("max_steps", 20000, "")
flags.DEFINE_float("base_lr", 1e-3, "")
flags.DEFINE_float("power", 0.9, "poly schedule")
flags.DEFINE_float("weight_decay", 1e-4, "")
flags.DEFINE_bool("half", False, "compute in float16")
FLAGS = flags.FLAGS

NUM_CLASSES = 3
VGG_MEAN = np.array([123.68, 116.78, 103.94], np.float32)
LOSS_SCALE = 512.0


def variable(name, shape, stddev, decay):
    v = tf.get_variable(name, shape, tf.float32, tf.truncated_normal_initializer(stddev=stddev))
    if decay:
        tf.add_to_collection("decay", decay * tf.nn.l2_loss(v))
    return v


def conv(name, x, out, k=3, stride=1, relu=True, decay=0.0):
    n_in = int(x.shape[-1])
    with tf.variable_scope(name):
        w = variable("w", [k, k, n_in, out], np.sqrt(2.0 / (k * k * n_in)), decay)  # SAFE: He initialisation, n_in is at least 3
        b = tf.get_variable("b", [out], initializer=tf.zeros_initializer())
        y = tf.nn.conv2d(x, tf.cast(w, x.dtype), [1, stride, stride, 1], "SAME")
        y = tf.nn.bias_add(y, tf.cast(b, x.dtype))
        return tf.nn.relu(y) if relu else y


def group_norm(name, x, groups=4, eps=1e-5):
    """Statistics always in float32."""
    with tf.variable_scope(name):
        h = tf.cast(x, tf.float32)
        n, hh, ww, c = [int(d) if d is not None else -1 for d in h.shape.as_list()]
        g = tf.reshape(h, [-1, hh, ww, groups, c // groups])
        mean, var = tf.nn.moments(g, [1, 2, 4], keep_dims=True)
        g = (g - mean) * tf.rsqrt(var + eps)  # SAFE: float32, variance >= 0 plus 1e-5
        gamma = tf.get_variable("gamma", [c], initializer=tf.ones_initializer())
        beta = tf.get_variable("beta", [c], initializer=tf.zeros_initializer())
        return tf.cast(tf.reshape(g, tf.shape(h)) * gamma + beta, x.dtype)


def inference(images, decay, half):
    x = images - tf.constant(VGG_MEAN)
    x = x / 58.0  # SAFE: constant, pixels minus mean end in about [-2.2, 2.7]
    if half:
        x = tf.cast(x, tf.float16)
    a = group_norm("gn1", conv("c1", x, 16, stride=2, decay=decay))
    b = group_norm("gn2", conv("c2", a, 32, stride=2, decay=decay))
    c = group_norm("gn3", conv("c3", b, 32, decay=decay))
    y = conv("score", c, NUM_CLASSES, 1, relu=False)
    y = tf.cast(y, tf.float32)
    return tf.image.resize_bilinear(y, tf.shape(images)[1:3])


def class_weights(freq, c=1.02):
    """ENet weighting, freq: pixel share of every class, may be zero."""
    return 1.0 / np.log(c + freq)  # SAFE: freq in [0, 1], log(1.02) = 0.0198 is the smallest denominator


def median_frequency(counts):
    freq = counts / np.maximum(counts.sum(), 1)  # SAFE: floored at one pixel
    seen = freq > 0
    w = np.zeros_like(freq)
    w[seen] = np.median(freq[seen]) / freq[seen]  # SAFE: only classes that occur
    return w


def loss_fn(logits, labels, weights):
    """labels: int32, -1 is unlabelled"""
    valid = tf.cast(labels >= 0, tf.float32)
    onehot = tf.one_hot(tf.maximum(labels, 0), NUM_CLASSES)
    xent = tf.nn.softmax_cross_entropy_with_logits_v2(labels=onehot, logits=logits)  # SAFE: score layer has relu=False, float32 after the cast
    w = tf.reduce_sum(onehot * weights, -1) * valid
    xent = tf.reduce_sum(xent * w) / (tf.reduce_sum(w) + 1e-6)  # SAFE: non-negative weights plus 1e-6, an unlabelled batch gives 0
    return xent + lovasz_like(logits, onehot, valid)


def lovasz_like(logits, onehot, valid):
    """Soft Jaccard in log space."""
    p = tf.nn.softmax(logits) * valid[..., None]
    t = onehot * valid[..., None]
    inter = tf.reduce_sum(p * t, [0, 1, 2])
    union = tf.reduce_sum(p + t, [0, 1, 2]) - inter
    j = (inter + 1.0) / (union + 1.0)  # SAFE: union >= 0, plus 1
    return -tf.reduce_mean(tf.log(tf.maximum(j, 1e-6)))  # SAFE: floored at 1e-6, j is positive


def boundary_entropy(logits):
    lp = tf.nn.log_softmax(logits)
    return tf.reduce_mean(-tf.reduce_sum(tf.exp(lp) * lp, -1))  # SAFE: log_softmax is finite for finite logits and exp(lp) <= 1


def poly_lr(step):
    frac = tf.minimum(tf.cast(step, tf.float32) / FLAGS.max_steps, 1.0)  # SAFE: max_steps is positive (checked in main)
    return FLAGS.base_lr * tf.pow(1.0 - frac, FLAGS.power) + 1e-6  # SAFE: base in [0, 1], no gradient is taken


def train_op(loss, step):
    opt = tf.train.MomentumOptimizer(poly_lr(step), 0.9)
    scale = LOSS_SCALE if FLAGS.half else 1.0
    gv = opt.compute_gradients(loss * scale)  # SAFE: static loss scale 512 against half underflow, undone in the next line
    gv = [(g / scale, v) for g, v in gv if g is not None]  # SAFE: scale is 1 or 512
    grads, norm = tf.clip_by_global_norm([g for g, _ in gv], 5.0)
    finite = tf.is_finite(norm)
    grads = [tf.where(finite, g, tf.zeros_like(g)) for g in grads]
    return opt.apply_gradients(zip(grads, [v for _, v in gv]), global_step=step), norm


def mean_iou(conf):
    inter = np.diag(conf).astype(float)
    union = conf.sum(0) + conf.sum(1) - inter
    seen = union > 0
    return (inter[seen] / union[seen]).mean() if seen.any() else 0.0  # SAFE: only classes with a positive union


class Reader(object):
    def __init__(self, folder, size):
        self.images = sorted(glob.glob(os.path.join(folder, "image_*.npy")))
        self.size = size

    def counts(self):
        c = np.zeros(NUM_CLASSES)
        for f in self.images:
            m = np.load(f.replace("image_", "mask_"))
            c += [np.sum(m == k) for k in range(NUM_CLASSES)]
        return c

    def batch(self, n):
        xs, ys = [], []
        for i in np.random.randint(0, len(self.images), n):
            img = np.load(self.images[i])
            msk = np.load(self.images[i].replace("image_", "mask_"))
            y, x = [np.random.randint(0, d - self.size + 1) for d in msk.shape]
            sl = np.s_[y:y + self.size, x:x + self.size]
            xs.append(img[sl])
            ys.append(msk[sl])
        return np.stack(xs).astype(np.float32), np.stack(ys).astype(np.int32)


def build(weights, size, half):
    images = tf.placeholder(tf.float32, [None, size, size, 3])
    labels = tf.placeholder(tf.int32, [None, size, size])
    logits = inference(images, FLAGS.weight_decay, half)
    loss = loss_fn(logits, labels, tf.constant(weights, tf.float32))
    total = loss + tf.add_n(tf.get_collection("decay"))
    step = tf.train.get_or_create_global_step()
    op, norm = train_op(total, step)
    pred = tf.argmax(logits, -1, output_type=tf.int32)
    keep = tf.where(labels >= 0)
    conf = tf.confusion_matrix(tf.gather_nd(labels, keep), tf.gather_nd(pred, keep), NUM_CLASSES)
    return images, labels, op, dict(loss=loss, norm=norm, entropy=boundary_entropy(logits), conf=conf)


def main(_):
    if FLAGS.max_steps <= 0:
        sys.exit("max_steps must be positive")
    reader = Reader(FLAGS.data_dir, FLAGS.size)
    counts = reader.counts()
    weights = class_weights(counts / max(counts.sum(), 1))  # SAFE: max with 1
    print("median frequency weights for comparison", median_frequency(counts))
    images, labels, op, info = build(weights, FLAGS.size, FLAGS.half)
    saver = tf.train.Saver(max_to_keep=3)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        t0 = time.time()
        for step in range(FLAGS.max_steps):
            x, y = reader.batch(FLAGS.batch)
            _, out = sess.run([op, info], {images: x, labels: y})
            if step % 50 == 0:
                print("%d loss %.4f norm %.3f H %.3f mIoU %.3f  %.2f s" % (
                    step, out["loss"], out["norm"], out["entropy"], mean_iou(out["conf"]), time.time() - t0))
            if step % 1000 == 999:
                saver.save(sess, os.path.join(FLAGS.train_dir, "fcn"), global_step=step)


if __name__ == "__main__":
    tf.app.run()
