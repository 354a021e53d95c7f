import tensorflow as tf

from caps_layers import digit_caps, primary_caps
from config import cfg


class CapsNet(object):
    def __init__(self, h=28, w=28, c=1, n_class=10):
        self.h, self.w, self.c, self.n_class = h, w, c, n_class
        self.X = tf.placeholder(tf.float32, [cfg.batch_size, h, w, c])
        self.labels = tf.placeholder(tf.int64, [cfg.batch_size])
        self.Y = tf.one_hot(self.labels, n_class)
        self.build_arch()
        self.loss()
        self._summary()
        self.global_step = tf.Variable(0, name='global_step', trainable=False)
        self.train_op = tf.train.AdamOptimizer().minimize(self.total_loss, global_step=self.global_step)

    def build_arch(self):
        with tf.variable_scope('conv1'):
            x = tf.contrib.layers.conv2d(self.X, 64, 5, 1, padding='VALID')
        with tf.variable_scope('primary'):
            u = primary_caps(x, 8, 8, 5, 3)
        with tf.variable_scope('digit'):
            self.caps = digit_caps(u, self.n_class, 16, cfg.batch_size)
        self.v_length = tf.sqrt(tf.reduce_sum(tf.square(self.caps), axis=2) + cfg.epsilon)  # SAFE: epsilon flag 1e-9 in the root
        self.softmax_v = tf.nn.softmax(self.v_length)
        self.pred = tf.argmax(self.softmax_v, 1)
        masked = self.caps * tf.expand_dims(self.Y, 2)
        h = tf.reshape(masked, [cfg.batch_size, -1])
        h = tf.layers.dense(h, 512, tf.nn.relu)
        h = tf.layers.dense(h, 1024, tf.nn.relu)
        self.decoded = tf.layers.dense(h, self.h * self.w * self.c, tf.sigmoid)

    def loss(self):
        max_l = tf.square(tf.maximum(0., cfg.m_plus - self.v_length))
        max_r = tf.square(tf.maximum(0., self.v_length - cfg.m_minus))
        L_c = self.Y * max_l + cfg.lambda_val * (1 - self.Y) * max_r
        self.margin_loss = tf.reduce_mean(tf.reduce_sum(L_c, axis=1))
        origin = tf.reshape(self.X, [cfg.batch_size, -1])
        self.rec = tf.reduce_mean(tf.square(self.decoded - origin))  # MAYBE: sigmoid decoder with squared error, the paper's own choice for pixels in 0..1
        self.total_loss = self.margin_loss + cfg.regularization_scale * self.rec

    def _summary(self):
        tf.summary.scalar('margin', self.margin_loss)
        mx = tf.reduce_max(self.v_length, 1)
        tf.summary.scalar('confidence', tf.reduce_mean(mx / tf.reduce_sum(self.v_length, 1)))  # SAFE: lengths > 0 by the epsilon, summary only
        ok = tf.equal(self.pred, self.labels)
        self.accuracy = tf.reduce_mean(tf.to_float(ok))
        self.summary = tf.summary.merge_all()
