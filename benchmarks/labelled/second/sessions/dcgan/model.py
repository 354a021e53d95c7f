import tensorflow as tf

from ops import batch_norm, conv2d, deconv2d, linear, lrelu, minibatch_features


class DCGAN(object):

    def __init__(self, batch_size=64, image_size=64, c_dim=3, z_dim=100,
                 gf_dim=64, df_dim=64):
        self.batch_size = batch_size
        self.image_size = image_size
        self.c_dim = c_dim
        self.z_dim = z_dim
        self.gf_dim = gf_dim
        self.df_dim = df_dim
        self.images = tf.placeholder(
            tf.float32, [batch_size, image_size, image_size, c_dim], name="real_images")
        self.z = tf.placeholder(tf.float32, [batch_size, z_dim], name="z")
        self.G = self.generator(self.z)
        self.D, self.D_feat = self.discriminator(self.images)
        self.D_, self.D_feat_ = self.discriminator(self.G, reuse=True)
        self.sampler = self.generator(self.z, train=False, reuse=True)

        t_vars = tf.trainable_variables()
        self.d_vars = [v for v in t_vars if v.name.startswith("discriminator")]
        self.g_vars = [v for v in t_vars if v.name.startswith("generator")]
        self.saver = tf.train.Saver(max_to_keep=3)

    def discriminator(self, image, reuse=False):
        with tf.variable_scope("discriminator", reuse=reuse):
            h0 = lrelu(conv2d(image, self.df_dim, name="d_h0_conv"))
            h1 = lrelu(batch_norm(conv2d(h0, self.df_dim * 2, name="d_h1_conv"), name="d_bn1"))
            h2 = lrelu(batch_norm(conv2d(h1, self.df_dim * 4, name="d_h2_conv"), name="d_bn2"))
            flat = tf.reshape(h2, [self.batch_size, -1])
            feat = minibatch_features(flat, scope="d_minibatch")
            h3 = linear(feat, 1, "d_h3_lin")
            return tf.nn.sigmoid(h3), flat

    def generator(self, z, train=True, reuse=False):
        s8 = self.image_size // 8
        with tf.variable_scope("generator", reuse=reuse):
            h0 = tf.reshape(linear(z, self.gf_dim * 4 * s8 * s8, "g_h0_lin"),
                            [-1, s8, s8, self.gf_dim * 4])
            h0 = tf.nn.relu(batch_norm(h0, train, name="g_bn0"))
            h1 = deconv2d(h0, [self.batch_size, s8 * 2, s8 * 2, self.gf_dim * 2], name="g_h1")
            h1 = tf.nn.relu(batch_norm(h1, train, name="g_bn1"))
            h2 = deconv2d(h1, [self.batch_size, s8 * 4, s8 * 4, self.gf_dim], name="g_h2")
            h2 = tf.nn.relu(batch_norm(h2, train, name="g_bn2"))
            h3 = deconv2d(h2, [self.batch_size, s8 * 8, s8 * 8, self.c_dim], name="g_h3")
            return tf.nn.tanh(h3)
