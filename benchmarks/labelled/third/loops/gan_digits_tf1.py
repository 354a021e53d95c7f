# -*- coding: utf-8 -*-
# Conditional GAN on MNIST, tensorflow 1.12
import os
import time

import numpy as np
import tensorflow as tf

Z_DIM = 100
BATCH = 64
EPOCHS = 25
LR_D = 2e-4
LR_G = 1e-3
LABEL_SMOOTH = 0.1
OUT = './out_cgan'


def lrelu(x, leak=0.2):
    return tf.maximum(x, leak * x)


def generator(z, y, training=True, reuse=False):
    with tf.variable_scope('generator', reuse=reuse):
        h = tf.concat([z, y], 1)
        h = tf.layers.dense(h, 256, name='g1')
        h = lrelu(tf.layers.batch_normalization(h, training=training, name='gbn1'))
        h = tf.layers.dense(h, 512, name='g2')
        h = lrelu(tf.layers.batch_normalization(h, training=training, name='gbn2'))
        return tf.layers.dense(h, 784, activation=tf.nn.tanh, name='g3')


def discriminator(x, y, reuse=False):
    with tf.variable_scope('discriminator', reuse=reuse):
        h = tf.concat([x, y], 1)
        h = lrelu(tf.layers.dense(h, 512, name='d1'))
        h = lrelu(tf.layers.dense(h, 256, name='d2'))
        logit = tf.layers.dense(h, 1, name='d3')
        return tf.nn.sigmoid(logit), logit


class CGAN(object):
    def __init__(self):
        self.x = tf.placeholder(tf.float32, [None, 784], 'x')
        self.y = tf.placeholder(tf.float32, [None, 10], 'y')
        self.z = tf.placeholder(tf.float32, [None, Z_DIM], 'z')
        self.fake = generator(self.z, self.y)
        self.d_real, self.d_real_logit = discriminator(self.x, self.y)
        self.d_fake, self.d_fake_logit = discriminator(self.fake, self.y, reuse=True)
        self.build_losses()
        self.build_ops()

    def build_losses(self):
        smooth = tf.ones_like(self.d_real_logit) * (1.0 - LABEL_SMOOTH)
        self.loss_real = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(
            logits=self.d_real_logit, labels=smooth))  # SAFE: logits are used, not the sigmoid
        self.loss_fake = -tf.reduce_mean(tf.log(1. - self.d_fake))  # BUG: log-sigmoid, d_fake is a sigmoid and is exactly 1 when the discriminator is fooled with a logit above 17
        self.d_loss = self.loss_real + self.loss_fake
        self.g_loss = -tf.reduce_mean(tf.log(self.d_fake + 1e-8))  # SAFE: 1e-8 next to 0 is visible in float32, a sigmoid of 0 gives log(1e-8)
        diff = tf.reduce_mean(tf.abs(self.fake[1:] - self.fake[:-1]))
        self.div_loss = 1.0 / (diff + 1e-3)  # SAFE: diff is a mean of absolute values, the divisor is at least 1e-3

    def build_ops(self):
        tv = tf.trainable_variables()
        d_vars = [v for v in tv if v.name.startswith('discriminator')]
        g_vars = [v for v in tv if v.name.startswith('generator')]
        self.d_op = tf.train.AdamOptimizer(LR_D, beta1=0.5).minimize(self.d_loss, var_list=d_vars)
        with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
            self.g_op = tf.train.AdamOptimizer(LR_G, beta1=0.5).minimize(
                self.g_loss + 1e-3 * self.div_loss, var_list=g_vars)


def load_mnist(path='mnist.npz'):
    with np.load(path) as f:
        x, y = f['x_train'], f['y_train']
    x = x.reshape(-1, 784).astype(np.float32) / 127.5 - 1.0  # SAFE: constant divisor, pixels end in [-1, 1]
    return x, np.eye(10, dtype=np.float32)[y]


def tile(imgs, rows=8):
    imgs = imgs.reshape(rows, -1, 28, 28)
    return np.concatenate(np.concatenate(imgs, axis=1), axis=1)


def train():
    x, y = load_mnist()
    gan = CGAN()
    if not os.path.isdir(OUT):
        os.makedirs(OUT)
    fixed_z = np.random.uniform(-1, 1, [64, Z_DIM])
    fixed_y = np.eye(10)[np.arange(64) % 10]
    saver = tf.train.Saver()
    config = tf.ConfigProto(allow_soft_placement=True)
    with tf.Session(config=config) as sess:
        sess.run(tf.global_variables_initializer())
        start = time.time()
        for epoch in range(EPOCHS):
            order = np.random.permutation(len(x))
            for it in range(len(x) // BATCH):
                idx = order[it * BATCH:(it + 1) * BATCH]
                z = np.random.uniform(-1, 1, [BATCH, Z_DIM])
                feed = {gan.x: x[idx], gan.y: y[idx], gan.z: z}
                _, dl = sess.run([gan.d_op, gan.d_loss], feed)
                for _ in range(2):
                    _, gl = sess.run([gan.g_op, gan.g_loss], feed)
                if it % 100 == 0:
                    print('[%2d/%2d] [%4d] time %4.1f d_loss %.5f g_loss %.5f' % (
                        epoch, EPOCHS, it, time.time() - start, dl, gl))
            img = sess.run(gan.fake, {gan.z: fixed_z, gan.y: fixed_y})
            np.save(os.path.join(OUT, 'epoch_%02d.npy' % epoch), tile(img))
            saver.save(sess, os.path.join(OUT, 'cgan'), global_step=epoch)


if __name__ == '__main__':
    train()
