import tensorflow as tf

import losses
import utils


class UNet(object):
    def __init__(self, n_class, loss, size=256, c=3, weights=None, depth=4, feats=32, lr=1e-4, l2=1e-5):
        self.n_class = n_class
        self.x = tf.placeholder(tf.float32, [None, size, size, c])
        self.y = tf.placeholder(tf.float32, [None, size, size, n_class])
        self.training = tf.placeholder_with_default(False, [])
        self.logits = self._net(depth, feats)
        self.cost = self._cost(loss, weights)
        vars_l2 = tf.add_n([tf.nn.l2_loss(v) for v in tf.trainable_variables() if 'kernel' in v.name])
        ups = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
        with tf.control_dependencies(ups):
            self.train_op = tf.train.AdamOptimizer(lr).minimize(self.cost + l2 * vars_l2)
        self.iou = utils.mean_iou(self.y, self.logits, n_class)

    def _block(self, h, n):
        for _ in range(2):
            h = tf.layers.conv2d(h, n, 3, padding='same', use_bias=False)
            h = tf.nn.relu(tf.layers.batch_normalization(h, training=self.training))  # SAFE: library epsilon
        return h

    def _net(self, depth, feats):
        h = self.x
        skips = []
        for d in range(depth):
            h = self._block(h, feats * 2 ** d)  # SAFE: integer power of 2
            skips.append(h)
            h = tf.layers.max_pooling2d(h, 2, 2)
        h = self._block(h, feats * 2 ** depth)  # SAFE: integer power of 2
        for d in reversed(range(depth)):
            h = tf.layers.conv2d_transpose(h, feats * 2 ** d, 2, 2)  # SAFE: integer power of 2
            h = self._block(tf.concat([skips[d], h], 3), feats * 2 ** d)  # SAFE: integer power of 2
        return tf.layers.conv2d(h, self.n_class, 1)

    def _cost(self, name, weights):
        y = self.y
        p = losses.pixelwise_softmax(self.logits)
        if name == 'ce':
            return losses.cross_entropy(y, p)
        if name == 'weighted':
            return losses.weighted_ce(y, losses.raw_softmax(self.logits), tf.constant(weights, tf.float32))
        if name == 'focal':
            return losses.focal(y, p)
        if name == 'dice':
            return 1.0 - losses.dice_coef(y, p) + losses.boundary_dice(y, p)
        if name == 'jaccard':
            return losses.jaccard_loss(y, p)
        raise ValueError(name)
