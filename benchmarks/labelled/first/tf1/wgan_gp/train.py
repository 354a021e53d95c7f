"""python train.py --mode wgan-gp --data ./celebA"""
import glob
import os

import numpy as np
import scipy.misc
import tensorflow as tf

from model import Critic, Generator

flags = tf.app.flags
flags.DEFINE_string('data', './celebA', '')
flags.DEFINE_string('mode', 'wgan-gp', 'gan | lsgan | wgan-gp')
flags.DEFINE_integer('batch_size', 64, '')
flags.DEFINE_integer('z_dim', 128, '')
flags.DEFINE_integer('iters', 100000, '')
flags.DEFINE_float('lr', 1e-4, '')
flags.DEFINE_float('gp', 10.0, 'gradient penalty')
FLAGS = flags.FLAGS


def get_image(path):
    im = scipy.misc.imread(path).astype(np.float32)
    j = (im.shape[0] - 108) // 2
    im = scipy.misc.imresize(im[j:j + 108, 35:143], [64, 64])
    return im / 127.5 - 1.0  # SAFE: constant, images scaled to -1..1


class Trainer(object):
    def __init__(self):
        b = FLAGS.batch_size
        self.real = tf.placeholder(tf.float32, [b, 64, 64, 3])
        self.z = tf.placeholder(tf.float32, [b, FLAGS.z_dim])
        self.G = Generator(b, FLAGS.z_dim)
        self.D = Critic(FLAGS.mode)
        self.fake = self.G(self.z)
        self.p_real, self.l_real = self.D(self.real)
        self.p_fake, self.l_fake = self.D(self.fake)
        self.build_loss()

    def gradient_penalty(self):
        alpha = tf.random_uniform([FLAGS.batch_size, 1, 1, 1], 0., 1.)
        inter = self.real + alpha * (self.fake - self.real)
        grads = tf.gradients(self.D(inter)[1], [inter])[0]
        slopes = tf.sqrt(tf.reduce_sum(tf.square(grads), axis=[1, 2, 3]))  # BUG: sqrt-grad, second derivative at a zero critic gradient (weights of the last layer 0) is NaN
        return tf.reduce_mean((slopes - 1.) ** 2)  # SAFE: square

    def build_loss(self):
        if FLAGS.mode == 'gan':
            self.d_loss = -tf.reduce_mean(tf.log(self.p_real)  # BUG: log-sigmoid, logit < -104
                                          + tf.log(1. - self.p_fake))  # BUG: log-sigmoid, logit > 17 gives 1 - 1
            self.g_loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(
                logits=self.l_fake, labels=tf.ones_like(self.l_fake)))  # SAFE: fused on logits
        elif FLAGS.mode == 'lsgan':
            self.d_loss = tf.reduce_mean((self.l_real - 1) ** 2) + tf.reduce_mean(self.l_fake ** 2)  # SAFE: square
            self.g_loss = tf.reduce_mean((self.l_fake - 1) ** 2)  # SAFE: square
        else:
            self.d_loss = tf.reduce_mean(self.l_fake) - tf.reduce_mean(self.l_real) + FLAGS.gp * self.gradient_penalty()
            self.g_loss = -tf.reduce_mean(self.l_fake)
        self.d_opt = tf.train.AdamOptimizer(FLAGS.lr, beta1=0.5, beta2=0.9).minimize(self.d_loss, var_list=self.D.vars)
        self.g_opt = tf.train.AdamOptimizer(FLAGS.lr, beta1=0.5, beta2=0.9).minimize(self.g_loss, var_list=self.G.vars)

    def run(self):
        files = glob.glob(os.path.join(FLAGS.data, '*.jpg'))
        assert len(files) > FLAGS.batch_size
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            saver = tf.train.Saver(max_to_keep=3)
            for it in range(FLAGS.iters):
                for _ in range(5 if FLAGS.mode == 'wgan-gp' else 1):
                    x = np.array([get_image(f) for f in np.random.choice(files, FLAGS.batch_size)])
                    z = np.random.normal(size=[FLAGS.batch_size, FLAGS.z_dim])
                    _, dl = sess.run([self.d_opt, self.d_loss], {self.real: x, self.z: z})
                _, gl = sess.run([self.g_opt, self.g_loss], {self.z: z, self.real: x})
                if it % 100 == 0:
                    print('iter %d d %.4f g %.4f' % (it, dl, gl))
                if it % 5000 == 0:
                    s = sess.run(self.fake, {self.z: z})
                    scipy.misc.imsave('s_%d.png' % it, np.concatenate((s[:8] + 1) / 2, 1))  # SAFE: constant
                    saver.save(sess, './ckpt/gan', it)


def main(_):
    Trainer().run()


if __name__ == '__main__':
    tf.app.run()
