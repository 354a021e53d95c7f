import math

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


def make_anchors(size, stride, scales=(32.0, 64.0), ratios=(0.5, 1.0, 2.0)):
    centers = (np.arange(size // stride) + 0.5) * stride
    cy, cx = np.meshgrid(centers, centers, indexing="ij")
    out = []
    for s in scales:
        for r in ratios:
            h, w = s * math.sqrt(r), s / math.sqrt(r)  # SAFE: ratios are the positive constants in the signature
            out.append(np.stack([cy - h / 2, cx - w / 2, cy + h / 2, cx + w / 2], -1))
    return np.stack(out, 2).reshape(-1, 4).astype(np.float32)


def prior_bias(pi=0.01):
    return -math.log((1.0 - pi) / pi)  # SAFE: pi is the default 0.01


class SingleStage(tf.keras.Model):
    def __init__(self, n_classes, n_anchors=6, width=64):
        super().__init__()
        self.n_classes = n_classes
        self.scale = layers.Rescaling(1.0 / 127.5, offset=-1.0)
        self.stem = tf.keras.Sequential()
        for i in range(4):
            self.stem.add(layers.Conv2D(width * (1 + i // 2), 3, strides=2, padding="same", use_bias=False))
            self.stem.add(layers.BatchNormalization())
            self.stem.add(layers.Activation("swish"))
        self.cls_head = layers.Conv2D(
            n_anchors * n_classes, 3, padding="same",
            bias_initializer=tf.keras.initializers.Constant(prior_bias()))
        self.box_head = layers.Conv2D(n_anchors * 4, 3, padding="same")

    def call(self, x, training=False):
        h = self.stem(self.scale(x), training=training)
        b = tf.shape(x)[0]
        cls = tf.reshape(self.cls_head(h), [b, -1, self.n_classes])
        box = tf.reshape(self.box_head(h), [b, -1, 4])
        return cls, box
