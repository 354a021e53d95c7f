import tensorflow as tf

from ops import lrelu, linear, conv2d, deconv2d, instance_norm, pixel_norm, minibatch_stddev


class Generator(object):
    def __init__(self, batch, z_dim=128, size=64, c=3):
        self.batch, self.z_dim, self.size, self.c = batch, z_dim, size, c
        self.reuse = False

    def __call__(self, z):
        with tf.variable_scope('generator', reuse=self.reuse):
            z = pixel_norm(z)
            h = linear(z, 4 * 4 * 512, 'fc')
            h = tf.nn.relu(tf.reshape(h, [self.batch, 4, 4, 512]))
            ch = 256
            n = 8
            while n < self.size:
                h = deconv2d(h, [self.batch, n, n, ch], 'd%d' % n)
                h = tf.nn.relu(tf.contrib.layers.batch_norm(h, scope='bn%d' % n, epsilon=1e-5))  # SAFE: library epsilon
                ch //= 2
                n *= 2
            out = tf.nn.tanh(deconv2d(h, [self.batch, n, n, self.c], 'out'))
        self.reuse = True
        return out

    @property
    def vars(self):
        return [v for v in tf.trainable_variables() if v.name.startswith('generator')]


class Critic(object):
    def __init__(self, mode='wgan-gp'):
        self.mode = mode
        self.reuse = False

    def __call__(self, x):
        with tf.variable_scope('critic', reuse=self.reuse):
            h = lrelu(conv2d(x, 64, 'c0'))
            h = lrelu(instance_norm(conv2d(h, 128, 'c1'), 'in1'))
            h = lrelu(instance_norm(conv2d(h, 256, 'c2'), 'in2'))
            h = minibatch_stddev(h)
            h = lrelu(conv2d(h, 512, 'c3'))
            logit = linear(tf.contrib.layers.flatten(h), 1, 'out')
        self.reuse = True
        return tf.nn.sigmoid(logit), logit

    @property
    def vars(self):
        return [v for v in tf.trainable_variables() if v.name.startswith('critic')]
