import numpy as np
import tensorflow as tf

import config as cfg


class YoloNet(object):
    def __init__(self, training=True, alpha=0.1):
        self.alpha = alpha
        self.training = training
        self.images = tf.placeholder(tf.float32, [None, cfg.IMAGE_SIZE, cfg.IMAGE_SIZE, 3], name='images')
        self.truth = tf.placeholder(tf.float32, [None, cfg.GRID, cfg.GRID, cfg.N_BOX, 5 + cfg.N_CLASS], name='truth')
        self.pred = self.build(self.images)
        self.offset = tf.constant(np.transpose(np.reshape(np.array(
            [np.arange(cfg.GRID)] * cfg.GRID * cfg.N_BOX), (cfg.N_BOX, cfg.GRID, cfg.GRID)), (1, 2, 0)), tf.float32)
        self.anchors = tf.constant(cfg.ANCHORS, tf.float32)
        if training:
            self.loss_layer()
            self.total = tf.losses.get_total_loss()

    def leaky(self, x):
        return tf.maximum(self.alpha * x, x)

    def conv(self, x, n, k):
        c = int(x.get_shape()[3])
        w = tf.Variable(tf.truncated_normal([k, k, c, n], stddev=np.sqrt(2.0 / (k * k * c))))  # SAFE: positive sizes
        x = tf.nn.conv2d(x, w, [1, 1, 1, 1], 'SAME')
        m, v = tf.nn.moments(x, [0, 1, 2])
        gamma = tf.Variable(tf.ones([n]))
        beta = tf.Variable(tf.zeros([n]))
        return self.leaky(tf.nn.batch_normalization(x, m, v, beta, gamma, 1e-5))  # SAFE: epsilon argument

    def build(self, x):
        for n in (16, 32, 64, 128, 256):
            x = tf.layers.max_pooling2d(self.conv(x, n, 3), 2, 2)
        x = self.conv(self.conv(x, 512, 3), 1024, 3)
        x = tf.layers.conv2d(x, cfg.N_BOX * (5 + cfg.N_CLASS), 1)
        return tf.reshape(x, [-1, cfg.GRID, cfg.GRID, cfg.N_BOX, 5 + cfg.N_CLASS])

    def calc_iou(self, b1, b2):
        """x, y, w, h"""
        lu = tf.maximum(b1[..., :2] - b1[..., 2:4] / 2.0, b2[..., :2] - b2[..., 2:4] / 2.0)  # SAFE: constant
        rd = tf.minimum(b1[..., :2] + b1[..., 2:4] / 2.0, b2[..., :2] + b2[..., 2:4] / 2.0)  # SAFE: constant
        wh = tf.maximum(0.0, rd - lu)
        inter = wh[..., 0] * wh[..., 1]
        s1 = b1[..., 2] * b1[..., 3]
        s2 = b2[..., 2] * b2[..., 3]
        union = tf.maximum(s1 + s2 - inter, cfg.IOU_EPS)
        return tf.clip_by_value(inter / union, 0.0, 1.0)  # SAFE: maximum with the config constant 1e-10

    def loss_layer(self):
        p, t = self.pred, self.truth
        xy = tf.sigmoid(p[..., 0:2])
        wh_raw = p[..., 2:4]
        conf = tf.sigmoid(p[..., 4])
        cls = tf.nn.softmax(p[..., 5:])
        obj = t[..., 4]

        wh = tf.exp(wh_raw) * self.anchors  # MAYBE: exp of the raw output, overflows for 89 (famous for diverging without warm-up)
        boxes = tf.concat([xy, wh], -1)
        iou = tf.stop_gradient(self.calc_iou(boxes, t[..., 0:4]))

        # box size: sqrt as in v1
        wh_loss = tf.square(tf.sqrt(wh_raw) - tf.sqrt(t[..., 2:4]))  # BUG: domain, the raw network output is negative for half of the boxes -> NaN
        xy_loss = tf.square(xy - t[..., 0:2])
        # regression in log space on top
        t_log = tf.log(t[..., 2:4] / self.anchors)  # BUG: log-zero, empty cells have w = h = 0 -> -inf and the mask makes it NaN
        log_loss = tf.square(wh_raw - t_log)
        coord = tf.reduce_sum(tf.expand_dims(obj, -1) * (xy_loss + wh_loss + log_loss), [1, 2, 3, 4])
        tf.losses.add_loss(cfg.LAMBDA_COORD * tf.reduce_mean(coord))

        conf_loss = obj * tf.square(conf - iou) + cfg.LAMBDA_NOOBJ * (1 - obj) * tf.square(conf)
        tf.losses.add_loss(tf.reduce_mean(tf.reduce_sum(conf_loss, [1, 2, 3])))
        ce = -tf.reduce_sum(t[..., 5:] * tf.log(tf.maximum(cls, 1e-12)), -1)  # SAFE: maximum 1e-12
        tf.losses.add_loss(tf.reduce_mean(tf.reduce_sum(obj * ce, [1, 2, 3])))
        n_obj = tf.reduce_sum(obj)
        self.mean_iou = tf.reduce_sum(iou * obj) / tf.where(n_obj > 0, n_obj, 1.0)  # SAFE: tf.where on the denominator, metric
        tf.summary.scalar('mean_iou', self.mean_iou)
