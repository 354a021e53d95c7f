import numpy as np
import tensorflow as tf

import config as cfg


def leaky_relu(x):
    return tf.nn.leaky_relu(x, alpha=cfg.ALPHA)


class YOLONet(object):

    def __init__(self, is_training=True, image_size=None, width=16):
        self.num_class = len(cfg.CLASSES)
        self.image_size = image_size or cfg.IMAGE_SIZE
        self.cell = cfg.CELL_SIZE
        self.boxes = cfg.BOXES_PER_CELL
        self.output_size = self.cell * self.cell * (self.num_class + self.boxes * 5)
        self.boundary1 = self.cell * self.cell * self.num_class
        self.boundary2 = self.boundary1 + self.cell * self.cell * self.boxes
        offset = np.array([np.arange(self.cell)] * self.cell * self.boxes)
        self.offset = np.transpose(
            offset.reshape(self.boxes, self.cell, self.cell), (1, 2, 0)).astype(np.float32)
        self.images = tf.placeholder(tf.float32, [None, self.image_size, self.image_size, 3], "images")
        self.logits = self.build_network(self.images, is_training, width)

    def build_network(self, images, is_training, width):
        with tf.variable_scope("yolo"):
            net = tf.layers.conv2d(images, width, 7, 2, "same", activation=leaky_relu, name="conv1")
            net = tf.layers.max_pooling2d(net, 2, 2, name="pool1")
            for i, mult in enumerate((2, 4, 8)):
                net = tf.layers.conv2d(net, width * mult, 3, 1, "same", activation=leaky_relu,
                                       name="conv%d" % (i + 2))
                net = tf.layers.max_pooling2d(net, 2, 2, name="pool%d" % (i + 2))
            net = tf.layers.flatten(net)
            net = tf.layers.dense(net, width * 16, activation=leaky_relu, name="fc1")
            net = tf.layers.dropout(net, 0.5, training=is_training)
            return tf.layers.dense(net, self.output_size, name="fc2")

    def split(self):
        s, b, c = self.cell, self.boxes, self.num_class
        classes = tf.reshape(self.logits[:, :self.boundary1], [-1, s, s, c])
        scales = tf.reshape(self.logits[:, self.boundary1:self.boundary2], [-1, s, s, b])
        boxes = tf.reshape(self.logits[:, self.boundary2:], [-1, s, s, b, 4])
        return classes, scales, boxes
