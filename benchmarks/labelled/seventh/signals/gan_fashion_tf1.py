#!/usr/bin/env python
# DCGAN on Fashion-MNIST, TF 1.x graph code (runs with compat.v1)
import argparse
import os

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()


def weight(name, shape, std=0.02):
    return tf.get_variable(name, shape, initializer=tf.truncated_normal_initializer(stddev=std))


def bias(name, n):
    return tf.get_variable(name, [n], initializer=tf.zeros_initializer())


def lrelu(x, leak=0.2):
    return tf.maximum(x, leak * x)


def batch_norm(x, name, eps=1e-5):
    with tf.variable_scope(name):
        axes = list(range(len(x.shape) - 1))
        mean, var = tf.nn.moments(x, axes)
        gamma = tf.get_variable("gamma", [x.shape[-1]], initializer=tf.ones_initializer())
        beta = tf.get_variable("beta", [x.shape[-1]], initializer=tf.zeros_initializer())
        return (x - mean) / tf.sqrt(var + eps) * gamma + beta  # SAFE: eps 1e-5 under the root, var >= 0


def generator(z, batch, reuse=False):
    with tf.variable_scope("gen", reuse=reuse):
        h = tf.matmul(z, weight("w0", [z.shape[1], 7 * 7 * 64])) + bias("b0", 7 * 7 * 64)
        h = tf.nn.relu(batch_norm(tf.reshape(h, [-1, 7, 7, 64]), "bn0"))
        h = tf.nn.conv2d_transpose(h, weight("w1", [4, 4, 32, 64]), [batch, 14, 14, 32], [1, 2, 2, 1])
        h = tf.nn.relu(batch_norm(h, "bn1"))
        h = tf.nn.conv2d_transpose(h, weight("w2", [4, 4, 1, 32]), [batch, 28, 28, 1], [1, 2, 2, 1])
        return tf.nn.tanh(h + bias("b2", 1))


def discriminator(x, n_classes, reuse=False):
    """Returns real/fake probability and class logits (auxiliary head)."""
    with tf.variable_scope("disc", reuse=reuse):
        h = lrelu(tf.nn.conv2d(x, weight("w0", [4, 4, 1, 32]), [1, 2, 2, 1], "SAME") + bias("b0", 32))
        h = lrelu(tf.nn.conv2d(h, weight("w1", [4, 4, 32, 64]), [1, 2, 2, 1], "SAME") + bias("b1", 64))
        h = tf.reshape(h, [-1, 7 * 7 * 64])
        score = tf.matmul(h, weight("w2", [7 * 7 * 64, 1])) + bias("b2", 1)
        aux = tf.matmul(h, weight("w3", [7 * 7 * 64, n_classes])) + bias("b3", n_classes)
        return tf.nn.sigmoid(score), aux


def adversarial_terms(p_real, p_fake):
    d = -tf.reduce_mean(tf.log(p_real) + tf.log(1.0 - p_fake))  # BUG: log-sigmoid, a confident discriminator rounds to p_fake == 1 or underflows p_real to 0
    g = -tf.reduce_mean(tf.log(p_fake))  # BUG: log-sigmoid, p_fake underflows to exactly 0 for scores below about -88
    return d, g


def class_terms(aux, labels, n_classes):
    onehot = tf.one_hot(labels, n_classes)
    xent = tf.nn.softmax_cross_entropy_with_logits_v2(labels=onehot, logits=aux)  # SAFE: aux is the linear output
    return tf.reduce_mean(xent)


def label_entropy(aux):
    p = tf.nn.softmax(aux)
    return -tf.reduce_mean(tf.reduce_sum(p * tf.log(p + 1e-8), axis=1))  # SAFE: p + 1e-8 in float32, summary only


def mode_seeking(img_a, img_b, z_a, z_b):
    num = tf.reduce_mean(tf.abs(img_a - img_b))
    den = tf.reduce_mean(tf.abs(z_a - z_b))
    return 1.0 / (num / (den + 1e-5) + 1e-5)  # SAFE: both denominators are non-negative plus 1e-5


class Graph(object):
    def __init__(self, a):
        self.x = tf.placeholder(tf.float32, [a.batch, 28, 28, 1])
        self.y = tf.placeholder(tf.int32, [a.batch])
        self.z = tf.placeholder(tf.float32, [a.batch, a.z_dim])
        self.z2 = tf.placeholder(tf.float32, [a.batch, a.z_dim])
        fake = generator(self.z, a.batch)
        fake2 = generator(self.z2, a.batch, reuse=True)
        p_real, aux_real = discriminator(self.x, 10)
        p_fake, aux_fake = discriminator(fake, 10, reuse=True)
        self.d_loss, self.g_loss = adversarial_terms(p_real, p_fake)
        self.d_loss += class_terms(aux_real, self.y, 10)
        self.g_loss += a.ms_weight * mode_seeking(fake, fake2, self.z, self.z2)
        self.samples = fake
        d_vars = [v for v in tf.trainable_variables() if v.name.startswith("disc")]
        g_vars = [v for v in tf.trainable_variables() if v.name.startswith("gen")]
        opt = lambda: tf.train.AdamOptimizer(a.lr, beta1=0.5)
        self.d_step = opt().minimize(self.d_loss, var_list=d_vars)
        self.g_step = opt().minimize(self.g_loss, var_list=g_vars)
        tf.summary.scalar("d_loss", self.d_loss)
        tf.summary.scalar("g_loss", self.g_loss)
        tf.summary.scalar("aux_entropy", label_entropy(aux_fake))
        self.summary = tf.summary.merge_all()


def batches(path, size):
    with np.load(path) as f:
        x, y = f["x_train"], f["y_train"]
    x = (x.astype(np.float32)[..., None] - 127.5) / 127.5  # SAFE: constant divisor
    while True:
        idx = np.random.permutation(len(x))
        for i in range(0, len(x) - size + 1, size):
            j = idx[i:i + size]
            yield x[j], y[j]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--npz", default="fashion.npz")
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--z_dim", type=int, default=100)
    ap.add_argument("--lr", type=float, default=2e-4)
    ap.add_argument("--ms_weight", type=float, default=0.1)
    ap.add_argument("--iters", type=int, default=50000)
    ap.add_argument("--out", default="gan_out")
    a = ap.parse_args()
    g = Graph(a)
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        writer = tf.summary.FileWriter(a.out, sess.graph)
        for it, (x, y) in zip(range(a.iters), batches(a.npz, a.batch)):
            feed = {g.x: x, g.y: y,
                    g.z: np.random.uniform(-1, 1, [a.batch, a.z_dim]),
                    g.z2: np.random.uniform(-1, 1, [a.batch, a.z_dim])}
            _, dl = sess.run([g.d_step, g.d_loss], feed)
            _, gl = sess.run([g.g_step, g.g_loss], feed)
            if it % 100 == 0:
                print("iter %d  D %.4f  G %.4f" % (it, dl, gl))
                writer.add_summary(sess.run(g.summary, feed), it)
            if it % 5000 == 0:
                saver.save(sess, os.path.join(a.out, "model"), global_step=it)


if __name__ == "__main__":
    main()
